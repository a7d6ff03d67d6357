"""How long a clip may be, and how many are decoded at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from studio.errors import DataError
from studio.models.base import Clip, Family

BATCH_SECONDS = 20.0  # audio decoded at once: faster than clip by clip, and still short enough to be stopped between

T = TypeVar("T")


def in_batches(items: Iterable[T], seconds: Callable[[T], float]) -> Iterator[list[T]]:
    """`items` in their order, in batches of BATCH_SECONDS of audio at most (a longer one is a batch of its own)."""
    batch: list[T] = []
    sum_of = 0.0
    for item in items:
        if batch and sum_of + seconds(item) > BATCH_SECONDS:
            yield batch
            batch, sum_of = [], 0.0
        batch.append(item)
        sum_of += seconds(item)
    if batch:
        yield batch


def check_length(family: Family, clip: Clip) -> None:
    """Raise DataError where `clip` is shorter than the network can take, or longer than it takes whole."""
    seconds = len(clip.samples) / family.sample_rate
    name = f"Clip {clip.id}" if clip.id else "This clip"
    if seconds < family.min_seconds:
        raise DataError(
            f"{name} has {seconds:.3f} s of audio; the model needs at least {family.min_seconds:g} s.",
            "Record it again, or leave it out.",
        )
    if seconds > family.max_seconds:
        raise DataError(
            f"{name} has {seconds:.1f} s of audio; the model takes {family.max_seconds:g} s at most.",
            "Cut it into sentences.",
        )

"""Which clips a step learns from: a function of seed and step alone, so there is no sampler to save."""

from __future__ import annotations

from collections.abc import Iterator

from studio.config import TrainConfig


def clips_of_step(step: int, clips: int, config: TrainConfig) -> list[list[int]]:
    """Indices of the clips in each micro-batch of `step` (counted from 1), out of `clips`.

    The epochs stand one after another, each in an order of its own, and are cut into steps of equal size: no
    clip is seen twice before all were seen once, and no step is smaller than another.
    """
    size = config.batch_size * config.accumulation
    first = (step - 1) * size
    chosen = list(_stream(first, size, clips, config.seed))
    return [chosen[at : at + config.batch_size] for at in range(0, size, config.batch_size)]


def epoch_order(epoch: int, clips: int, seed: int) -> list[int]:
    """The order in which `epoch` goes through the clips."""
    import numpy as np

    return [int(index) for index in np.random.default_rng((seed, epoch)).permutation(clips)]


def _stream(first: int, count: int, clips: int, seed: int) -> Iterator[int]:
    """`count` clips from place `first` of all the epochs on end."""
    while count > 0:
        epoch, place = divmod(first, clips)
        part = epoch_order(epoch, clips, seed)[place : place + count]
        yield from part
        first, count = first + len(part), count - len(part)

"""Whether a dataset writes numbers in two ways: a model that learns from it does either, by chance."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from studio.data.labels.numbers import still_holds
from studio.text import Convention, counted


class TwoWays(NamedTuple):
    """What is mixed, and what most labels do."""

    what: str  # a sentence, with the first label that is unlike most
    common: Convention


def numbers_in_two_ways(labels: Iterable[str]) -> TwoWays | None:
    """Whether some of `labels` write numbers as digits and others as words; None where all agree."""
    written: dict[Convention, list[str]] = {"digits": [], "words": []}
    for label in labels:
        for style in _styles(label):
            written[style].append(label)
    rare, common = sorted(written, key=lambda style: len(written[style]))
    if not written[rare]:
        return None
    example = written[rare][0]
    what = (
        f"{counted(len(written[rare]), 'label writes', 'labels write')} numbers as {rare} (“{example[:60]}”), "
        f"{len(written[common]):,} as {common}: the model will learn to mix them."
    )
    return TwoWays(what, common)


@lru_cache(maxsize=100_000)
def _styles(label: str) -> tuple[Convention, ...]:
    """How `label` writes its numbers; nothing where it has none."""
    styles: tuple[tuple[Convention, Convention], ...] = (("digits", "words"), ("words", "digits"))
    return tuple(style for style, other in styles if still_holds(label, other))

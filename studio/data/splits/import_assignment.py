"""The split of imported clips, where the splits that their source states would divide a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from studio.data.splits.grouping import SplitIndex, sentence
from studio.data.utterance import Example, Split

Place = tuple[bool, int]
"""Whether the place may change, and the rank of its side: the smaller wins. What is there already stays."""


def placed(coming: Callable[[], Iterable[Example]], sides: SplitIndex, kept: SplitIndex) -> Iterator[Example]:
    """The clips `coming`, each sentence on one side: that of the clips that are `kept`, or else what measures wins.

    `sides` counts both. `coming()` is asked several times, so that the clips of a whole import never lie in memory.
    """
    places = _places(coming, sides, kept)
    for clip in coming():
        place = min((places[key] for key in sentence(clip) if key in places), default=None)
        yield clip if place is None or clip.split == "unused" else _moved(clip, SplitIndex.BY_RANK[place[1]])


def is_torn(sides: SplitIndex, kept: SplitIndex) -> bool:
    """Whether what comes in puts a sentence on a second side."""
    return any(True for _ in _torn(sides, kept))


def misplaced(sides: SplitIndex, kept: SplitIndex) -> int:
    """How many clips that come in are not where `placed` puts their sentence."""
    total = 0
    for key in _torn(sides, kept):
        came = [every - there for every, there in zip(sides.counts(key), kept.counts(key), strict=True)]
        place = sides.best(key) if kept.best(key) is None else kept.best(key)
        total += sum(came) - came[place or 0]
    return total


def _torn(sides: SplitIndex, kept: SplitIndex) -> Iterator[str]:
    return (key for key in sides.torn if sides.counts(key) != kept.counts(key))


def _places(coming: Callable[[], Iterable[Example]], sides: SplitIndex, kept: SplitIndex) -> Mapping[str, Place]:
    """The place of each key of a torn sentence, and of the keys that hang together with it through a clip."""

    def own(key: str) -> Place:
        found = kept.best(key)
        return (False, found) if found is not None else (True, sides.best(key) or 0)

    places = {key: own(key) for key in _torn(sides, kept)}
    is_moving = bool(places)
    while is_moving:  # a place only becomes better: it ends
        is_moving = False
        for clip in coming():
            keys = sentence(clip)
            if clip.split == "unused" or not any(key in places for key in keys):
                continue
            best = min(places.get(key) or own(key) for key in keys)
            for key in keys:
                is_moving |= places.get(key) != best
                places[key] = best
    return places


def _moved(clip: Example, side: Split) -> Example:
    """`clip` on `side`; a correction of the Test tab never measures."""
    goes: Split = "unused" if side == "test" and clip.source == "live" else side
    return clip if clip.split == goes else clip.model_copy(update={"split": goes})

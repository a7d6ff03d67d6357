"""When each word of a clip is said: which families learn from it, and whether it can be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from studio.data import word_times
from studio.data.utterance import Example, Split, Utterance
from studio.errors import DataError
from studio.models.writable import Splits, shortened
from studio.text import counted

TIMED_SIDES: tuple[Split, ...] = ("train", "validation")  # the test clips are only transcribed


@runtime_checkable
class LearnsFromWordTimes(Protocol):
    """A family whose labels need the times of their words."""

    embeddings: str  # the name of the layer that holds the table of tokens
    padding_weight: float  # of a frame without a word, in the loss; 1 for a token of a word

    def weighing(self, padding_weight: float) -> Any:
        """The family with another `padding_weight`."""
        ...


def check(clips: Sequence[Example], family: object, dataset: str) -> None:
    """Raise DataError where `family` needs word times and clips that it learns from have none.

    The words of the test clips are not needed.
    """
    if not isinstance(family, LearnsFromWordTimes):
        return
    heard = (clip for clip in clips if clip.split in TIMED_SIDES and isinstance(clip, Utterance))
    bare = [clip.id for clip in heard if not clip.silent and not clip.words]
    if bare:
        have = counted(len(bare), "clip has", "clips have")
        raise DataError(
            f"{have} no word times, which this model learns from: {shortened(bare)}.",
            f"Time their words first: studio align {dataset}",
        )


def only_timed(splits: Splits, family: object, dataset: str) -> tuple[Splits, list[str]]:
    """`splits` without clips whose word times cannot be used, if `family` needs them; and why each is left out.

    Raises DataError as `check` does, and where a split is left without a clip.
    """
    if not isinstance(family, LearnsFromWordTimes):
        return splits, []
    check([clip for side in splits.values() for clip in side], family, dataset)
    good, bad = dict(splits), []
    for side in TIMED_SIDES:
        faults = {clip.id: _fault(clip) for clip in splits[side]}
        good[side] = [clip for clip in splits[side] if not faults[clip.id]]
        bad += [f"{name} ({why.removesuffix('.')})" for name, why in faults.items() if why]
        if splits[side] and not good[side]:
            raise DataError(
                f"No clip of the {side} split has word times that can be used: {shortened(bad)}.",
                f"Time their words again: studio align {dataset}",
            )
    return good, bad


def timed(clips: Sequence[Example], family: object) -> list[Example]:
    """Those of `clips` that `family` can learn from, of replayed clips: they may lack word times."""
    if not isinstance(family, LearnsFromWordTimes):
        return list(clips)
    return [clip for clip in clips if isinstance(clip, Utterance) and word_times.timed(clip)]


def _fault(clip: Example) -> str:
    """Why the word times of `clip` cannot be used; empty where they can."""
    words = clip.words if isinstance(clip, Utterance) else None
    return word_times.fault(words or [], clip.text, clip.duration)

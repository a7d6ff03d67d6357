"""Labels longer than a model can write: which clips have one, and what that means for a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from studio.data.utterance import SIDES, Example, Split
from studio.errors import DataError
from studio.models.base import Recogniser

Splits = Mapping[Split, list[Example]]  # one list for each of SIDES

NAMED = 3  # clips that a warning names; it counts the others


def only_writable(splits: Splits, base: Recogniser) -> tuple[Splits, list[str]]:
    """`splits` without the clips of train and validation whose label `base` cannot write; and why each is left out.

    Test clips stay: no adapter could write them, so they count alike before and after. Raises DataError where train
    or validation is left without a clip.
    """
    good: dict[Split, list[Example]] = {"test": list(splits["test"])}
    bad: list[str] = []
    for side in ("train", "validation"):
        reasons = unwritable(splits[side], base)
        good[side] = [clip for clip in splits[side] if clip.id not in reasons]
        bad += named(reasons)
        if splits[side] and not good[side]:
            raise DataError(
                f"No label of the {side} split can be written: {shortened(bad)}.",
                "Cut these clips into sentences, or choose another model.",
            )
    return good, bad


def unwritable(chosen: Sequence[Example], base: Recogniser) -> dict[str, str]:
    """The clips whose label is longer than `base` can write, by their id, and why."""
    found = {}
    for clip in chosen:
        try:
            base.family.check_text(base.model, base.processor, clip.text)
        except DataError as error:
            found[clip.id] = error.what.rstrip(".")
    return found


def unwritable_note(reasons: Mapping[str, str]) -> str:
    """What a person should know of test clips whose label the model cannot write."""
    which = shortened(named(reasons))
    return f"Test clips whose label the model cannot write ({len(reasons)}): {which}. They are errors before and after."


def left_out_note(reasons: Sequence[str]) -> str:
    """What a person should know of clips that a run does without."""
    return f"Left out ({len(reasons)}): {shortened(reasons)}."


def named(reasons: Mapping[str, str]) -> list[str]:
    """Each clip and its reason."""
    return [f"{name} ({reason})" for name, reason in reasons.items()]


def shortened(sentences: Sequence[str]) -> str:
    """The first few of `sentences`, and how many more there are."""
    more = len(sentences) - NAMED
    return "; ".join(sentences[:NAMED]) + (f"; and {more} more" if more > 0 else "")


def by_side(clips: Sequence[Example]) -> Splits:
    """`clips` by the split that each is in."""
    return {side: [clip for clip in clips if clip.split == side] for side in SIDES}

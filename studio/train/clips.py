"""Which clips a run uses, kept in its folder so that it can be resumed while the dataset grows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from studio.data.manifest import Dataset, Utterance
from studio.data.splits import ensure_minimum
from studio.errors import DataError
from studio.evaluate import read_manifest, usable
from studio.models import Family, Recogniser
from studio.run_folder import RunFolder
from studio.workspace import write_atomically

SIDES = ("train", "validation", "test")
Splits = Mapping[str, list[Utterance]]  # one list for each of SIDES

NAMED = 3  # clips that a warning names; it counts the others
FEW_TEST_WORDS = 200  # below this one word is more than half a point of WER


def choose(dataset: Dataset) -> tuple[Splits, list[str]]:
    """The dataset's splits, each with its minimum of clips, and what was moved for that. Raises DataError."""
    moved = ensure_minimum(dataset)
    return _by_side(dataset.utterances()), moved


def keep(splits: Splits, folder: RunFolder) -> None:
    """Write down in `folder` which clips the run uses. Raises DiskError."""
    write_atomically(folder.manifest, "".join(clip.to_line() + "\n" for side in SIDES for clip in splits[side]))


def kept(folder: RunFolder) -> Splits:
    """The clips that the run in `folder` began with. Raises JobError where they cannot be read."""
    return _by_side(read_manifest(folder.manifest))


def only_usable(dataset: Dataset, splits: Splits, family: Family) -> tuple[Splits, list[str]]:
    """The clips that `family` can hear, and why each of the others is left out.

    Raises DataError where a split is left without a clip.
    """
    good: dict[str, list[Utterance]] = {}
    bad: list[str] = []
    for side in SIDES:
        good[side], reasons = usable(dataset, splits[side], family)
        bad += reasons
        if not good[side]:
            raise DataError(
                f"No clip of the {side} split can be used: {shortened(bad)}.",
                "Record these again, or record more.",
            )
    return good, bad


def only_writable(splits: Splits, base: Recogniser) -> tuple[Splits, list[str]]:
    """`splits` without the clips of train and validation whose label `base` cannot write; and why each is left out.

    Test clips stay: no adapter could write them, so they count alike before and after. Raises DataError where train
    or validation is left without a clip.
    """
    good: dict[str, list[Utterance]] = {"test": list(splits["test"])}
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


def unwritable(chosen: Sequence[Utterance], base: Recogniser) -> dict[str, str]:
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


def named(reasons: Mapping[str, str]) -> list[str]:
    """Each clip and its reason."""
    return [f"{name} ({reason})" for name, reason in reasons.items()]


def notes(splits: Splits, moved: Sequence[str], left_out: Sequence[str], problems: Sequence[str]) -> Iterator[str]:
    """What a person should know about the clips before the run begins."""
    if moved:
        yield moved_note(moved)
    if left_out:
        yield f"Left out ({len(left_out)}): {shortened(left_out)}."
    if problems:
        yield f"The dataset has problems ({len(problems)}): {shortened(problems)}"
    words = sum(len(clip.text.split()) for clip in splits["test"])
    if words < FEW_TEST_WORDS:
        yield (
            f"The test split has {len(splits['test'])} clips with {words} words: a single wrong word moves "
            f"its WER by {100 / words:.1f} points, so small differences there say nothing."
        )


def moved_note(moved: Sequence[str]) -> str:
    """What was moved so that a run could begin."""
    return f"So that every split has its clips, {len(moved)} were moved for good: {shortened(moved)}"


def shortened(sentences: Sequence[str]) -> str:
    """The first few of `sentences`, and how many more there are."""
    more = len(sentences) - NAMED
    return "; ".join(sentences[:NAMED]) + (f"; and {more} more" if more > 0 else "")


def _by_side(clips: Sequence[Utterance]) -> Splits:
    return {side: [clip for clip in clips if clip.split == side] for side in SIDES}

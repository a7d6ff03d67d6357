"""Which clips a run uses, kept in its folder so that it can be resumed while the dataset grows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from studio import audio
from studio.data.manifest import Dataset, Example, Utterance
from studio.data.splits.assignment import ensure_minimum
from studio.data.utterance import SIDES, Split
from studio.errors import DataError
from studio.evaluation.evaluate import read_manifest
from studio.evaluation.hypotheses import usable
from studio.models import Family
from studio.models.writable import Splits, by_side, left_out_note, shortened
from studio.runs.folder import RunFolder
from studio.text import counted
from studio.workspace import write_atomically

USUAL_RATE = 16_000  # Hz: that of a recording of this studio
FEW_TEST_WORDS = 200  # below this one word is more than half a point of WER


def choose(dataset: Dataset) -> tuple[Splits, list[str]]:
    """The dataset's splits, each with its minimum of clips, and what was moved for that. Raises DataError."""
    moved = ensure_minimum(dataset)
    return by_side(dataset.examples()), moved


def keep(splits: Splits, folder: RunFolder) -> None:
    """Write down in `folder` which clips the run uses. Raises DiskError."""
    write_atomically(folder.manifest, "".join(clip.to_line() + "\n" for side in SIDES for clip in splits[side]))


def kept(folder: RunFolder) -> Splits:
    """The clips that the run in `folder` began with. Raises JobError where they cannot be read."""
    return by_side(read_manifest(folder.manifest))


def only_usable(dataset: Dataset, splits: Splits, family: Family) -> tuple[Splits, list[str]]:
    """The clips that `family` can transcribe, and why each of the others is left out.

    Raises DataError where a split is left without a clip.
    """
    good: dict[Split, list[Example]] = {}
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


def notes(splits: Splits, moved: Sequence[str], left_out: Sequence[str], problems: Sequence[str]) -> Iterator[str]:
    """What a person should know about the clips before the run begins."""
    if moved:
        yield moved_note(moved)
    if left_out:
        yield left_out_note(left_out)
    if problems:
        yield f"The dataset has problems ({len(problems)}): {shortened(problems)}"
    words = sum(len(clip.text.split()) for clip in splits["test"])
    if words < FEW_TEST_WORDS:
        yield (
            f"The test split has {counted(len(splits['test']), 'clip')} with {counted(words, 'word')}: a single wrong "
            f"word moves its WER by {100 / words:.1f} points, so small differences mean nothing."
        )


def resampled_note(dataset: Dataset, splits: Splits, family: Family) -> list[str]:
    """What to know where a model that hears more than 16 kHz gets clips that were recorded with less than it hears."""
    if family.sample_rate <= USUAL_RATE:
        return []
    rates = [
        audio.inspect(dataset.clip_path(clip)).sample_rate for clip in splits["train"] if isinstance(clip, Utterance)
    ]
    lower = [rate for rate in rates if rate < family.sample_rate]
    if not lower:
        return []
    wanted, lowest = f"{family.sample_rate / 1000:g} kHz", min(lower)
    return [
        f"{counted(len(lower), 'training clip was', 'training clips were')} recorded below {wanted} (the lowest at "
        f"{lowest / 1000:g} kHz) and resampled to {wanted}, which this model takes; what is above "
        f"{lowest / 2000:g} kHz is missing from it."
    ]


def moved_note(moved: Sequence[str]) -> str:
    """What was moved so that a run could begin."""
    clips = counted(len(moved), "clip was", "clips were")
    return f"So that every split has enough clips, {clips} moved permanently: {shortened(moved)}"

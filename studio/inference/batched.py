"""Many clips transcribed by one recogniser, similar lengths together, each batch kept as soon as it is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from studio.data.manifest import Dataset, Utterance
from studio.errors import DataError
from studio.evaluation.hypotheses import read_clip
from studio.models import Clip, Hypothesis, Recogniser
from studio.models.limits import check_length, in_batches
from studio.progress import OnProgress
from studio.text import counted


@dataclass(frozen=True, slots=True)
class Read:
    """One clip, and what the model wrote for it."""

    utterance: Utterance
    clip: Clip
    hypothesis: Hypothesis


def batches(
    recogniser: Recogniser, dataset: Dataset, clips: Sequence[Utterance], on_progress: OnProgress, skipped: list[str]
) -> Iterator[list[Read]]:
    """Transcribe `clips`, short ones first; a reason for each that cannot be goes to `skipped`."""
    family, done = recogniser.family, 0
    on_progress(0, len(clips))
    for batch in in_batches(sorted(clips, key=_seconds), _seconds):
        usable = list(_usable(recogniser, dataset, batch, skipped))
        heard = [clip for _, clip in usable]
        written = family.transcribe_batch(recogniser.model, recogniser.processor, heard) if heard else []
        yield [Read(*pair, hypothesis) for pair, hypothesis in zip(usable, written, strict=True)]
        done += len(batch)
        on_progress(done, len(clips))


def _seconds(clip: Utterance) -> float:
    return clip.duration


def _usable(
    recogniser: Recogniser, dataset: Dataset, batch: Sequence[Utterance], skipped: list[str]
) -> Iterator[tuple[Utterance, Clip]]:
    for utterance in batch:
        try:
            clip = read_clip(dataset, utterance, recogniser.family.sample_rate)
            check_length(recogniser.family, clip)
        except DataError as error:
            skipped.append(f"{utterance.id}: {error}")
        else:
            yield utterance, clip


def skipped_sentence(skipped: Sequence[str]) -> str:
    """How many clips could not be transcribed and why the first could not; empty where all could."""
    if not skipped:
        return ""
    return f"{counted(len(skipped), 'clip')} could not be transcribed; the first: {skipped[0]}"

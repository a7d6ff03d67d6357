"""The words of many clips, timed one clip after another, and written as an action that can be undone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from studio.data import word_times
from studio.data.manifest import Dataset, Utterance
from studio.data.word_times import BY_HAND, ROUGH, Words
from studio.errors import DataError
from studio.evaluation.hypotheses import read_clip
from studio.inference.alignment.aligning import RATE, align
from studio.models import Recogniser
from studio.progress import OnProgress
from studio.text import counted

PIECE = 1_000  # clips whose times are written at once: what a power cut can cost


@dataclass(slots=True)
class Alignment:
    """What came of it."""

    timed: int = 0  # clips
    skipped: list[str] = field(default_factory=list)  # the others, each with its reason


def waiting(clips: Iterable[Utterance], *, again: bool = False) -> list[Utterance]:
    """The clips with a label whose words have no times that fit; all but those timed by hand where `again`."""
    labelled = (clip for clip in clips if clip.text.strip() and not clip.silent)
    return [clip for clip in labelled if word_times.timed(clip) is None or (again and clip.words_from != BY_HAND)]


def align_clips(
    recogniser: Recogniser | None, dataset: Dataset, clips: Sequence[Utterance], on_progress: OnProgress
) -> Alignment:
    """Put start and end to every word of `clips`, roughly where there is no `recogniser`.

    What is done when `on_progress` ends the work is written down. A clip whose label or sound changes meanwhile is
    left as it is. Raises DiskError.
    """
    found: dict[str, tuple[Utterance, Words]] = {}
    came = Alignment()
    source = recogniser.source if recogniser else ROUGH
    try:
        for done, clip in enumerate(clips):
            on_progress(done, len(clips))
            try:
                found[clip.id] = clip, _aligned(recogniser, dataset, clip)
            except DataError as error:
                came.skipped.append(f"{clip.audio_filepath}: {error}")
            if len(found) >= PIECE:
                came.timed += _write(dataset, found, source)
        on_progress(len(clips), len(clips))
    finally:
        came.timed += _write(dataset, found, source)
    return came


def skipped_sentence(skipped: Sequence[str]) -> str:
    """How many clips have no word times and why the first has none; empty where all have."""
    return f"{counted(len(skipped), 'clip')} could not be aligned; the first: {skipped[0]}" if skipped else ""


def _aligned(recogniser: Recogniser | None, dataset: Dataset, clip: Utterance) -> Words:
    rate = recogniser.family.sample_rate if recogniser else RATE
    return align(recogniser, read_clip(dataset, clip, rate).samples, clip.text)


def _write(dataset: Dataset, found: dict[str, tuple[Utterance, Words]], source: str) -> int:
    """Write the times of clips that are as they were read, and forget them here; how many."""
    now = {clip.id: (clip.text, clip.audio_sha256) for clip in dataset.utterances()}
    changes = {
        id: {"words": words, "words_from": source}
        for id, (clip, words) in found.items()
        if now.get(id) == (clip.text, clip.audio_sha256)
    }
    was = {id: {"text": found[id][0].text} for id in changes}
    found.clear()
    if changes:
        dataset.change(changes, f"Word times of {counted(len(changes), 'clip')}", was)
    return len(changes)

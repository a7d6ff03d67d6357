"""What a model writes for the clips of a dataset, batch by batch: kept on disk, so that what was stopped continues."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from studio import audio
from studio.data.manifest import Dataset, Example, Pair, Utterance
from studio.errors import DataError, DiskError, StudioError
from studio.evaluation.cache import CachedBatch, HypothesisCache
from studio.models import Clip, Family, Hypothesis, Recogniser
from studio.models.base import Encodes, Guards
from studio.models.limits import in_batches

if TYPE_CHECKING:
    from studio.models.base import Row


CHARACTERS_AS_A_SECOND = 100  # of typed text: a batch of 20 s is some 2,000 characters, thirty sentences


@dataclass(slots=True)
class Hypotheses:
    """What was written so far."""

    texts: dict[str, Hypothesis] = field(default_factory=dict)  # by the clip's id, in the clips' order
    skipped: list[str] = field(default_factory=list)  # clips that could not be transcribed, and why

    @property
    def done(self) -> int:
        """How many clips were dealt with."""
        return len(self.texts) + len(self.skipped)

    def add(self, batch: CachedBatch) -> None:
        """Count one more batch."""
        self.texts |= batch.heard
        self.skipped += batch.skipped

    def clips_of(self, clips: Sequence[Example]) -> list[Example]:
        """Those of `clips` that were transcribed."""
        return [clip for clip in clips if clip.id in self.texts]


def transcribed(
    recogniser: Recogniser,
    dataset: Dataset,
    clips: Sequence[Example],
    known: HypothesisCache,
    features_of: Callable[[str], Row | None] = lambda clip: None,
) -> Iterator[CachedBatch]:
    """Transcribe `clips`, in their order; batches in `known` are not transcribed again, new ones are kept there.

    `features_of` gives what was computed for a clip before, by its id: then it is only decoded. A clip that cannot be
    read any more is skipped, with its reason.
    """
    for batch in in_batches(clips, _size):
        if (found := known.find(batch)) is None:
            found = _one_batch(recogniser, dataset, batch, features_of)
            known.keep(found)
        yield found


def _size(clip: Example) -> float:
    """How much of a batch `clip` fills, in seconds of sound; a pair fills it by its characters."""
    return len(clip.typed) / CHARACTERS_AS_A_SECOND if isinstance(clip, Pair) else clip.duration


def usable(
    dataset: Dataset, clips: Sequence[Example], family: Family, *, needs_label: bool = True
) -> tuple[list[Example], list[str]]:
    """The clips that `family` can transcribe; and why each of the others cannot be used. Reads every file once."""
    good, bad = [], []
    for clip in clips:
        is_silent = isinstance(clip, Utterance) and clip.silent
        is_bare = needs_label and not clip.text.strip() and not is_silent
        if reason := "it has no label" if is_bare else _unfit(dataset, clip, family):
            bad.append(f"{clip.id} ({reason})")
        else:
            good.append(clip)
    return good, bad


def read_clip(dataset: Dataset, clip: Example, sample_rate: int) -> Clip:
    """What a model gets of `clip`: samples at `sample_rate` Hz, label and word times; or the two sides of a pair.

    Raises DataError, AudioError or DiskError.
    """
    if isinstance(clip, Pair):
        import numpy as np

        return Clip(np.zeros(0, np.float32), clip.text, clip.id, typed=clip.typed)
    assert isinstance(clip, Utterance)
    return Clip(audio.read(dataset.clip_path(clip), sample_rate).samples, clip.text, clip.id, clip.words)


def _one_batch(
    recogniser: Recogniser, dataset: Dataset, batch: list[Example], features_of: Callable[[str], Row | None]
) -> CachedBatch:
    good: list[Example] = batch
    bad: list[str] = []
    try:
        texts = _written(recogniser, dataset, batch, features_of)
    except (DataError, DiskError):
        good, bad = usable(dataset, batch, recogniser.family, needs_label=False)
        if not bad:
            raise
        texts = _written(recogniser, dataset, good, features_of) if good else []
    heard = {clip.id: text for clip, text in zip(good, texts, strict=True)}
    return CachedBatch(clips=[clip.id for clip in batch], heard=heard, skipped=bad)


def _written(
    recogniser: Recogniser, dataset: Dataset, clips: Sequence[Example], features_of: Callable[[str], Row | None]
) -> list[Hypothesis]:
    """What is written for `clips`, which were all encoded before, or else are encoded now."""
    family = recogniser.family
    samples = [read_clip(dataset, clip, family.sample_rate) for clip in clips]
    rows = [row for clip in clips if (row := features_of(clip.id)) is not None]
    if isinstance(family, Encodes) and len(rows) == len(clips):
        return family.transcribe_features(recogniser.model, recogniser.processor, samples, rows)
    found = family.transcribe_batch(recogniser.model, recogniser.processor, samples)
    if isinstance(family, Guards):
        return [family.guarded(recogniser.model, clip, text) for clip, text in zip(samples, found, strict=True)]
    return found


def _unfit(dataset: Dataset, clip: Example, family: Family) -> str | None:
    """Why `clip` cannot be transcribed, or None."""
    if not isinstance(clip, Utterance):
        return None if clip.kind == family.kind else "it is typed text, and this model takes sound"
    if family.kind != clip.kind:
        return "it is sound, and this model takes typed text"
    try:
        seconds = audio.inspect(dataset.clip_path(clip)).duration
    except StudioError as error:
        return error.what.rstrip(".")
    if seconds < family.min_seconds:
        return f"{seconds:.2f} s is too short: this model needs {family.min_seconds:g} s"
    if seconds > family.max_seconds:
        return f"{seconds:.0f} s is too long: this model takes {family.max_seconds:g} s"
    return None

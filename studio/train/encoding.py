"""What a family computes once a clip, for all the clips of a run: before training, and never again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from studio.data.manifest import Dataset, Example
from studio.errors import DataError, DiskError
from studio.evaluation.hypotheses import read_clip
from studio.models import Clip, Recogniser
from studio.models.base import Encodes
from studio.models.writable import shortened
from studio.runs.events import Event, Phase, Warned
from studio.text import counted
from studio.train.augment import variant
from studio.train.feature_cache import FeatureCache, open_cache
from studio.train.rows import Rows, StoredRow
from studio.train.stopping import Check

if TYPE_CHECKING:
    from studio.models.base import Row

PROGRESS_EVENTS = 200  # at most
NO_ROOM = (
    "The disk has no room for what was computed of {0}: it is kept in memory, and the next run must compute it "
    "again. Free some space; {1} may be deleted at any time."
)


@dataclass(frozen=True, slots=True)
class EncodingSet:
    """Clips of one dataset, and where their rows go: each clip's own, then those of its `variants`."""

    dataset: Dataset
    clips: Sequence[Example]
    rows: Rows = field(default_factory=Rows)
    variants: int = 0
    seed: int = 0


def encode(
    recogniser: Recogniser, encoding_sets: Sequence[EncodingSet], check: Check, features: Path
) -> Iterator[Event]:
    """Fill the rows of every set. What cannot be read, or what the family refuses, is left out, by name.

    Where the family Encodes, features go to the folder `features`, and those that are there are not computed again.
    Where the disk has no room they stay in memory.
    """
    todo = [(encoding_set, clip) for encoding_set in encoding_sets for clip in encoding_set.clips]
    refused: list[str] = []
    encoder = _Encoder(recogniser, open_cache(recogniser, features))
    recogniser.model.eval()
    for done, (encoding_set, clip) in enumerate(todo):
        check()
        if done % max(1, len(todo) // PROGRESS_EVENTS) == 0:
            yield Phase(name="encoding", done=done, total=len(todo))
        try:
            encoder.fill(encoding_set, clip)
        except (DataError, DiskError) as error:
            refused.append(f"{clip.id} ({error.what.rstrip('.')})")
    if refused:
        yield Warned(message=f"Not trained on ({len(refused)}): {shortened(refused)}.")
    if encoder.in_memory and encoder.cache:
        yield Warned(message=NO_ROOM.format(counted(encoder.in_memory, "clip"), encoder.cache.folder))
    yield Phase(name="encoding", done=len(todo), total=len(todo))


@dataclass(slots=True)
class _Encoder:
    recogniser: Recogniser
    cache: FeatureCache | None
    in_memory: int = 0  # rows for which the disk had no room

    def fill(self, encoding_set: EncodingSet, utterance: Example) -> None:
        """Put one clip and its variants into its set. Raises DataError, DiskError."""
        clip = read_clip(encoding_set.dataset, utterance, self.recogniser.family.sample_rate)
        first = len(encoding_set.rows)
        encoding_set.rows.append(self.row(encoding_set, utterance, clip, 0), clip=utterance.id)
        for number in range(1, encoding_set.variants + 1):
            try:
                encoding_set.rows.append(
                    self.row(encoding_set, utterance, _changed(self.recogniser, encoding_set, clip, number), number)
                )
            except DataError:  # slowed down it is too long, or sped up too short: the clip itself is used
                encoding_set.rows.again(first)

    def row(self, encoding_set: EncodingSet, utterance: Example, clip: Clip, number: int) -> Row | StoredRow:
        """The row of `clip`, which is variant `number` of `utterance`."""
        family, model, processor = self.recogniser.family, self.recogniser.model, self.recogniser.processor
        if self.cache is None or not isinstance(family, Encodes):
            return family.prepare(model, processor, clip)
        labels, key = family.labels(model, processor, clip), self.cache.key(clip)
        again = partial(_encoded_again, self.recogniser, self.cache, key, encoding_set, utterance, number)
        stored = StoredRow(labels, key, self.cache, again)
        if self.cache.has(key):
            return stored
        features = family.features(model, processor, clip)
        if self.cache.write(key, features):
            return stored
        self.in_memory += 1
        return labels | features


def _encoded_again(
    recogniser: Recogniser, cache: FeatureCache, key: str, encoding_set: EncodingSet, utterance: Example, number: int
) -> Row:
    """The features of a clip that was encoded before. Raises DataError where its sound is another by now."""
    assert isinstance(recogniser.family, Encodes)
    clip = read_clip(encoding_set.dataset, utterance, recogniser.family.sample_rate)
    clip = _changed(recogniser, encoding_set, clip, number) if number else clip
    if cache.key(clip) != key:
        raise DataError(f"The sound of clip {utterance.id} was changed during training.", "Start a new run.")
    return recogniser.family.features(recogniser.model, recogniser.processor, clip)


def _changed(recogniser: Recogniser, encoding_set: EncodingSet, clip: Clip, number: int) -> Clip:
    return variant(clip, recogniser.family.sample_rate, encoding_set.seed, number)

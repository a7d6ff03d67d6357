"""What a family computes once a clip, for all the clips of a run: before training, and never again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from studio.data.manifest import Dataset, Utterance
from studio.errors import DataError, DiskError
from studio.evaluate import read_clip
from studio.events import Event, Phase, Warned
from studio.models import Clip, Recogniser
from studio.train.augment import variant
from studio.train.clips import shortened
from studio.train.stopping import Check

if TYPE_CHECKING:
    from studio.models.base import Row

PROGRESS_EVENTS = 200  # at most


@dataclass(frozen=True, slots=True)
class Shelf:
    """Clips of one dataset, and where their rows go: each clip's own, then those of its `variants`."""

    dataset: Dataset
    clips: Sequence[Utterance]
    rows: list[Row] = field(default_factory=list)
    variants: int = 0
    seed: int = 0


def encode(recogniser: Recogniser, shelves: Sequence[Shelf], check: Check) -> Iterator[Event]:
    """Fill the rows of every shelf. What cannot be read, or what the family refuses, is left out, by name."""
    todo = [(shelf, clip) for shelf in shelves for clip in shelf.clips]
    refused: list[str] = []
    recogniser.model.eval()
    for done, (shelf, clip) in enumerate(todo):
        check()
        if done % max(1, len(todo) // PROGRESS_EVENTS) == 0:
            yield Phase(name="encoding", done=done, total=len(todo))
        try:
            shelf.rows.extend(_rows(recogniser, shelf, clip))
        except (DataError, DiskError) as error:
            refused.append(f"{clip.id} ({error.what.rstrip('.')})")
    if refused:
        yield Warned(message=f"Not learnt from ({len(refused)}): {shortened(refused)}.")
    yield Phase(name="encoding", done=len(todo), total=len(todo))


def _rows(recogniser: Recogniser, shelf: Shelf, utterance: Utterance) -> list[Row]:
    """One clip as its family trains on it, and its variants. Raises DataError, DiskError."""
    family = recogniser.family
    clip = read_clip(shelf.dataset, utterance, family.sample_rate)
    rows = [_prepared(recogniser, clip)]
    for number in range(1, shelf.variants + 1):
        try:
            rows.append(_prepared(recogniser, variant(clip, family.sample_rate, shelf.seed, number)))
        except DataError:  # slowed down it is too long, or sped up too short: the clip stands for it
            rows.append(rows[0])
    return rows


def _prepared(recogniser: Recogniser, clip: Clip) -> Row:
    import torch

    with torch.no_grad():
        return recogniser.family.prepare(recogniser.model, recogniser.processor, clip)

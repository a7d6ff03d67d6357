"""A model's hypotheses so far for a list of clips, on disk: an evaluation that was stopped continues from there.

One line a batch, so that the same clips are read together after a stop as without one: the result is the same to the
last digit. Texts are kept as they were written, whichever way they are going to be compared. A file belongs to these
clips with these labels, to this base model, this adapter, this device, precision and number of threads; for any other
it is not there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from studio.config import split_language
from studio.data.store.lines import split_lines
from studio.data.utterance import Example
from studio.errors import DiskError
from studio.models.base import Hypothesis, Recogniser
from studio.version import __version__
from studio.workspace import append_durably, write_atomically


class CachedBatch(BaseModel):
    """One batch of clips: the hypotheses, and why the others could not be transcribed."""

    model_config = ConfigDict(frozen=True)

    clips: list[str]  # ids
    heard: dict[str, Hypothesis]  # by id, in their order
    skipped: list[str] = []


class HypothesisCache:
    """The batches that are done; without a file, none, and none is kept."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known = {tuple(batch.clips): batch for batch in _whole_lines(path)} if path else {}

    @classmethod
    def of(cls, folder: Path, recogniser: Recogniser, test_set: str, *, with_adapter: bool) -> Self:
        """What `recogniser`, with its adapter or without, wrote for the clips whose hash is `test_set`."""
        return cls(folder / f"{_key(recogniser, test_set, with_adapter)}.jsonl")

    def find(self, clips: Sequence[Example]) -> CachedBatch | None:
        """The hypotheses of exactly these clips, together."""
        return self._known.get(tuple(clip.id for clip in clips))

    def keep(self, batch: CachedBatch) -> None:
        """Note `batch`; when this returns it outlives a power cut. A disk that takes nothing only costs the help."""
        self._known[tuple(batch.clips)] = batch
        if self._path:
            with suppress(DiskError):
                append_durably(self._path, batch.model_dump_json())


def _whole_lines(path: Path) -> list[CachedBatch]:
    """The batches in `path`; a line that was torn by a kill is cut off, so that the next one starts a line."""
    try:
        content = path.read_bytes()
    except OSError:
        return []
    found = []
    for line in split_lines(content):
        try:
            found.append(CachedBatch.model_validate_json(line))
        except ValidationError:
            continue
    kept = "".join(batch.model_dump_json() + "\n" for batch in found)
    if kept.encode() != content:
        with suppress(DiskError):
            write_atomically(path, kept)
    return found


def _key(recogniser: Recogniser, test_set: str, with_adapter: bool) -> str:
    import torch

    from studio.models.adapters import adapter_hash, fingerprint

    adapter = adapter_hash(recogniser) if with_adapter else ""
    _, language = split_language(recogniser.source)
    model = [recogniser.family.name, fingerprint(recogniser.folder), recogniser.device, recogniser.precision]
    model.append(f"{torch.get_num_threads()} threads")  # which decide how long it took
    return hashlib.sha256(json.dumps([__version__, *model, language, adapter, test_set]).encode()).hexdigest()[:32]

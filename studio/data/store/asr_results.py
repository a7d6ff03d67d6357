"""What models transcribed: `heard.jsonl` next to the manifest, one line a clip, the last one counts.

A line belongs to the samples that were heard (`audio_sha256`): a clip that was trimmed or recorded again has not been
heard. It notes the label that it was compared with, so that a corrected label is known to need a new comparison.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import filelock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from studio.data.store.files import Store
from studio.data.store.lines import read_bytes, split_lines
from studio.data.utterance import Example
from studio.workspace import append_durably, disk_errors, write_atomically

NAME = "heard.jsonl"
WORN = 2.0  # lines for each clip from which on the file is written anew


class AsrResult(BaseModel):
    """One clip, as one model with one adapter transcribed it."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")

    id: str  # of the clip
    audio_sha256: str  # of the samples that were transcribed; of a pair, of what was typed
    label: str  # the text that it was compared with
    model: str
    adapter: str | None = None  # the run or folder; None is the base model
    base_text: str | None = None  # what the base model wrote; None where only one reading was made
    text: str  # what was written, with the adapter where there is one
    wer: float | None = None  # of this clip alone, numbers compared as spoken
    confidence: float | None = None  # mean token probability, 0..1
    words: list[tuple[str, float]] = []  # each word and the lowest probability of its tokens, 0..1
    loss: float | None = None  # nats per token of `label`, by the reading that fits it better
    suspicion: float | None = Field(default=None, ge=0, le=1)  # that the label is wrong; None where it was not checked
    reason: str = ""  # of the suspicion, a sentence
    at: str  # ISO 8601, UTC

    def stale_for(self, clip: Example) -> bool:
        """Whether the label has changed since: `wer`, `loss` and `suspicion` then speak of another text."""
        return self.label != clip.text


def path_of(store: Store) -> Path:
    """The file; its signature shows when to read it again."""
    return store.folder / NAME


def read(store: Store) -> dict[str, AsrResult]:
    """The transcripts of the clips of `store`, by id; those of other samples are left out. Raises DiskError."""
    samples = {clip.id: clip.given_hash for clip in store.look().clips}
    return {id: item for id, item in latest(store).items() if samples.get(id) == item.audio_sha256}


def latest(store: Store) -> dict[str, AsrResult]:
    """The last whole line of each id, whatever became of its clip. Raises DiskError."""
    found = map(_parse, split_lines(read_bytes(path_of(store))))
    return {item.id: item for item in found if item is not None}


def append(store: Store, items: Iterable[AsrResult]) -> None:
    """Write transcripts; when this returns they survive a power cut. Raises DiskError."""
    lines = [item.model_dump_json() for item in items]
    if not lines:
        return
    path = path_of(store)
    with disk_errors(path), _locked(store):
        if path.exists() and not _ends_whole(path):
            append_durably(path, "")  # a torn last line does not take the next one with it
        append_durably(path, "\n".join(lines))


def tidy(store: Store) -> None:
    """Write the file anew, whole or not at all, where most lines were overtaken by later ones. Raises DiskError."""
    path = path_of(store)
    with disk_errors(path), _locked(store):
        kept = latest(store)
        if read_bytes(path).count(b"\n") > WORN * len(kept):
            write_atomically(path, "".join(item.model_dump_json() + "\n" for item in kept.values()))


def _locked(store: Store) -> filelock.BaseFileLock:
    return filelock.FileLock(store.folder / ".heard.lock")


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as stream:
        if not stream.seek(0, 2):
            return True
        stream.seek(-1, 2)
        return stream.read(1) == b"\n"


def _parse(line: bytes) -> AsrResult | None:
    try:
        return AsrResult.model_validate_json(line)
    except ValidationError:
        return None

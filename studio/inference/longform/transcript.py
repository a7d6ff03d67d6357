"""What was said in a long recording, and when."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from studio.errors import DiskError
from studio.workspace import Workspace, append_durably, disk_errors


class Segment(BaseModel):
    """The transcript of one piece of the recording; several sentences perhaps."""

    model_config = ConfigDict(frozen=True)

    start: float  # seconds from the beginning of the file
    end: float
    text: str
    confidence: float | None = None  # mean token probability, 0..1


class Transcript(BaseModel):
    """A recording as one model transcribed it."""

    model_config = ConfigDict(frozen=True)

    audio: str  # the file's name
    model: str
    adapter: str | None
    device: str
    seconds: float  # of the recording
    segments: list[Segment]

    @property
    def text(self) -> str:
        """All that was said, in one line."""
        return text_of(self.segments)


def text_of(segments: Iterable[Segment]) -> str:
    """What is said in all of them, in one line."""
    return " ".join(segment.text for segment in segments if segment.text)


class TranscriptSource(BaseModel):
    """Which file is transcribed by what: the first line of a log. A log of anything else is started over."""

    model_config = ConfigDict(frozen=True)

    audio: str  # its whole path
    size: int  # bytes
    changed_at: int  # nanoseconds since the epoch
    model: str
    adapter: str | None
    adapter_changed_at: int  # nanoseconds since the epoch: a resumed run replaces its adapter

    @classmethod
    def of(cls, path: Path, model: str, adapter: Path | None) -> Self:
        """The file `path` as it is now. Raises DiskError."""
        with disk_errors(path, "read"):
            about = path.stat()
            weights = (adapter / "adapter_model.safetensors").stat().st_mtime_ns if adapter else 0
        return cls(
            audio=str(path.resolve()),
            size=about.st_size,
            changed_at=about.st_mtime_ns,
            model=model,
            adapter=str(adapter) if adapter else None,
            adapter_changed_at=weights,
        )


class TranscriptLog:
    """The transcript so far, a durable line a segment, so that one that was stopped can resume.

    Where it cannot be written, the transcription continues without it, and cannot be resumed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, output: Path, workspace: Workspace) -> Self:
        """The log of what becomes the file `output`: in a cache, so that nothing half done lies next to it."""
        name = hashlib.sha256(os.fsencode(output.absolute())).hexdigest()[:32]
        return cls(workspace.readings / f"{name}.transcript")

    def resume(self, source: TranscriptSource) -> list[Segment]:
        """The segments of `source` that are done; none, and an empty log, where it was another."""
        segments = self.segments()
        if segments is None or self._source() != source:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
            self.add(source)
            return []
        return segments

    def discard(self) -> None:
        """Remove it, and the folders of the cache that this leaves empty."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
            for folder in (self.path.parent, self.path.parent.parent):
                folder.rmdir()

    def segments(self) -> list[Segment] | None:
        """The segments in the log, without a torn last line; None where there is no log that can be read."""
        try:
            lines = self._lines()[1:]
            return [Segment.model_validate_json(line) for line in lines]
        except (OSError, IndexError, ValidationError):
            return None

    def add(self, line: TranscriptSource | Segment) -> None:
        """Keep one more line."""
        with suppress(DiskError):
            append_durably(self.path, line.model_dump_json())

    def _source(self) -> TranscriptSource | None:
        try:
            return TranscriptSource.model_validate_json(self._lines()[0])
        except (IndexError, ValidationError):
            return None

    def _lines(self) -> list[bytes]:
        return self.path.read_bytes().split(b"\n")[:-1]

"""The story of a run on a cluster, as lines among whatever else its process prints.

A line is a mark, then JSON in ASCII: a number that counts up from 1, a kind, and what that kind holds:

    event     line: one line of events.jsonl
    part      data: the next bytes of a file, in base64
    file      path, size, sha256: the parts since the last file are this one, relative to the run's folder
    folder    path, keep: the files under it are all there; of its neighbours only those in `keep` still count
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from studio.runs.events import Event, to_line

MARK = "\x1estudio "
PART = 12_000  # bytes of a file in a line: 16,000 characters, less than Ray sends of a log at once


class _Frame(BaseModel):
    model_config = ConfigDict(frozen=True)

    number: int


class EventFrame(_Frame):
    """Something happened."""

    kind: Literal["event"] = "event"
    line: str


class PartFrame(_Frame):
    """Bytes of the file that comes next."""

    kind: Literal["part"] = "part"
    data: str


class FileFrame(_Frame):
    """A file is whole."""

    kind: Literal["file"] = "file"
    path: str
    size: int
    sha256: str


class FolderFrame(_Frame):
    """A folder is whole."""

    kind: Literal["folder"] = "folder"
    path: str
    keep: list[str] = []


Frame = Annotated[EventFrame | PartFrame | FileFrame | FolderFrame, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[Frame] = TypeAdapter(Frame)


def parse(line: str) -> Frame | None:
    """The frame in `line`, or None where it is something else that the process printed."""
    _, mark, text = line.partition(MARK)
    if not mark:
        return None
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        return None


class Sender:
    """Numbers frames and writes each with one call, so that nothing gets between its characters."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._number = 0

    def event(self, event: Event) -> None:
        """Report what happened."""
        self._send(EventFrame(number=self._next(), line=to_line(event)))

    def file(self, root: Path, path: Path) -> None:
        """Send the file `path`, which lies under `root`."""
        content = path.read_bytes()
        for start in range(0, len(content), PART):
            data = base64.b64encode(content[start : start + PART]).decode()
            self._send(PartFrame(number=self._next(), data=data))
        digest = hashlib.sha256(content).hexdigest()
        name = path.relative_to(root).as_posix()
        self._send(FileFrame(number=self._next(), path=name, size=len(content), sha256=digest))

    def folder(self, root: Path, folder: Path, keep: Sequence[str] = ()) -> None:
        """Send every file under `folder`; of its neighbours only those called one of `keep` still count."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.file(root, path)
        self._send(FolderFrame(number=self._next(), path=folder.relative_to(root).as_posix(), keep=list(keep)))

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _send(self, frame: Frame) -> None:
        self._write((MARK + json.dumps(frame.model_dump()) + "\n").encode("ascii"))

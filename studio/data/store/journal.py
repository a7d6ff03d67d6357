"""What was done to a dataset: `journal.jsonl`, one action a line, so that each can be undone, also after a restart.

A line is written before the manifest is (write-ahead), and the manifest is replaced whole. So only the last line can
be in doubt, and one clip decides it: either the manifest holds what that line says, or nothing of it happened.

    {"do": "<id>", "at": …, "what": "Label of …", "kind": "edit", "clips": 1, "rows": {"<clip>": [before, after]}}
    {"undo": "<id>", "at": …}
    {"redo": "<id>", "at": …}
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json

from studio.data.store import lines
from studio.data.store.snapshot import KEPT, Signature, signature_of
from studio.workspace import append_durably, check_plain, disk_errors, write_atomically

MOST_BYTES = 8 << 20
"""Beyond it the oldest actions are forgotten, down to half: a label takes 150 bytes, moving 10,000 clips to another
split 600 kB. So some 20,000 edits can be undone, and reading all of them takes less than 0.1 s."""

_DO = b'{"do"'
_ROWS = b',"rows":'  # within a string its quotes would be escaped: it occurs once in a line
_kept: dict[Path, tuple[Signature, Log]] = {}

Kind = Literal["edit", "trash", "restore", "add"]


class Action(BaseModel):
    """One thing that was done, as the history shows it."""

    model_config = ConfigDict(frozen=True)

    id: str
    at: str  # ISO 8601, UTC
    what: str  # a sentence without its full stop
    clips: int
    undone: bool = False


@dataclass(frozen=True)
class JournalEntry:
    """An action with all that is needed to undo it and to do it again."""

    id: str
    at: str
    what: str
    kind: Kind
    clips: int
    line: bytes = field(repr=False)

    @classmethod
    def new(cls, kind: Kind, what: str, rows: Mapping[str, Any]) -> JournalEntry:
        """An action that is about to be done."""
        head = {"do": secrets.token_hex(6), "at": _now(), "what": what, "kind": kind, "clips": len(rows)}
        return cls.parse(to_json(head | {"rows": rows}))  # json.dumps would hold a string for each word of 100,000 rows

    @classmethod
    def parse(cls, line: bytes) -> JournalEntry:
        """Read the head; the rows, of which there may be many, wait until they are needed. Raises ValueError."""
        head, found, _ = line.partition(_ROWS)
        if not found:
            raise ValueError("no rows")
        row = json.loads(head + b"}")
        return cls(row["do"], row["at"], row["what"], row["kind"], row["clips"], line)

    @cached_property
    def rows(self) -> dict[str, Any]:
        """What is needed of each clip, by `kind`: edit, its fields before and after; trash, the id of the clip that
        came before it in the manifest ("" at its beginning); add and restore, the path of its sound."""
        found: dict[str, Any] = json.loads(self.line)["rows"]
        return found

    def shown(self, undone: bool) -> Action:
        """What the history shows of it."""
        return Action(id=self.id, at=self.at, what=self.what, clips=self.clips, undone=undone)


class Last(NamedTuple):
    """What the last line of a journal says, which alone can be in doubt."""

    entry: JournalEntry
    did: bool  # or undid
    is_new: bool  # the first time


@dataclass(slots=True)
class Log:
    """A journal, read: what was done, what of it is undone, and what can be done again."""

    entries: dict[str, JournalEntry] = field(default_factory=dict)  # by id, the oldest first
    undone: list[str] = field(default_factory=list)  # ids, the one undone last at the end
    can_redo: list[str] = field(default_factory=list)  # those undone since something new was done
    last: Last | None = None
    sizes: list[int] = field(default_factory=list)  # bytes of each line
    torn: int = 0  # bytes of a half last line

    @classmethod
    def parse(cls, content: bytes) -> Log:
        """Read the lines of a journal; one that is none of ours is passed over."""
        log = cls()
        whole, newline, tail = content.rpartition(b"\n")
        log.torn = len(tail)
        for line in whole.split(b"\n") if newline else ():
            log.take(line)
        return log

    def take(self, line: bytes) -> None:
        """Take up one line."""
        self.sizes.append(len(line) + 1)
        self.last = None
        try:
            if line.startswith(_DO):
                self._done(JournalEntry.parse(line))
            else:
                self._turned(json.loads(line))
        except (ValueError, KeyError, TypeError):
            return

    def _done(self, entry: JournalEntry) -> None:
        self.entries[entry.id] = entry
        self.can_redo.clear()
        self.last = Last(entry, did=True, is_new=True)

    def _turned(self, row: dict[str, str]) -> None:
        is_undo = "undo" in row
        entry = self.entries[row["undo" if is_undo else "redo"]]
        for ids in (self.undone, self.can_redo):
            if is_undo:
                ids.append(entry.id)
            else:
                ids.remove(entry.id)
        self.last = Last(entry, did=not is_undo, is_new=False)


class Journal:
    """The journal of the dataset in `folder`. Whoever writes holds the dataset's lock."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.jsonl"

    def read(self) -> Log:
        """Everything in it; kept in memory until the file changes. Raises DiskError."""
        check_plain(self.path)
        signature = signature_of(self.path)
        kept = _kept.get(self.path)
        if kept is None or kept[0] != signature:
            kept = signature, Log.parse(lines.read_bytes(self.path))
            self._keep(*kept)
        return kept[1]

    def append(self, line: bytes) -> None:
        """Write down what is about to be done, undone or done again. Raises DiskError."""
        if line.startswith(_DO) and signature_of(self.path)[1] + len(line) > MOST_BYTES:
            self._forget(len(line))
        log = self.read()
        append_durably(self.path, line.decode())
        log.take(line)
        self._keep(signature_of(self.path), log)

    def withdraw(self) -> None:
        """Take the last line back, and half a line after it: it did not happen. Raises DiskError."""
        log = self.read()
        self._cut(log.sizes[-1] + log.torn)

    def cut_torn(self) -> None:
        """Take a half last line away: what it was to say has not happened. Raises DiskError."""
        if torn := self.read().torn:
            self._cut(torn)

    def _cut(self, count: int) -> None:
        with disk_errors(self.path), self.path.open("r+b") as stream:
            stream.truncate(max(0, stream.seek(0, os.SEEK_END) - count))
            os.fsync(stream.fileno())
        _kept.pop(self.path, None)

    def _forget(self, coming: int) -> None:
        """Keep the latest lines, half of what may be there at most."""
        rows = lines.split_lines(lines.read_bytes(self.path))
        size, first = coming, len(rows)
        while first and size + len(rows[first - 1]) < MOST_BYTES // 2:
            first -= 1
            size += len(rows[first]) + 1
        write_atomically(self.path, b"".join(row + b"\n" for row in rows[first:]))

    def _keep(self, signature: Signature, log: Log) -> None:
        _kept[self.path] = signature, log
        while len(_kept) > KEPT:
            _kept.pop(next(iter(_kept)), None)


def undo_line(entry: JournalEntry) -> bytes:
    """The line that says that `entry` is undone."""
    return json.dumps({"undo": entry.id, "at": _now()}).encode()


def redo_line(entry: JournalEntry) -> bytes:
    """The line that says that `entry` is done again."""
    return json.dumps({"redo": entry.id, "at": _now()}).encode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

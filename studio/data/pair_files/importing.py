"""Take pairs that exist already into a typing dataset: whole or not at all, in flat memory however many they are."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import filelock
from pydantic import BaseModel, ConfigDict

from studio.data.formats.base import ReadOptions, Reasons, Refused, SkipGroup
from studio.data.formats.lists import Index
from studio.data.import_export.intake import leave_no_empty_dataset
from studio.data.manifest import Dataset
from studio.data.pair import Pair, checked_meant, checked_typed
from studio.data.pair_files import reading as files
from studio.data.pair_files.reading import PairLine
from studio.data.splits.grouping import SplitIndex, digest, sentence_of
from studio.data.store import lines, operations, snapshot
from studio.data.store.journal import JournalEntry
from studio.data.store.writing import writing
from studio.data.utterance import Split, hashed_split
from studio.errors import StudioError, printable
from studio.text import counted
from studio.workspace import disk_errors, is_disk_full

MOST_UNDONE = 50_000  # pairs: of a larger import the journal, which names each, would take more than it may
_OURS = frozenset(Pair.model_fields) | {"input", "output"}  # what the keys of others cannot set
_TOLD = 1_000  # rows between two reports of progress

Tell = Callable[[Any, int, int], None]


class PairImportReport(BaseModel):
    """What came in, and what did not, each with its reason."""

    model_config = ConfigDict(frozen=True)

    added: int
    already: int  # the same two sides were there before, or came twice
    clean: int  # of the added: there is nothing to correct in them
    moved: int  # of the added; not in the split that the source states, since their sentence is in another
    skipped: int
    reasons: list[SkipGroup]
    listed: list[tuple[str, str]]  # (row, reason), the first 1,000
    notes: list[str] = []
    action: str = ""  # in the history: undoing it takes the whole import back out

    def sentence(self) -> str:
        """The report in one line."""
        parts = [f"{counted(self.added, 'pair')} added ({self.clean:,} of them without a typo)"]
        parts += [f"{counted(self.already, 'was', 'were')} there already"] if self.already else []
        parts += [f"{self.skipped:,} skipped"] if self.skipped else []
        return " ".join([", ".join(parts) + ".", *self.notes])


def import_pairs(
    dataset: Dataset, paths: Sequence[Path], reading: ReadOptions | None = None, tell: Tell = lambda *_: None
) -> PairImportReport:
    """Import the pairs in the files `paths`: all that can come in or, if it is cancelled or killed, nothing.

    A dataset that is not there yet is begun by its first pair. Raises DataError where nothing can be read or the
    dataset holds speech, DiskError.
    """
    options = reading or ReadOptions()
    if dataset.manifest.exists():
        dataset.must_be("typing")
    for path in paths:
        files.format_of(path)
    names = ", ".join(printable(path.name) for path in paths[:2]) + (" …" if len(paths) > 2 else "")
    with _waiting_room(dataset) as folder, closing(Index()) as seen:
        taking = _Taking(dataset, seen)
        with disk_errors(folder), (folder / "lines.jsonl").open("wb") as stream:
            for number, row in enumerate(row for path in paths for row in files.rows(path, options)):
                if number % _TOLD == 0:
                    tell("importing", number, number)
                stream.writelines(taking.take(row))
        action = _arrive(dataset.folder, folder / "lines.jsonl", taking, names) if taking.added else ""
    return taking.report(action)


@contextmanager
def _waiting_room(dataset: Dataset) -> Iterator[Path]:
    """A folder in `incoming/` whose lines are not seen yet; gone with the block, and with it an empty dataset."""
    folder = dataset.incoming / secrets.token_hex(4)
    lock = filelock.FileLock(folder / ".lock")
    with disk_errors(dataset.folder):
        dataset.folder.mkdir(parents=True, exist_ok=True)
    with writing(dataset), disk_errors(folder):  # who sweeps holds it too
        folder.mkdir(parents=True)
        lock.acquire()
    try:
        yield folder
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)
        leave_no_empty_dataset(dataset)


def _arrive(folder: Path, rows: Path, taking: _Taking, names: str) -> str:
    """Put the lines in `rows` at the end of the manifest; the id of the action that undoes it."""
    dataset = Dataset.create(folder, "typing")
    arrive = partial(snapshot.extended, folder, lines.each(rows))
    with writing(dataset):
        if taking.added > MOST_UNDONE:
            arrive()
            return ""
        ids = dict.fromkeys((Pair.model_validate_json(line).id for line in lines.each(rows)), "")
        entry = JournalEntry.new("add", f"{counted(taking.added, 'pair')} imported from {names}", ids)
        operations.add(dataset, entry, arrive)
    return entry.id


@dataclass(slots=True)
class _Taking:
    """Takes rows in, and counts what became of them."""

    dataset: Dataset
    seen: Index  # on disk: both sides of every pair, and the split of every sentence that came
    sides: SplitIndex = field(init=False)
    reasons: Reasons = field(default_factory=Reasons)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    first: int = field(default_factory=lambda: secrets.randbits(32))
    added: int = 0
    already: int = 0
    clean: int = 0
    moved: int = 0

    def __post_init__(self) -> None:
        now = self.dataset.look() if self.dataset.manifest.exists() else None
        self.sides = now.index() if now else SplitIndex()
        for pair in now.clips if now else ():
            if isinstance(pair, Pair):
                self.seen.add(_both(pair.typed, pair.text), "")

    def take(self, row: PairLine | Refused) -> Iterator[bytes]:
        """The line of `row`, where it comes in."""
        if isinstance(row, Refused):
            self.reasons.add(row)
            return
        try:
            pair = self._pair(row)
        except StudioError as error:
            if error.__cause__ and is_disk_full(error.__cause__):
                raise  # no row after it could come in either
            self.reasons.add(Refused(row.name, error.what, error.remedy))
            return
        if pair is None:
            self.already += 1
            return
        self.added += 1
        self.clean += pair.is_clean
        yield pair.to_line().encode() + b"\n"

    def _pair(self, row: PairLine) -> Pair | None:
        typed, text = checked_typed(row.typed), checked_meant(row.text)
        if not self.seen.add(_both(typed, text), ""):
            return None
        number = (self.first + self.added) % (1 << 32)
        return lines.checked(
            Pair,
            **{key: value for key, value in row.extra.items() if key not in _OURS},
            id=f"{self.began:%Y%m%d-%H%M%S}-{number:08x}",
            typed=typed,
            text=text,
            prompt=" ".join(row.prompt.split()),
            speaker=row.speaker.strip(),
            session=row.session.strip() or f"import {self.began:%Y-%m-%d %H:%M:%S}",
            split=self._side(row, text),
            source="import",
            created_at=self.began.isoformat(timespec="seconds"),
        )

    def _side(self, row: PairLine, text: str) -> Split:
        """Where the pair goes: with its sentence, else where its source says, else by hash."""
        if row.split == "unused":
            return "unused"
        keys = sentence_of(text, row.prompt)
        there = [rank for key in keys if (rank := self.sides.best(key)) is not None]
        names = [f"sentence {digest(key)[:32]}" for key in keys]
        came = next((side for name in names if (side := _as_split(self.seen.get(name)))), None)
        wanted: Split = row.split or hashed_split(row.prompt or text)
        side = SplitIndex.BY_RANK[min(there)] if there else came or wanted
        for name in names:
            self.seen.add(name, side)
        self.moved += bool(row.split) and side != row.split
        return side

    def report(self, action: str) -> PairImportReport:
        """What became of the rows."""
        session = f'session = "import {self.began:%Y-%m-%d %H:%M:%S}"'
        notes = [f"{counted(self.moved, 'pair')} went to the split in which their sentence is."] if self.moved else []
        if self.added > MOST_UNDONE:
            notes.append(f"So many cannot be undone at once: find them in Review by {session}.")
        return PairImportReport(
            added=self.added,
            already=self.already,
            clean=self.clean,
            moved=self.moved,
            skipped=self.reasons.total,
            reasons=self.reasons.groups(),
            listed=self.reasons.listed,
            notes=notes,
            action=action,
        )


def _both(typed: str, text: str) -> str:
    return digest(f"{typed}\n{text}")[:32]


def _as_split(name: str | None) -> Split | None:
    return next((split for split in SplitIndex.BY_RANK if split == name), None)

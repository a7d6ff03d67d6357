"""What is to be imported: paths, each recognised, zip files unpacked for as long as they are read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from studio.data import formats
from studio.data.formats.archive import unpack
from studio.data.formats.base import Format, ImportRow, ReadOptions, Refused
from studio.data.formats.noted import ListedFiles, RowNotes
from studio.data.utterance import Split
from studio.errors import DataError, StudioError


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What is to be imported, and how it is to be read."""

    paths: Sequence[Path]
    format: str = "auto"
    reading: ReadOptions = field(default_factory=ReadOptions)


@dataclass(frozen=True, slots=True)
class ImportPart:
    """One of the paths, with its format."""

    path: Path
    format: Format
    is_passing: bool  # unpacked for now: what lies in it cannot be linked to


@dataclass(slots=True)
class Parts:
    """The paths of a plan, each with its format, and what could not be taken at all."""

    parts: list[ImportPart]
    refused: list[Refused]
    reading: ReadOptions
    noted: RowNotes = field(default_factory=RowNotes)

    def rows(self) -> Iterator[tuple[ImportPart | None, ImportRow | Refused]]:
        """Every row; an unreadable path is a refusal if there are others, and an error if it is the only one."""
        yield from ((None, refused) for refused in self.refused)
        for part in self.parts:
            try:
                yield from ((part, row) for row in self._rows_of(part))
            except StudioError as error:
                if len(self.parts) == 1:
                    raise
                yield part, Refused(part.path.name, error.what, error.remedy)

    def _rows_of(self, part: ImportPart) -> Iterator[ImportRow | Refused]:
        """The rows of one path, each with the split that its own folders state, where its list states none."""
        with closing(ListedFiles(part.path if part.format.has_lists else None)) as named:
            for row in part.format.rows(part.path, self.reading):
                if isinstance(row, ImportRow) and isinstance(row.audio, Path):
                    named.add(row.audio)
                    row = row if row.split else replace(row, split=self._split_of(row.audio, part.path))
                self.noted.row(row, part.path)
                yield row
            self.noted.pass_over(named.passed_over())

    def _split_of(self, audio: Path, root: Path) -> Split | None:
        roots = (root, self.reading.audio) if self.reading.audio else (root,)
        return next((split for each in roots if (split := self.reading.names.split_of(audio, each))), None)

    def notes(self) -> list[str]:
        """What a person should know of the rows that were read."""
        return self.noted.sentences(self.reading.names.followed)

    def count(self) -> int:
        """How many rows there are."""
        return len(self.refused) + sum(part.format.count(part.path, self.reading) for part in self.parts)


@contextmanager
def opened(plan: ImportPlan) -> Iterator[Parts]:
    """The paths of `plan`, zip files unpacked for as long as the block lasts. Raises DataError."""
    with tempfile.TemporaryDirectory(prefix="studio-import-") as scratch:
        parts: list[ImportPart] = []
        refused: list[Refused] = []
        for number, path in enumerate(plan.paths):
            is_zip = path.suffix.lower() == ".zip" and path.is_file()
            try:
                if is_zip:
                    refused += unpack(path, folder := Path(scratch) / str(number))
                    path = folder
                path = _inner(path)
                chosen = formats.recognise(path) if plan.format == "auto" else formats.find(plan.format)
            except StudioError as error:
                if len(plan.paths) == 1 or plan.format not in ("auto", *formats.FORMATS):
                    raise
                if path.suffix.lower() != ".txt":  # at most a label: read with its clip
                    refused.append(Refused(path.name, error.what, error.remedy))
                continue
            parts.append(ImportPart(path, chosen, is_zip))
        _check_mapping(parts, plan.reading)
        yield Parts(parts, refused, plan.reading)


def _check_mapping(parts: Sequence[ImportPart], reading: ReadOptions) -> None:
    """Raises DataError where columns were named, and nothing that is imported has any."""
    if reading.mapping and parts and not any(part.format.columns(part.path, reading) for part in parts):
        what = f"{parts[0].path.name} is imported as {parts[0].format.title}, which has no columns to map."
        raise DataError(what, "Leave the mapping out, or name the format of a table.")


def _inner(path: Path) -> Path:
    """The folder in a folder that holds nothing else, as archives have it."""
    while path.is_dir():
        inner = list(islice((each for each in path.iterdir() if not each.name.startswith((".", "__MACOSX"))), 2))
        if len(inner) != 1 or not inner[0].is_dir() or inner[0].is_symlink():
            break
        path = inner[0]
    return path

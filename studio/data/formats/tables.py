"""Tables of text: CSV, TSV and their relatives, with a header; delimiter and columns are guessed and can be chosen."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from studio.data.formats import fields, lists
from studio.data.formats.base import Base, Column, Reading, Refused, Row, Target
from studio.data.formats.clip import Clip
from studio.data.formats.files import place, stem
from studio.data.formats.sheets import Sheets
from studio.data.utterance import Split
from studio.errors import DataError

DELIMITERS = (",", "\t", ";", "|")
FOLDERS = ("", "clips", "wavs", "wav", "audio")  # where the sound files of a table usually lie
_SUFFIXES = (".csv", ".tsv", ".txt")


def delimiter_of(path: Path) -> str:
    """The character between the cells of `path`: the one that cuts the header and the first lines alike."""
    found = lists.sample(path, 5)
    if path.suffix.lower() == ".tsv" or not found:
        return "\t" if path.suffix.lower() == ".tsv" else ","
    counts = {mark: [len(next(csv.reader([line], delimiter=mark), [])) for line in found] for mark in DELIMITERS}
    steady = [mark for mark, cells in counts.items() if cells[0] > 1 and len(set(cells)) == 1]
    return max(steady or DELIMITERS, key=lambda mark: counts[mark][0])


def rows(
    path: Path,
    reading: Reading,
    *,
    delimiter: str,
    quoting: bool = True,
    split: Split | None = None,
    within: Sequence[str] = FOLDERS,
    suffixes: Sequence[str] = ("",),
) -> Iterator[Row | Refused]:
    """The rows of one table with a header. Raises DataError where no column names the sound files."""
    files, header = reading.files(path), [""]
    meant: dict[str, str] = {}
    for number, (name, cells) in enumerate(lists.table(path, delimiter, quoting)):
        if isinstance(cells, Refused):
            yield cells
        elif not meant:
            header = [cell.strip() for cell in cells]
            meant = fields.guess(header, reading.mapping)
            if "audio" not in meant:
                names = ", ".join(header)[:300]
                raise DataError(
                    f"No column of {path.name} names the sound files; there are: {names}.",
                    "Say which one does: --map audio=COLUMN.",
                )
        elif len(cells) != len(header):
            what = f"Its number of cells is {len(cells)}, and that of the header {len(header)}."
            yield Refused(name, what, "Look for a stray quote or delimiter." if number else "")
        else:
            record = dict(zip(header, cells, strict=True))
            yield fields.to_row(name, record, meant, files, split=split, within=within, suffixes=suffixes)


def columns(path: Path, reading: Reading, delimiter: str, quoting: bool = True) -> list[Column]:
    """What each column becomes."""
    header: list[str] = []
    for _, cells in lists.table(path, delimiter, quoting):
        if isinstance(cells, Refused):
            continue
        if header:
            return fields.shown(header, fields.guess(header, reading.mapping), dict(zip(header, cells, strict=False)))
        header = [cell.strip() for cell in cells]
    return fields.shown(header, fields.guess(header, reading.mapping), {})


class Plain(Base):
    """A CSV or TSV with a header of any names."""

    name, title = "csv", "CSV or TSV table"
    holds = "Keeps speaker, split, prompt and word times."

    def recognise(self, path: Path) -> float:
        """A table with a header one of whose columns can name sound files."""
        found = self.sheet(path)
        if found is None:
            return 0.0
        line = next(iter(lists.sample(found, 1)), "")
        header = next(csv.reader([line], delimiter=delimiter_of(found)), [])
        meant = fields.guess([cell.strip() for cell in header], {})
        sure = (
            0.6 if {"audio", "text"} <= meant.keys() else 0.45 if "audio" in meant else 0.3 if path.is_file() else 0.0
        )
        return sure if len(header) > 1 else 0.0

    def sheet(self, path: Path) -> Path | None:
        """The table: `path` itself, or the only one in the folder."""
        if path.is_file():
            return path if path.suffix.lower() in _SUFFIXES else None
        found = [file for file in sorted(path.glob("[!.]*")) if file.suffix.lower() in (".csv", ".tsv")]
        return found[0] if len(found) == 1 and found[0].is_file() else None

    def rows(self, path: Path, reading: Reading) -> Iterator[Row | Refused]:
        """The rows of the table."""
        sheet = self.sheet(path)
        if sheet is None:
            raise DataError(f"{path.name} holds no single table.", "Give the CSV or TSV file itself.")
        yield from rows(sheet, reading, delimiter=reading.delimiter or delimiter_of(sheet))

    def columns(self, path: Path, reading: Reading) -> list[Column]:
        """What each column becomes."""
        sheet = self.sheet(path)
        return columns(sheet, reading, reading.delimiter or delimiter_of(sheet)) if sheet else []

    def write(self, clips: Iterable[Clip], target: Target) -> None:
        """`audio/*.wav` and `clips.csv`."""
        with Sheets(target.folder) as sheets:
            for clip in clips:
                audio = place(clip, target.folder / "audio", stem(clip))
                cells = [f"audio/{audio}", *fields.cells_of(clip.utterance)]
                sheets.cells("clips.csv", cells, ("path", *fields.COLUMNS))

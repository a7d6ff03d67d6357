"""Tables of text: CSV, TSV and their relatives, with a header; delimiter and columns are guessed and can be chosen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from studio.data.formats import fields, lists
from studio.data.formats.base import Base, Column, ImportRow, ReadOptions, Refused, Target
from studio.data.formats.clip import ExportClip
from studio.data.formats.files import SOUNDS, kind_of, place, stem
from studio.data.formats.sheets import Sheets, unescaped
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
    counts = {mark: [len(lists.cells(line, mark)) for line in found] for mark in DELIMITERS}
    steady = [mark for mark, cells in counts.items() if cells[0] > 1 and len(set(cells)) == 1]
    return max(steady or DELIMITERS, key=lambda mark: counts[mark][0])


def rows(
    path: Path,
    reading: ReadOptions,
    *,
    delimiter: str,
    quoting: bool = True,
    split: Split | None = None,
    within: Sequence[str] = FOLDERS,
    suffixes: Sequence[str] = ("",),
) -> Iterator[ImportRow | Refused]:
    """The rows of one table with a header. Raises DataError where no column names the sound files."""
    files = reading.files(path)
    header: list[str] = []
    meant: dict[str, str] = {}
    for number, (name, cells) in enumerate(lists.table(path, delimiter, quoting)):
        if isinstance(cells, Refused):
            yield cells
            continue
        if not header:
            header, is_row = header_of(cells)
            _check_names(path, header)
            if not is_row:
                continue
        meant = meant or _with_sound(path, header, cells, reading)
        if len(cells) != len(header):
            what = f"Its number of cells is {len(cells)}, and that of the header {len(header)}."
            yield Refused(name, what, "Look for a stray quote or delimiter." if number else "")
        else:
            record = dict(zip(header, map(unescaped, cells) if quoting else cells, strict=True))
            yield fields.to_row(name, record, meant, files, split=split, within=within, suffixes=suffixes)
    if not meant:
        _with_sound(path, header, [], reading)


def header_of(cells: Sequence[str]) -> tuple[list[str], bool]:
    """The names of the columns, and whether `cells`, the first line, is a row: a list may have no header."""
    if any(kind_of(cell.strip()) in SOUNDS for cell in cells):
        return [f"column {number}" for number in range(1, len(cells) + 1)], True
    return [cell.strip() for cell in cells], False


def _check_names(path: Path, header: Sequence[str]) -> None:
    """Raise DataError where two columns have one name: it is not known which of them is meant."""
    if twice := next((name for name in header if name and header.count(name) > 1), ""):
        raise DataError(f"{path.name} has two columns called “{twice}”.", "Rename one of them, or delete it.")


def guess(header: Sequence[str], first: Sequence[str], reading: ReadOptions) -> dict[str, str]:
    """The column of each field: as chosen, by its name, or else by what the first row holds: the name of a sound file,
    and next to it the longest text of several words. Raises DataError for a column that is not there."""
    found = fields.guess(header, reading.mapping)
    if "audio" in found or "audio" in reading.mapping:
        return found
    cells = {column: cell for column, cell in zip(header, first, strict=False) if column not in found.values()}
    sound = next((column for column, cell in cells.items() if kind_of(cell.strip()) in SOUNDS), None)
    if sound is None:
        return found
    texts = [column for column, cell in cells.items() if column != sound and len(cell.split()) > 1]
    if texts and "text" not in reading.mapping:
        found = {"text": max(texts, key=lambda column: len(cells[column])), **found}
    return {"audio": sound, **found}


def _with_sound(path: Path, header: Sequence[str], first: Sequence[str], reading: ReadOptions) -> dict[str, str]:
    """What `guess` finds. Raises DataError where no column names the sound files."""
    found = guess(header, first, reading)
    if "audio" not in found:
        there = f"; there are: {', '.join(header)[:300]}" if any(header) else ""
        raise DataError(
            f"No column of {path.name} names the sound files{there}.",
            "Choose the one that does (on the command line: --map audio=COLUMN).",
        )
    return found


def columns(path: Path, reading: ReadOptions, delimiter: str, quoting: bool = True) -> list[Column]:
    """What each column becomes."""
    header: list[str] = []
    for _, cells in lists.table(path, delimiter, quoting):
        if isinstance(cells, Refused):
            continue
        if not header:
            header, is_row = header_of(cells)
            if not is_row:
                continue
        return fields.shown(header, guess(header, cells, reading), dict(zip(header, cells, strict=False)))
    return fields.shown(header, fields.guess(header, reading.mapping), {})


class Plain(Base):
    """A CSV or TSV with a header of any names."""

    name, title = "csv", "CSV or TSV table"
    holds = "Keeps speaker, split, prompt and word times."
    has_cells = is_for_people = True

    def recognise(self, path: Path) -> float:
        """A table with a header one of whose columns can name sound files."""
        found = self.sheet(path)
        if found is None:
            return 0.0
        lines = [lists.cells(line, delimiter_of(found)) for line in lists.sample(found, 2)]
        top, second = [*lines, [], []][:2]
        header, is_row = header_of(top)
        meant = guess(header, top if is_row else second, ReadOptions())
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

    def rows(self, path: Path, reading: ReadOptions) -> Iterator[ImportRow | Refused]:
        """The rows of the table."""
        sheet = self.sheet(path)
        if sheet is None:
            raise DataError(f"{path.name} does not hold exactly one table.", "Give the CSV or TSV file itself.")
        split = reading.names.split_of(sheet, path)
        yield from rows(sheet, reading, delimiter=reading.delimiter or delimiter_of(sheet), split=split)

    def columns(self, path: Path, reading: ReadOptions) -> list[Column]:
        """What each column becomes."""
        sheet = self.sheet(path)
        return columns(sheet, reading, reading.delimiter or delimiter_of(sheet)) if sheet else []

    def write(self, clips: Iterable[ExportClip], target: Target) -> None:
        """`audio/*.wav` and `clips.csv`."""
        with Sheets(target.folder) as sheets:
            for clip in clips:
                audio = place(clip, target.folder / "audio", stem(clip))
                cells = [f"audio/{audio}", *fields.cells_of(clip.utterance)]
                sheets.cells("clips.csv", cells, ("path", *fields.COLUMNS), is_escaped=target.escapes(self))

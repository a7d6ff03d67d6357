"""The rows of a file of pairs: by its suffix JSONL, TSV, CSV or Parquet, its columns known by name or chosen."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from studio.data.formats import lists
from studio.data.formats.base import ReadOptions, Refused
from studio.data.formats.parquet import parquet_library
from studio.data.formats.sheets import unescaped
from studio.data.formats.tables import delimiter_of
from studio.data.utterance import Split
from studio.errors import DataError, StudioError

PairFormat = Literal["jsonl", "tsv", "csv", "parquet"]
FORMATS: Mapping[str, PairFormat] = MappingProxyType(
    {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".tsv": "tsv", ".csv": "csv", ".parquet": "parquet"}
)
"""What a file is, by its suffix."""
ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "input": ("input", "typed", "source", "src", "noisy", "incorrect", "wrong", "original", "before"),
        "output": ("output", "corrected", "target", "tgt", "clean", "correct", "correction", "meant", "after"),
        "prompt": ("prompt",),
        "speaker": ("speaker", "typist", "person", "user"),
        "session": ("session",),
        "split": ("split", "subset", "partition", "set"),
    }
)
"""The fields of a pair, and what other programs call them, the surest first."""
_SPLITS: Mapping[str, Split] = MappingProxyType(
    {"train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
     "dev": "validation", "test": "test", "testing": "test", "eval": "test", "unused": "unused"}
)  # fmt: skip
_BATCH = 1024  # rows of Parquet in memory at once


@dataclass(frozen=True, slots=True)
class PairLine:
    """One pair that might come in."""

    name: str  # for people: `pairs.tsv line 7`
    typed: str
    text: str
    prompt: str = ""
    speaker: str = ""
    session: str = ""
    split: Split | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)  # keys of other programs, kept as they are


def rows(path: Path, reading: ReadOptions) -> Iterator[PairLine | Refused]:
    """The rows of `path`, one in memory at a time. Raises DataError where it holds no pairs, DiskError."""
    kind = format_of(path)
    if kind == "jsonl":
        yield from _of_json(path, reading)
    elif kind == "parquet":
        yield from _of_parquet(path, reading)
    else:
        yield from _of_table(path, kind, reading)


def format_of(path: Path) -> PairFormat:
    """What `path` is. Raises DataError."""
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    if not path.exists():
        raise DataError(f"There is nothing at {path}.", "Check the path.")
    if path.is_dir() or (found := FORMATS.get(plain.suffix.lower())) is None:
        raise DataError(f"{path.name} is no list of pairs.", "Give JSONL, TSV, CSV or Parquet files.")
    return found


def holds_pairs(path: Path) -> bool:
    """Whether `path` is such a file, by its suffix and the names of its columns."""
    try:
        if format_of(path) == "parquet":
            return {"input", "output"} <= _meant(_parquet_columns(path), {}).keys()
        first = next(iter(lists.sample(path, 1)), "")
        if format_of(path) == "jsonl":
            record = json.loads(first)
            columns = list(record) if isinstance(record, dict) else []
        else:
            columns = [cell.strip() for cell in lists.cells(first, delimiter_of(path))]
        return {"input", "output"} <= _meant(columns, {}).keys()
    except (StudioError, ValueError, OSError, RecursionError):
        return False


def _of_json(path: Path, reading: ReadOptions) -> Iterator[PairLine | Refused]:
    for number, line in lists.lines(path):
        name = f"{path.name} line {number}"
        if isinstance(line, Refused):
            yield line
        elif line.strip():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                yield Refused(name, "It is not JSON.", "Write one object a line.")
                continue
            yield _row(name, record, None, reading.mapping)


def _of_table(path: Path, kind: PairFormat, reading: ReadOptions) -> Iterator[PairLine | Refused]:
    """A table with a header; one of two columns needs none."""
    delimiter = reading.delimiter or ("\t" if kind == "tsv" else delimiter_of(path))
    header: list[str] = []
    meant: dict[str, str] = {}
    for name, cells in lists.table(path, delimiter, kind == "csv"):
        if isinstance(cells, Refused):
            yield cells
            continue
        if not header:
            header, is_row = _header(path, cells, reading)
            meant = _meant(header, reading.mapping)
            if not is_row:
                continue
        if len(cells) != len(header):
            what = f"Its number of cells is {len(cells)}, and that of the header {len(header)}."
            yield Refused(name, what, "Look for a stray quote or delimiter.")
        else:
            values = map(unescaped, cells) if kind == "csv" else cells
            yield _row(name, dict(zip(header, values, strict=True)), meant, reading.mapping)


def _header(path: Path, cells: Sequence[str], reading: ReadOptions) -> tuple[list[str], bool]:
    """The names of the columns, and whether `cells`, the first line, is a pair already. Raises DataError."""
    header = [cell.strip() for cell in cells]
    if {"input", "output"} <= _meant(header, reading.mapping).keys():
        return header, False
    if len(header) == 2 and not reading.mapping:
        return ["input", "output"], True
    there = ", ".join(header)[:300]
    what = f"No columns of {path.name} are known to hold what was typed and what was meant; there are: {there}."
    raise DataError(what, "Name both: --map input=COLUMN --map output=COLUMN")


def _of_parquet(path: Path, reading: ReadOptions) -> Iterator[PairLine | Refused]:
    _, library = parquet_library()
    try:
        with library.ParquetFile(path) as file:
            meant, number = _meant(file.schema_arrow.names, reading.mapping), 0
            if not {"input", "output"} <= meant.keys():
                _header(path, file.schema_arrow.names, reading)
            for batch in file.iter_batches(_BATCH):
                for record in batch.to_pylist():
                    number += 1
                    yield _row(f"{path.name} row {number}", record, meant, reading.mapping)
    except (OSError, ValueError) as error:  # pyarrow's own errors are OSError and ValueError
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        yield Refused(path.name, f"It is damaged or not Parquet: {reason}", "Download it again.")


def _parquet_columns(path: Path) -> list[str]:
    _, library = parquet_library()
    with library.ParquetFile(path) as file:
        return list(file.schema_arrow.names)


def _meant(columns: Iterable[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """The column of each field. Raises DataError for one that is not there."""
    columns = list(columns)
    if unknown := next((name for name in mapping if name not in ALIASES), ""):
        raise DataError(f"There is no field “{unknown[:40]}”.", f"A column can become: {', '.join(ALIASES)}.")
    if missing := next((column for column in mapping.values() if column not in columns), ""):
        near = difflib.get_close_matches(missing, columns, 1)
        hint = f"Did you mean “{near[0]}”?" if near else f"There are: {', '.join(columns)[:300]}."
        raise DataError(f"There is no column “{missing[:60]}”.", hint)
    by_name = {column.strip().casefold(): column for column in reversed(columns)}
    found = dict(mapping)
    for name, aliases in ALIASES.items():
        column = next((by_name[alias] for alias in aliases if alias in by_name), None)
        if name not in found and column is not None and column not in found.values():
            found[name] = column
    return found


def _row(name: str, record: Any, meant: dict[str, str] | None, mapping: Mapping[str, str]) -> PairLine | Refused:
    """The pair in `record`; without `meant` its own keys say what is what."""
    if not isinstance(record, dict):
        return Refused(name, "It is not an object with input and output.", "Write one object a line.")
    try:
        meant = meant if meant is not None else _meant(record, mapping)
    except DataError as error:
        return Refused(name, error.what, error.remedy)
    values = {field: record.get(column) for field, column in meant.items()}
    for side in ("input", "output"):
        if side not in meant:
            return Refused(name, f"It has no {side}.", "Name its key: --map input=KEY --map output=KEY")
        if not isinstance(values[side], str):
            return Refused(name, f"Its {side} is not text.")
    split = str(values.get("split") or "").strip().casefold()
    others = {key: value for key, value in record.items() if key not in meant.values()}
    return PairLine(
        name,
        str(values["input"]),
        str(values["output"]),
        prompt=str(values.get("prompt") or ""),
        speaker=str(values.get("speaker") or ""),
        session=str(values.get("session") or ""),
        split=_SPLITS.get(split),
        extra=others,
    )

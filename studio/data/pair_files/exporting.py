"""Write the pairs of a typing dataset as JSONL or TSV: whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from studio.data.formats.lists import dumps
from studio.data.manifest import Dataset
from studio.data.pair import Pair
from studio.errors import DataError
from studio.text import counted
from studio.workspace import write_atomically

Format = Literal["jsonl", "tsv"]
FORMATS: tuple[Format, ...] = get_args(Format)


class PairExportReport(BaseModel):
    """What was written."""

    model_config = ConfigDict(frozen=True)

    path: str
    format: Format
    pairs: int
    waiting: int  # pairs without one of their sides: they stay here
    size: int  # bytes

    def sentence(self) -> str:
        """The report in one line."""
        left = f" {self.waiting:,} without a corrected text left out." if self.waiting else ""
        return f"{counted(self.pairs, 'pair')} ({self.size / 1e6:.1f} MB) written to {self.path}.{left}"


def export_pairs(dataset: Dataset, format: str, out: Path, ids: Collection[str] | None = None) -> PairExportReport:
    """Write the pairs `ids` of `dataset` (all without) to the new file `out`, which gets the format's suffix.

    JSONL has the keys input, output and what else is known; TSV has two columns and a header, and a tab in a side is a
    space there. Raises DataError where `out` is there already or there is nothing to write, DiskError.
    """
    if format not in FORMATS:
        raise DataError(f"Pairs cannot be written as {format[:40]}.", f"There are: {', '.join(FORMATS)}.")
    home = out if out.suffix.lower() == f".{format}" else out.with_name(f"{out.name}.{format}")
    if home.exists() or home.is_symlink():
        raise DataError(f"{home} is there already.", "Choose a new name, or remove it first.")
    wanted = None if ids is None else frozenset(ids)
    chosen = [pair for pair in dataset.pairs() if wanted is None or pair.id in wanted]
    whole = [pair for pair in chosen if pair.typed.strip() and pair.text.strip()]
    if not whole:
        raise DataError("There are no such pairs to write.", "Record or import some first.")
    write_atomically(home, written(whole, format))
    return PairExportReport(
        path=str(home),
        format="jsonl" if format == "jsonl" else "tsv",
        pairs=len(whole),
        waiting=len(chosen) - len(whole),
        size=home.stat().st_size,
    )


def written(pairs: list[Pair], format: str) -> Iterator[bytes]:
    """`pairs` as the lines of a file of that format."""
    return _jsonl(pairs) if format == "jsonl" else _tsv(pairs)


def _jsonl(pairs: list[Pair]) -> Iterator[bytes]:
    for pair in pairs:
        line = json.loads(pair.to_line())
        both = {"input": pair.typed, "output": pair.text}
        yield dumps(both | {key: value for key, value in line.items() if key not in both}).encode() + b"\n"


def _tsv(pairs: list[Pair]) -> Iterator[bytes]:
    yield b"input\toutput\tsplit\n"
    for pair in pairs:
        cells = (" ".join(cell.split("\t")) for cell in (pair.typed, pair.text, pair.split))
        yield "\t".join(cells).encode() + b"\n"

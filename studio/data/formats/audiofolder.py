"""Hugging Face AudioFolder: sound files with `metadata.csv` or `metadata.jsonl`, in one folder for each split.

https://huggingface.co/docs/datasets/audio_dataset#audiofolder
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from studio.data.formats import fields, lists, tables
from studio.data.formats.base import Base, Column, ImportRow, ReadOptions, Refused, Target
from studio.data.formats.clip import ExportClip
from studio.data.formats.files import place, stem
from studio.data.formats.nemo import Nemo
from studio.data.formats.sheets import Sheets
from studio.data.utterance import Split

_DEEPEST = ("", "*/", "*/*/")  # metadata at the top, in a folder for each split, or in data/<split>/


class AudioFolder(Base):
    """`file_name` and `transcription`, `text` or `sentence`, in a table or in JSON lines."""

    def __init__(self, kind: Literal["csv", "jsonl"]) -> None:
        self.kind = kind
        self.has_cells = kind == "csv"
        self.name = "audiofolder" if kind == "csv" else "audiofolder-jsonl"
        self.title = f"Hugging Face AudioFolder (metadata.{kind})"
        self.holds = "Keeps speaker, split, prompt and word times" + (
            " and every other key." if kind == "jsonl" else "."
        )

    def recognise(self, path: Path) -> float:
        """Whether there is such a metadata file with a column file_name."""
        found = self.sheets(path)
        if not found:
            return 0.0
        first = next(iter(lists.sample(found[0], 1)), "")
        if self.kind == "csv":
            return 0.97 if "file_name" in first.split(tables.delimiter_of(found[0])) else 0.0
        record = lists.parse_json(first)
        return 0.97 if isinstance(record, dict) and "file_name" in record else 0.0

    def sheets(self, path: Path) -> list[Path]:
        """The metadata files in `path`."""
        if path.is_file():
            return [path] if path.suffix.lower() == f".{self.kind}" else []
        return sorted(file for deep in _DEEPEST for file in path.glob(f"{deep}metadata.{self.kind}") if file.is_file())

    def rows(self, path: Path, reading: ReadOptions) -> Iterator[ImportRow | Refused]:
        """The rows of every metadata file; the split is what the folder is called, where no column says it."""
        for sheet in self.sheets(path):
            split = reading.names.split_of(sheet, path)
            found = Nemo().rows(sheet, reading) if self.kind == "jsonl" else self._table(sheet, reading)
            for row in found:
                yield _in_split(row, split) if split and isinstance(row, ImportRow) and not row.split else row

    def _table(self, sheet: Path, reading: ReadOptions) -> Iterator[ImportRow | Refused]:
        mark = reading.delimiter or tables.delimiter_of(sheet)
        return tables.rows(sheet, reading, delimiter=mark, within=("",))

    def columns(self, path: Path, reading: ReadOptions) -> list[Column]:
        """What each column becomes."""
        for sheet in self.sheets(path):
            if self.kind == "jsonl":
                return Nemo().columns(sheet, reading)
            return tables.columns(sheet, reading, reading.delimiter or tables.delimiter_of(sheet))
        return []

    def write(self, clips: Iterable[ExportClip], target: Target) -> None:
        """`<split>/*.wav` next to `<split>/metadata.*`."""
        with Sheets(target.folder) as sheets:
            for clip in clips:
                split = clip.utterance.split
                audio = place(clip, target.folder / split, stem(clip))
                if self.kind == "csv":
                    cells = [audio, *fields.cells_of(clip.utterance)]
                    header = ("file_name", *fields.COLUMNS)
                    sheets.cells(f"{split}/metadata.csv", cells, header, is_escaped=target.escapes(self))
                else:
                    record = {"file_name": audio, **fields.record_of(clip.utterance)}
                    sheets.line(f"{split}/metadata.jsonl", lists.dumps(record))


def _in_split(row: ImportRow, split: Split) -> ImportRow:
    return replace(row, split=split)

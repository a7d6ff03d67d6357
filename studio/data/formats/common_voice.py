"""Mozilla Common Voice: `clips/` and `train.tsv`, `dev.tsv`, `test.tsv`, … with the old and the new columns.

Old: client_id, path, sentence, up_votes, down_votes, age, gender, accent. New: sentence_id, sentence_domain, accents,
variant, locale, segment next to them. Nothing is quoted. https://github.com/common-voice/cv-dataset
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from studio.data.formats import lists, tables
from studio.data.formats.base import Base, Column, ImportRow, ReadOptions, Refused, Target
from studio.data.formats.clip import ExportClip
from studio.data.formats.files import place, stem
from studio.data.formats.sheets import Sheets

_SHEETS = ("train", "dev", "test", "other")
_HEADER = ("client_id", "path", "sentence_id", "sentence", "sentence_domain", "up_votes", "down_votes", "age", "gender",
           "accents", "variant", "locale", "segment")  # fmt: skip
_SHEET_OF = {"train": "train", "validation": "dev", "test": "test", "unused": "other"}
_WITHIN = ("clips", "")


class CommonVoice(Base):
    """A release as it was downloaded and unpacked, or one of its tables."""

    name, title = "common-voice", "Mozilla Common Voice"
    holds = "Keeps speaker and split."

    def recognise(self, path: Path) -> float:
        """A table with the columns path and sentence between tabs."""
        found = self._sheets(path)
        header = next(iter(lists.sample(found[0], 1)), "").split("\t") if found else []
        return 0.95 if {"path", "sentence"} <= set(header) else 0.0

    def _sheets(self, path: Path) -> list[Path]:
        if path.is_file():
            return [path] if path.suffix.lower() == ".tsv" else []
        chosen = [sheet for name in _SHEETS if (sheet := path / f"{name}.tsv").is_file()]
        if any(sheet.stem != "other" for sheet in chosen):
            return chosen
        validated = path / "validated.tsv"  # a small language has no splits yet
        return [validated] if validated.is_file() else chosen

    def rows(self, path: Path, reading: ReadOptions) -> Iterator[ImportRow | Refused]:
        """Every clip of train, dev, test and other; of a language without splits, what was validated."""
        for sheet in self._sheets(path):
            yield from tables.rows(
                sheet,
                reading,
                delimiter="\t",
                quoting=False,
                split=reading.names.split_of(sheet, path),
                within=_WITHIN,
                suffixes=("", ".mp3"),  # the oldest releases leave it out
            )

    def columns(self, path: Path, reading: ReadOptions) -> list[Column]:
        """What each column becomes."""
        found = self._sheets(path)
        return tables.columns(found[0], reading, "\t", quoting=False) if found else []

    def write(self, clips: Iterable[ExportClip], target: Target) -> None:
        """`clips/` and a table for each split, with the new columns; what is not known is left empty."""
        with Sheets(target.folder) as sheets:
            for clip in clips:
                own = clip.utterance
                audio = place(clip, target.folder / "clips", stem(clip))
                cells = [own.speaker, audio, "", own.text, "", "0", "0", "", "", "", "", "", ""]
                name = f"{_SHEET_OF[own.split]}.tsv"
                if name not in sheets.begun:
                    sheets.line(name, "\t".join(_HEADER))
                sheets.line(name, "\t".join(" ".join(cell.split()) for cell in cells))

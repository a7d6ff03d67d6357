"""LJSpeech: `wavs/<id>.wav` and `metadata.csv` with `id|text|normalised text`, no header, no quoting.

https://keithito.com/LJ-Speech-Dataset/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from studio.data.formats import lists
from studio.data.formats.base import Base, ImportRow, ReadOptions, Refused, Target
from studio.data.formats.clip import ExportClip
from studio.data.formats.files import READABLE, place, stem
from studio.data.formats.sheets import Sheets
from studio.errors import DataError
from studio.text import counted

_SUFFIXES = ("", ".wav", ".flac", ".mp3", *sorted(READABLE - {".wav", ".flac", ".mp3"}))  # the likeliest first


class LJSpeech(Base):
    """The label is the last column: numbers and abbreviations as they are spoken."""

    name, title = "ljspeech", "LJSpeech"
    holds = "Keeps the label alone."

    def recognise(self, path: Path) -> float:
        """`metadata.csv` whose lines have two or three cells between pipes, next to a folder wavs."""
        sheet = self._sheet(path)
        found = lists.sample(sheet, 5) if sheet.is_file() and sheet.suffix.lower() in (".csv", ".txt") else []
        piped = found and all(line.count("|") in (1, 2) for line in found)
        if not piped or found[0].split("|")[0].strip().casefold() in ("file_name", "path", "audio", "id"):
            return 0.0
        return 0.9 if (sheet.parent / "wavs").is_dir() else 0.5

    def _sheet(self, path: Path) -> Path:
        return path / "metadata.csv" if path.is_dir() else path

    def rows(self, path: Path, reading: ReadOptions) -> Iterator[ImportRow | Refused]:
        """One row a line."""
        sheet = self._sheet(path)
        files = reading.files(sheet)
        for number, line in lists.lines(sheet):
            name = f"{sheet.name} line {number}"
            if isinstance(line, Refused):
                yield line
                continue
            if not line.strip():
                continue
            cells = line.split("|")
            if len(cells) not in (2, 3):
                yield Refused(
                    name, f"It has {counted(len(cells), 'cell')} between pipes, not 2 or 3.", "Write id|text."
                )
                continue
            try:
                audio = files.find(cells[0].strip(), within=("wavs", "", "wav"), suffixes=_SUFFIXES)
            except DataError as error:
                yield Refused(name, error.what, error.remedy)
                continue
            yield ImportRow(f"{name} ({audio.name})", audio, cells[-1].strip() or cells[1].strip())

    def write(self, clips: Iterable[ExportClip], target: Target) -> None:
        """A label with a pipe in it is left out: this format has no quoting."""
        with Sheets(target.folder) as sheets:
            for clip in clips:
                text = clip.utterance.text
                if "|" in text:
                    target.skip(clip, "Its label holds a pipe, which LJSpeech cannot.", "Take it out of the label.")
                    continue
                name = stem(clip)
                place(clip, target.folder / "wavs", name, wav=True)
                sheets.line("metadata.csv", f"{name}|{text}|{text}")

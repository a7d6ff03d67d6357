"""What a person should know of the rows that come in: where splits come from, and which sound files no row names."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from studio import audio
from studio.data.formats.base import ImportRow, Refused
from studio.data.formats.files import sounds_in
from studio.data.formats.lists import Index
from studio.data.utterance import Split
from studio.errors import printable
from studio.text import counted

SHOWN = 3  # names in a sentence


class ListedFiles:
    """The sound files that the rows of a folder name, on disk beyond a few megabytes; of a list alone, none."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder.resolve() if folder is not None and folder.is_dir() else None
        self._names = Index()

    def add(self, audio: Path) -> None:
        """A row names `audio`."""
        if self.folder:
            self._names.add(_key(audio), "")

    def passed_over(self) -> Iterator[str]:
        """The sound files in the folder that no row names, from it."""
        if self.folder:
            for path in sounds_in(self.folder):
                if self._names.get(_key(path)) is None:
                    yield str(path.relative_to(self.folder))

    def close(self) -> None:
        """Let go of the file."""
        self._names.close()


def _key(path: Path) -> str:
    """`path` as any file system may spell it, and as a database can hold it."""
    return unicodedata.normalize("NFC", str(path)).casefold().encode("utf-8", "backslashreplace").decode()


@dataclass(slots=True)
class RowNotes:
    """Counts what there is to say of rows."""

    passed: int = 0
    examples: list[str] = field(default_factory=list)  # of sound files that no row names
    free: int = 0  # rows without a split
    places: dict[str, None] = field(default_factory=dict)  # the folders of some of them

    def row(self, row: ImportRow | Refused, root: Path) -> None:
        """Count one row."""
        if isinstance(row, ImportRow) and row.split is None and row.text is not None:
            self.free += 1
            if isinstance(row.audio, Path) and len(self.places) < SHOWN:
                self.places.setdefault(printable(row.audio.parent.name))

    def pass_over(self, names: Iterator[str]) -> None:
        """Count sound files that no row names."""
        for name in names:
            self.passed += 1
            if len(self.examples) < SHOWN:
                self.examples.append(name)

    def sentences(self, followed: Mapping[str, Split]) -> list[str]:
        """What there is to say; `followed` are the names that state a split."""
        said = []
        if followed:
            names = ", ".join(f"“{printable(name)}” is {split}" for name, split in sorted(followed.items())[:10])
            said.append(f"Splits come from the names of folders or lists: {names}.")
        if followed and self.free:
            has = counted(self.free, "other clip has", "other clips have")
            said.append(f"{has} no such name ({', '.join(self.places)}): the split is chosen by sentence.")
        if self.passed:
            nameless = "is left out, since no usable row names it", "are left out, since no usable row names them"
            files = counted(self.passed, f"sound file {nameless[0]}", f"sound files {nameless[1]}")
            said.append(f"{files}: {_listed(self.examples, self.passed)}.")
        return said


class SeveralTracks:
    """Clips from files with more than one sound track, of which one is read."""

    def __init__(self) -> None:
        self._clips = 0
        self._examples: dict[str, None] = {}

    def look(self, row: ImportRow) -> None:
        """Count a row that comes in. Raises AudioError or DiskError."""
        if not isinstance(row.audio, Path):
            return
        track, tracks = audio.tracks(row.audio)
        if tracks > 1:
            self._clips += 1
            if len(self._examples) < SHOWN:
                self._examples.setdefault(f"track {track} of the {tracks} in {printable(row.audio.name)}")

    def sentences(self) -> list[str]:
        """What there is to say."""
        if not self._clips:
            return []
        come = counted(self._clips, "clip comes from a file", "clips come from files")
        examples = _listed(list(self._examples), self._clips)
        return [
            f"{come} with several sound tracks, of which one is read: {examples}. Where the speech is on another one, "
            "save that as a file of its own."
        ]


def _listed(names: list[str], total: int) -> str:
    shown = ", ".join(map(printable, names))
    return f"{shown} …" if total > len(names) else shown

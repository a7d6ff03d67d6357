"""Sound files, each with its label in a text file of the same name: as a folder, or as one zip."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from studio.data.formats.base import Base, ImportRow, ReadOptions, Refused, Target
from studio.data.formats.clip import ExportClip
from studio.data.formats.files import SOUNDS, UNREADABLE, Files, kind_of, stem
from studio.data.utterance import Split
from studio.workspace import disk_errors

_LONGEST = 1 << 16  # bytes of one label


class Pairs(Base):
    """`hello.wav` and `hello.txt`; folders named train, validation and test are splits."""

    name, title = "pairs", "Sound files with text files"
    holds = "Keeps the split, as a folder."
    single_file = True
    has_lists = False

    def recognise(self, path: Path) -> float:
        """A folder that holds sound files, or such a file itself."""
        if path.is_file():
            return 0.8 if kind_of(path.name) in SOUNDS else 0.0
        first = next(_sounds(path), None)
        return 0.0 if first is None else 0.5 if first.with_suffix(".txt").is_file() else 0.4

    def rows(self, path: Path, reading: ReadOptions) -> Iterator[ImportRow | Refused]:
        """One row a sound file; without a text file next to it, it waits for its label."""
        folder = path if path.is_dir() else path.parent
        files = Files([folder])
        for sound in _sounds(path) if path.is_dir() else [path]:
            name = str(sound.relative_to(folder))
            if kind_of(sound.name) in UNREADABLE:
                yield Refused(name, f"{kind_of(sound.name)} cannot be read.", "Convert it to WAV, FLAC or MP3.")
            elif not sound.is_file():
                yield Refused(name, "It is no file, or a link that leads nowhere.", "Put a sound file there.")
            elif not files.holds(sound):
                yield Refused(name, "It is a link that leads out of the folder.", "Put the file itself there.")
            else:
                yield _row(name, sound, reading.names.split_of(sound, path), files)

    def write(self, clips: Iterable[ExportClip], target: Target) -> None:
        """One zip file, `target.folder` itself; sound is packed already and only stored."""
        with (
            disk_errors(target.folder),
            target.folder.open("xb") as stream,
            ZipFile(stream, "w") as archive,
        ):
            for clip in clips:
                name = f"{clip.utterance.split}/{stem(clip)}"
                sound = f"{name}{kind_of(clip.path.resolve().name) or '.wav'}"
                archive.writestr(_entry(f"{name}.txt"), clip.utterance.text + "\n")
                archive.writestr(_entry(sound), clip.path.read_bytes())


def _entry(name: str) -> ZipInfo:
    """A file of the archive that everybody may read, stored as it is: sound hardly gets smaller."""
    entry = ZipInfo(name, time.localtime()[:6])
    entry.external_attr = 0o644 << 16
    return entry


def _sounds(folder: Path) -> Iterator[Path]:
    """Every sound file in `folder` and below, by name; hidden ones (`._clip.wav` of macOS) are none.

    Of a folder with a hundred thousand files the names alone are held.
    """
    folders: set[str] = set()
    names: list[str] = []
    with disk_errors(folder, "read"), os.scandir(folder) as found:
        for entry in found:
            if entry.is_dir(follow_symlinks=False) and entry.name[0] != ".":
                folders.add(entry.name)
            if entry.name in folders or (kind_of(entry.name) in SOUNDS and entry.name[0] != "."):
                names.append(entry.name)
    for name in sorted(names):
        if name in folders:
            yield from _sounds(folder / name)
        else:
            yield folder / name


def _row(name: str, sound: Path, split: Split | None, files: Files) -> ImportRow | Refused:
    beside = next((path for path in (sound.with_suffix(".txt"), sound.with_suffix(".TXT")) if path.is_file()), None)
    if beside is None:
        return ImportRow(name, sound, None, split=split)
    if not files.holds(beside):
        return Refused(name, f"{beside.name} is a link that leads out of the folder.", "Put the file itself there.")
    with disk_errors(beside, "read"), beside.open("rb") as stream:
        content = stream.read(_LONGEST + 1)
    if len(content) > _LONGEST:
        return Refused(name, f"{beside.name} is longer than a label can be.", "Write what is said in this clip alone.")
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        return Refused(name, f"{beside.name} is not UTF-8 text.", "Save it as UTF-8.")
    if not text.strip():
        return Refused(name, "The label is empty.", f"Write what is said in {beside.name}.")
    return ImportRow(name, sound, " ".join(text.split()), split=split)

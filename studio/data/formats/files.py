"""Sound files on their way in and out: only below the folders that were given, under names that are safe."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import product
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO
from urllib.parse import unquote

from studio.data.formats.clip import ExportClip
from studio.errors import DataError
from studio.workspace import disk_errors, inside, resolved

READABLE = frozenset({".wav", ".wave", ".w64", ".rf64", ".flac", ".mp3", ".mp2", ".ogg", ".oga", ".opus", ".aif",
                      ".aiff", ".aifc", ".au", ".snd", ".caf", ".sph", ".nist", ".voc",
                      ".m4a", ".m4b", ".aac", ".mp4", ".m4v", ".mov", ".3gp", ".webm", ".mka", ".mkv", ".weba",
                      ".wma", ".wmv", ".amr", ".ac3", ".wv"})  # fmt: skip
"""Suffixes of what libsndfile or FFmpeg decodes; of a film it is the sound."""
UNREADABLE = frozenset({".ape", ".aax", ".aaxc", ".m4p", ".ra", ".rm", ".dss", ".ds2"})
"""Suffixes of sound that neither does: locked to an owner, or of a maker's own kind."""
SOUNDS = READABLE | UNREADABLE
LONGEST_NAME = 1_000  # characters of a path
_FOLDERS = 1_000  # remembered
_ELSEWHERE = "Put the sound files into it. On the command line, --audio names another folder."


def _followed(root: Path) -> Path:
    with disk_errors(root, "read"):
        return resolved(root)


class Files:
    """Finds the sound files that manifests name. Nothing outside `roots`, after links are followed, is ever opened.

    One exception: in the Hugging Face Hub's cache every file is a link into `blobs` of the same repository.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = [_followed(root) for root in roots]
        self._blobs = {blobs for root in self.roots if (blobs := _blobs(root))}
        self._folders: dict[tuple[Path, str], Path] = {}  # of a root, resolved: looked up once, not for every clip

    def find(self, *names: str, within: Sequence[str] = ("",), suffixes: Sequence[str] = ("",)) -> Path:
        """The first of `names` that there is, looked for in the folders `within` each root, with each of `suffixes`.

        An absolute path of another machine is found by its last parts, and a name by its letters, however Unicode
        composes them. Raises DataError for the first name: missing, outside, no sound.
        """
        faults: list[DataError] = []
        for name in names:
            try:
                path = self._found(_plain(name), within, suffixes)
            except DataError as error:
                faults.append(error)
                continue
            kinds = {kind_of(path.name), kind_of(path.resolve().name)}
            if kinds & READABLE:
                return path
            kind = kind_of(path.name) or "A file without a suffix"
            raise DataError(f"{kind} cannot be read.", "Convert it to WAV, FLAC or MP3.")
        raise faults[0]

    def holds(self, path: Path) -> bool:
        """Whether `path`, links followed, may be read: it lies below a root, or among the blobs of its Hub cache."""
        real = path.resolve()
        return real.parent in self._blobs or any(real.is_relative_to(root) for root in self.roots)

    def _found(self, name: str, within: Sequence[str], suffixes: Sequence[str]) -> Path:
        is_outside = _is_absolute(name) and not any(Path(name).is_relative_to(root) for root in self.roots)
        for relative, root, folder, suffix in product(self._candidates(name), self.roots, within, suffixes):
            try:
                path = self._below(root, f"{folder}/{relative}{suffix}" if folder else relative + suffix)
            except (OSError, RuntimeError, ValueError):  # a name that no file system takes; a ring of links
                continue
            except DataError:
                is_outside = True
                continue
            if path is not None:
                return path
        if is_outside:
            raise DataError(f"“{name}” lies outside the folder that is imported.", _ELSEWHERE)
        raise DataError(
            f"The file “{name}” is missing.",
            "Put it next to the list. On the command line, --audio names another folder.",
        )

    def _below(self, root: Path, relative: str) -> Path | None:
        """The file `relative` below `root`. Raises DataError where it, links followed, lies outside, and OSError."""
        folder, _, leaf = relative.rpartition("/")
        if leaf in ("", ".", ".."):
            return None
        if (root, folder) not in self._folders:
            if len(self._folders) >= _FOLDERS:
                self._folders.clear()
            self._folders[root, folder] = inside(root, reduce(_spelled, folder.split("/"), root) if folder else root)
        path = _spelled(self._folders[root, folder], leaf)
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            return None
        if stat.S_ISLNK(mode):
            if not self.holds(path):
                raise DataError(f"{relative} is a link that leads out of {root}.")
            mode = path.stat().st_mode
        return path if stat.S_ISREG(mode) else None

    def _candidates(self, name: str) -> list[str]:
        """Paths below a root that `name` may mean: itself, or the ends of an absolute path, the longest first."""
        parts = PureWindowsPath(name) if _is_windows(name) else PurePosixPath(name)
        if not parts.is_absolute():
            return list(dict.fromkeys([name, parts.as_posix()]))
        within = [str(path.relative_to(root)) for root in self.roots if (path := Path(name)).is_relative_to(root)]
        rest = [part for part in parts.parts[1:] if part != ".."]
        return within + ["/".join(rest[start:]) for start in range(len(rest))]


def _blobs(root: Path) -> Path | None:
    """Where the files lie to which those in `root` link, if it is a snapshot in the Hub's cache, or a folder in one.

    `datasets--<owner>--<name>/snapshots/<revision>/…` next to `blobs/`.
    """
    for folder in (root, *root.parents):
        cache = folder.parent.parent
        if folder.parent.name == "snapshots" and re.match(r"(datasets|models|spaces)--", cache.name):
            return cache / "blobs"
    return None


def _spelled(folder: Path, name: str) -> Path:
    """`folder / name`, in the composition of Unicode in which it is there: macOS takes letters and accents apart."""
    path = folder / name
    if name.isascii():
        return path
    ways = (path, *(folder / unicodedata.normalize(form, name) for form in ("NFC", "NFD")))
    return next((way for way in ways if way.exists() or way.is_symlink()), path)


def _is_windows(name: str) -> bool:
    return bool(re.match(r"[A-Za-z]:[\\/]", name)) or "\\" in name


def _is_absolute(name: str) -> bool:
    return (PureWindowsPath(name) if _is_windows(name) else PurePosixPath(name)).is_absolute()


def _plain(name: str) -> str:
    """`name` without the mark of a local address. Raises DataError for what is no path on this machine."""
    name = name.strip()
    if name.startswith("file://"):
        name = unquote(name.removeprefix("file://"))
    if not name or "\0" in name or len(name) > LONGEST_NAME:
        raise DataError("It names no sound file.", "Correct the line.")
    if re.match(r"[a-z][a-z0-9+.-]+://", name, re.IGNORECASE):
        raise DataError(f"“{name[:80]}” is on the internet.", "Download the sound files and import them from a folder.")
    return name


def sounds_in(folder: Path) -> Iterator[Path]:
    """Every sound file below `folder`; hidden ones, and what lies behind links to folders, are left alone."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith((".", "__MACOSX")))
        yield from (Path(place, each) for each in sorted(names) if kind_of(each) in SOUNDS and each[0] != ".")


def kind_of(name: str) -> str:
    """The suffix of a file's name, lower case."""
    return PurePosixPath(name).suffix.lower()


def stem(clip: ExportClip) -> str:
    """A file name for `clip`: its id, or, where that cannot be a name, one made from it."""
    id = clip.utterance.id
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}", id) and not id.endswith("."):
        return id
    return hashlib.sha256(id.encode("utf-8", "replace")).hexdigest()[:16]


def place(clip: ExportClip, folder: Path, name: str, wav: bool = False) -> str:
    """Copy the clip's sound to `folder` under `name`; what the file is called there.

    A clip that only links to a file of another kind keeps its suffix, or becomes WAV where `wav` asks for it.
    Raises DiskError, AudioError.
    """
    suffix = kind_of(clip.path.resolve().name) or ".wav"
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}{'.wav' if wav else suffix}"
    with disk_errors(target), target.open("xb") as stream:
        pour(clip, stream, wav)
    return target.name


def pour(clip: ExportClip, stream: IO[bytes], wav: bool) -> None:
    """Write the clip's sound into `stream`: its file as it is, or as WAV. Raises OSError, AudioError."""
    if wav and kind_of(clip.path.resolve().name) != ".wav":
        from studio.audio import read, wav_bytes

        wave = read(clip.path)
        stream.write(wav_bytes(wave.samples, wave.sample_rate))
        return
    with clip.path.open("rb") as source:
        shutil.copyfileobj(source, stream, 1 << 20)

"""Sound files on their way in and out: only below the folders that were given, under names that are safe."""

from __future__ import annotations

import hashlib
import re
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from studio.data.formats.clip import Clip
from studio.errors import DataError
from studio.workspace import disk_errors, inside

READABLE = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".aif", ".aiff"})
UNREADABLE = frozenset({".m4a", ".aac", ".mp4", ".webm", ".wma", ".amr", ".3gp"})  # libsndfile cannot
LONGEST_NAME = 1_000  # characters of a path
_FOLDERS = 1_000  # remembered


class Files:
    """Finds the sound files that manifests name. Nothing outside `roots`, after links are followed, is ever opened."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = [root.resolve() for root in roots]
        self._folders: dict[tuple[Path, str], Path] = {}  # of a root, resolved: looked up once, not for every clip

    def find(self, name: str, within: Sequence[str] = ("",), suffixes: Sequence[str] = ("",)) -> Path:
        """The file `name`, looked for in the folders `within` each root, with each of `suffixes` added.

        An absolute path of another machine is found by its last parts. Raises DataError: missing, outside, no sound.
        """
        path = self._found(_plain(name), within, suffixes)
        if path.suffix.lower() not in READABLE:
            kind = path.suffix.lower() or "A file without a suffix"
            raise DataError(f"{kind} cannot be read.", "Convert it to WAV, FLAC or MP3.")
        return path

    def _found(self, name: str, within: Sequence[str], suffixes: Sequence[str]) -> Path:
        outside: DataError | None = None
        for relative in self._candidates(name):
            for root in self.roots:
                for folder in within:
                    for suffix in suffixes:
                        try:
                            path = self._below(root, f"{folder}/{relative}{suffix}" if folder else relative + suffix)
                            if path is not None:
                                return path
                        except (OSError, RuntimeError, ValueError):  # a name that no file system takes; a ring of links
                            continue
                        except DataError as error:
                            outside = error
        if outside:
            raise DataError(
                f"“{name}” points outside the folder that is imported.",
                "Put the sound file there. On the command line, --audio names another folder.",
            )
        raise DataError(
            f"The file “{name}” is missing.",
            "Put it beside the list. On the command line, --audio names another folder.",
        )

    def _below(self, root: Path, relative: str) -> Path | None:
        """The file `relative` below `root`, links followed. Raises DataError where it lies outside, OSError."""
        folder, _, leaf = relative.rpartition("/")
        if leaf in ("", ".", ".."):
            return None
        if (root, folder) not in self._folders:
            if len(self._folders) >= _FOLDERS:
                self._folders.clear()
            self._folders[root, folder] = inside(root, folder)
        path = self._folders[root, folder] / leaf
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            return None
        if stat.S_ISLNK(mode):
            path = inside(root, path)
            mode = path.stat().st_mode
        return path if stat.S_ISREG(mode) else None

    def _candidates(self, name: str) -> list[str]:
        """Paths below a root that `name` may mean: itself, or the ends of an absolute path, the longest first."""
        parts = PureWindowsPath(name) if re.match(r"[A-Za-z]:[\\/]", name) or "\\" in name else PurePosixPath(name)
        if not parts.is_absolute():
            return list(dict.fromkeys([name, parts.as_posix()]))
        within = [str(path.relative_to(root)) for root in self.roots if (path := Path(name)).is_relative_to(root)]
        rest = [part for part in parts.parts[1:] if part != ".."]
        return within + ["/".join(rest[start:]) for start in range(len(rest))]


def _plain(name: str) -> str:
    """`name` without the mark of a local address. Raises DataError for what is no path on this machine."""
    name = name.strip().removeprefix("file://")
    if not name or "\0" in name or len(name) > LONGEST_NAME:
        raise DataError("It names no sound file.", "Correct the line.")
    if re.match(r"[a-z][a-z0-9+.-]+://", name, re.IGNORECASE):
        raise DataError(f"“{name[:80]}” is on the internet.", "Download the sound files and import them from a folder.")
    return name


def kind_of(name: str) -> str:
    """The suffix of a file's name, lower case."""
    return PurePosixPath(name).suffix.lower()


def stem(clip: Clip) -> str:
    """A file name for `clip`: its id, or, where that cannot be a name, one made from it."""
    id = clip.utterance.id
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}", id) and not id.endswith("."):
        return id
    return hashlib.sha256(id.encode("utf-8", "replace")).hexdigest()[:16]


def place(clip: Clip, folder: Path, name: str, wav: bool = False) -> str:
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


def pour(clip: Clip, stream: IO[bytes], wav: bool) -> None:
    """Write the clip's sound into `stream`: its file as it is, or as WAV. Raises OSError, AudioError."""
    if wav and kind_of(clip.path.resolve().name) != ".wav":
        from studio.audio import read, wav_bytes

        wave = read(clip.path)
        stream.write(wav_bytes(wave.samples, wave.sample_rate))
        return
    with clip.path.open("rb") as source:
        shutil.copyfileobj(source, stream, 1 << 20)

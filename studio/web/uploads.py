"""Files on their way from the browser into a dataset: kept under checked names, unpacked once, gone when they are in.

recordings/<dataset>/.uploads/<token>/
    files/            what was chosen, with its folders
    zips/<n>/<name>/  what zip files held; the history shows them by their names
    refused.json  what was not taken, with its reason
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from studio.data.formats.archive import unpack
from studio.data.formats.base import Refused
from studio.errors import DataError, DiskError
from studio.text import counted
from studio.workspace import disk_errors, write_atomically

OLD = 24 * 3600.0  # seconds after which an upload counts as abandoned
_CHUNK = 1 << 20


class Uploads:
    """The uploads of one dataset."""

    def __init__(self, dataset: Path) -> None:
        self.folder = dataset / ".uploads"

    def begin(self) -> str:
        """A new upload; abandoned ones are removed. Raises DiskError."""
        token = secrets.token_hex(8)
        with disk_errors(self.folder):
            for old in self.folder.glob("*"):
                if time.time() - old.stat().st_mtime > OLD:
                    shutil.rmtree(old, ignore_errors=True)
            (self.folder / token / "files").mkdir(parents=True)
        return token

    def take(self, token: str, files: Iterable[tuple[str, BinaryIO]]) -> int:
        """Keep `files`, each with its path in the folder that was chosen; how many were taken.

        Raises DiskError, and forgets the whole upload then: what came before would keep a full disk full.
        """
        try:
            return self._take(self._of(token), files)
        except DiskError:
            self.end(token)
            raise

    def _take(self, upload: Path, files: Iterable[tuple[str, BinaryIO]]) -> int:
        refused, taken = list[Refused](), 0
        for name, stream in files:
            parts = safe_parts(name)
            if not parts:
                refused.append(Refused(name[:200], "That is not a valid file name.", "Rename it."))
                continue
            target = upload.joinpath("files", *parts)
            if target.exists():
                refused.append(Refused(name, "Another file of this name was uploaded too.", "Rename one of the two."))
                continue
            _keep(target, stream)
            taken += 1
            if target.suffix.lower() == ".zip":
                refused += self._unpacked(upload, target)
        self._remember(upload, refused)
        return taken

    def paths(self, token: str) -> list[Path]:
        """What was uploaded: the files, and what each zip file held. Raises DataError."""
        upload = self._of(token)
        files = [_whole(upload / "files")] if any(path.is_file() for path in (upload / "files").rglob("*")) else []
        found = [*files, *sorted(upload.glob("zips/*/*"))]
        if not found and (refused := self.refused(token)):
            raise DataError(*_none_of(refused))
        if not found:
            raise DataError("Nothing has been uploaded.", "Choose files, a folder or a zip file.")
        return found

    def refused(self, token: str) -> list[Refused]:
        """What could not be taken."""
        note = self._of(token) / "refused.json"
        return [Refused(*row) for row in json.loads(note.read_text())] if note.is_file() else []

    def end(self, token: str) -> None:
        """Forget an upload."""
        shutil.rmtree(self._of(token), ignore_errors=True)

    def _of(self, token: str) -> Path:
        folder = self.folder / token
        if not re.fullmatch(r"[0-9a-f]{16}", token) or not folder.is_dir():
            raise DataError("This upload no longer exists.", "Choose the files again.")
        return folder

    def _unpacked(self, upload: Path, path: Path) -> list[Refused]:
        target = upload / "zips" / str(len(list(upload.glob("zips/*")))) / (path.stem.strip(". ") or "zip")
        try:
            refused = unpack(path, target)
        except DataError as error:
            shutil.rmtree(target, ignore_errors=True)
            refused = [Refused(path.name, error.what, error.remedy)]
        path.unlink()
        return refused

    def _remember(self, upload: Path, refused: list[Refused]) -> None:
        note = upload / "refused.json"
        before = json.loads(note.read_text()) if note.is_file() else []
        write_atomically(note, json.dumps(before + [[each.name, each.what, each.remedy] for each in refused]))


def _keep(target: Path, stream: BinaryIO) -> None:
    """Copy `stream` to `target`, whole or not at all: a fragment would keep a full disk full. Raises DiskError."""
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with target.open("xb") as kept:
                shutil.copyfileobj(stream, kept, _CHUNK)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _none_of(refused: list[Refused]) -> tuple[str, str]:
    """What is to be said where nothing of an upload could be used: what the first of its files was refused for."""
    first = refused[0]
    others = f" {counted(len(refused) - 1, 'other file')} could not be used either." if len(refused) > 1 else ""
    what = first.what if first.name in first.what else f"{first.name}: {first.what}"
    return what + others, first.remedy


def _whole(files: Path) -> Path:
    """The folder that a person chose, by its own name, where it came alone."""
    inner = list(files.iterdir())
    return inner[0] if len(inner) == 1 and inner[0].is_dir() else files


def safe_parts(name: str) -> list[str]:
    """The folders and the file of a client's path, as plain names; none where it has none."""
    parts = [re.sub(r"[\x00-\x1f:]", "", part).strip() for part in name.replace("\\", "/").split("/")]
    parts = [part for part in parts if part.strip(". ")]
    return (
        parts
        if parts and all(len(part.encode("utf-8", "replace")) <= 200 for part in parts) and len(parts) < 20
        else []
    )

"""Zip files: unpacked below one folder only, and only as much as a data set can be."""

from __future__ import annotations

import stat
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

from studio.data.formats import lists, zipped
from studio.data.formats.base import Refused
from studio.errors import DataError, DiskError
from studio.workspace import disk_errors

MOST_ENTRIES = 500_000
MOST_BYTES = 64 << 30  # unpacked; about 500 hours of 16-bit sound at 16 kHz
HIGHEST_RATIO = 200  # unpacked to packed: text reaches 20, digital silence 1,000, a bomb 1,000,000
FREE_OF_RATIO = 64 << 20  # bytes: a few silent clips are no bomb
_REMEDY = "Pack it again with a standard program, or import the folder itself."


def unpack(path: Path, folder: Path) -> list[Refused]:
    """Unpack the zip file `path` into `folder`; which entries were left out, and why.

    Raises DataError where it is no zip file, holds more than a data set can, or nothing at all; and DiskError.
    """
    refused: list[Refused] = []
    try:
        with disk_errors(path, "read"), path.open("rb") as stream, path.open("rb") as directory:
            _check_size(path, directory)
            with closing(lists.Index()) as taken:
                for entry in zipped.entries(directory):
                    refused += _take(stream, entry, folder, taken)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path.name} is damaged or not a zip file ({error}).", _REMEDY) from error
    if not folder.exists():
        why = f"No file can be unpacked, such as “{refused[0].name}”: {refused[0].what}" if refused else "It is empty."
        raise DataError(f"{path.name} holds nothing to import. {why}", _REMEDY)
    return refused


def _check_size(path: Path, stream: IO[bytes]) -> None:
    """Before anything is written. What the entries claim is held to while they are unpacked."""
    count = size = 0
    for entry in zipped.entries(stream):
        count, size = count + 1, size + entry.size
    packed = max(path.stat().st_size, 1)
    if count > MOST_ENTRIES or size > MOST_BYTES or (size > FREE_OF_RATIO and size / packed > HIGHEST_RATIO):
        what = f"{path.name} would unpack to {count} files of {size / 1e9:.1f} GB from {packed / 1e6:.1f} MB."
        raise DataError(
            what, "That is not a set of recordings. Unpack it yourself if you trust it, and import the folder."
        )


def _take(stream: IO[bytes], entry: zipped.ZipEntry, folder: Path, taken: lists.Index) -> Iterator[Refused]:
    name = entry.name.replace("\\", "/")
    parts = name.split("/")
    if name.endswith("/") or any(part.startswith("._") or part == "__MACOSX" for part in parts):
        return
    if fault := _fault(entry, name, parts, taken) or _unpacked(stream, entry, folder.joinpath(*parts)):
        yield Refused(name[:200], fault, _REMEDY)


def _unpacked(stream: IO[bytes], entry: zipped.ZipEntry, target: Path) -> str:
    """Write what `entry` holds to `target`; why that could not be, or nothing. Raises DiskError on a full disk."""
    is_ours = False
    try:
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                is_ours = True
                out.writelines(zipped.content(stream, entry))
        return ""
    except (ValueError, EOFError, zlib.error) as error:
        fault = f"It cannot be unpacked: {error}."
    except DiskError as error:
        if "disk is full" in error.what:
            raise
        fault = error.what
    if is_ours:
        target.unlink(missing_ok=True)
    return fault


def _fault(entry: zipped.ZipEntry, name: str, parts: list[str], taken: lists.Index) -> str:
    """Why an entry may not be unpacked; empty where it may."""
    if name.startswith("/") or ":" in parts[0] or ".." in parts or any(not part or len(part) > 200 for part in parts):
        return "Its name points outside the archive, or cannot be a file's name."
    if stat.S_ISLNK(entry.mode):
        return "It is a link."
    if entry.is_encrypted:
        return "It is encrypted."
    if not taken.add(name.casefold(), ""):
        return "Another entry has the same name."
    return ""

"""Zip files: unpacked below one folder only, and only as much as a data set can be."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from studio.data.formats.base import Refused
from studio.errors import DataError, StudioError
from studio.workspace import disk_errors

MOST_ENTRIES = 500_000
MOST_BYTES = 64 << 30  # unpacked; about 500 hours of 16-bit sound at 16 kHz
HIGHEST_RATIO = 200  # unpacked to packed: text reaches 20, digital silence 1,000, a bomb 1,000,000
FREE_OF_RATIO = 64 << 20  # bytes: a few silent clips are no bomb
_CHUNK = 1 << 20
_REMEDY = "Pack it again with an ordinary program, or import the folder itself."


def unpack(path: Path, folder: Path) -> list[Refused]:
    """Unpack the zip file `path` into `folder`; which entries were left out, and why.

    Raises DataError where it is no zip file, or holds more than a data set can, and DiskError.
    """
    refused: list[Refused] = []
    try:
        with disk_errors(path, "read"), zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_size(path, entries)
            taken: set[str] = set()
            for entry in entries:
                refused += _take(archive, entry, folder, taken)
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
        raise DataError(f"{path.name} is not a whole zip file ({error}).", _REMEDY) from error
    return refused


def _check_size(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Before anything is written. What the entries claim is held to while they are unpacked."""
    size = sum(entry.file_size for entry in entries)
    packed = max(path.stat().st_size, 1)
    if len(entries) > MOST_ENTRIES or size > MOST_BYTES or (size > FREE_OF_RATIO and size / packed > HIGHEST_RATIO):
        what = f"{path.name} would unpack to {len(entries)} files of {size / 1e9:.1f} GB from {packed / 1e6:.1f} MB."
        raise DataError(
            what, "That is no set of recordings. Unpack it yourself if you trust it, and import the folder."
        )


def _take(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, taken: set[str]) -> Iterator[Refused]:
    name = entry.filename.replace("\\", "/")
    parts = name.split("/")
    if entry.is_dir() or any(part.startswith("._") or part == "__MACOSX" for part in parts):
        return
    fault = _fault(entry, name, parts, taken)
    if fault:
        yield Refused(name[:200], fault, _REMEDY)
        return
    taken.add(name.casefold())
    target = folder.joinpath(*parts)
    try:
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, target.open("xb") as stream:
                shutil.copyfileobj(source, stream, _CHUNK)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        RuntimeError,
        NotImplementedError,
        ValueError,
        StudioError,
    ) as error:
        target.unlink(missing_ok=True)
        if isinstance(error, StudioError) and "disk is full" in error.what:
            raise
        reason = error.what if isinstance(error, StudioError) else f"It cannot be unpacked: {error}."
        yield Refused(name[:200], reason, _REMEDY)


def _fault(entry: zipfile.ZipInfo, name: str, parts: list[str], taken: set[str]) -> str:
    """Why an entry may not be unpacked; empty where it may."""
    if name.startswith("/") or ":" in parts[0] or ".." in parts or any(not part or len(part) > 200 for part in parts):
        return "Its name points outside the archive, or cannot be a file's name."
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "It is a link."
    if entry.flag_bits & 0x1:
        return "It is encrypted."
    if name.casefold() in taken:
        return "Another entry has the same name."
    return ""

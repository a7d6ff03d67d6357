"""Zip files: unpacked below one folder only, and only as much as a data set can be."""

from __future__ import annotations

import lzma
import shutil
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO
from zipfile import BadZipFile, ZipFile, ZipInfo

from studio.data.formats import lists
from studio.data.formats.base import Refused
from studio.errors import DataError, DiskError
from studio.workspace import disk_errors

MOST_ENTRIES = 500_000
MOST_BYTES = 64 << 30  # unpacked; about 500 hours of 16-bit sound at 16 kHz
HIGHEST_RATIO = 200  # unpacked to packed: text reaches 20, digital silence 1,000, a bomb 1,000,000
FREE_OF_RATIO = 64 << 20  # bytes: a few silent clips are no bomb
LARGEST_DIRECTORY = 64 << 20  # bytes: `zipfile` holds all of it, 0.6 KB an entry, before it can be looked at
_END = struct.Struct("<4s8xL6x")  # APPNOTE.TXT 6.3.10, 4.3.16: mark, then the size of the directory
_END_64 = struct.Struct("<4s36xQ8x20x")  # 4.3.14 and 4.3.15: the same for a size that did not fit, then its locator
_ENCRYPTED, _UTF_8 = 0x1, 0x800  # flags of an entry
_DAMAGED = (  # what `zipfile` raises on archives that are not whole, or packed in a rare way
    BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OverflowError, struct.error,
    zlib.error, lzma.LZMAError,
)  # fmt: skip
_REMEDY = "Pack it again with a standard program, or import the folder itself."


def unpack(path: Path, folder: Path) -> list[Refused]:
    """Unpack the zip file `path` into `folder`; which entries were left out, and why.

    Raises DataError where it is no zip file, holds more than a data set can, or nothing at all; and DiskError.
    """
    refused: list[Refused] = []
    try:
        with disk_errors(path, "read"), path.open("rb") as stream:
            _check_directory(stream)
            with ZipFile(stream) as archive, closing(lists.Index()) as taken:
                _check_size(path, archive)
                for entry in archive.infolist():
                    refused += _take(archive, entry, folder, taken)
    except _DAMAGED as error:
        raise DataError(f"{path.name} is damaged or not a zip file ({error}).", _REMEDY) from error
    if not folder.exists():
        why = f"No file can be unpacked, such as “{refused[0].name}”: {refused[0].what}" if refused else "It is empty."
        raise DataError(f"{path.name} holds nothing to import. {why}", _REMEDY)
    return refused


def _check_directory(stream: IO[bytes]) -> None:
    """Raise ValueError where the end of an archive claims a directory too large to be held in memory."""
    length = stream.seek(0, 2)
    stream.seek(max(0, length - (1 << 17)))  # a comment of up to 64 KB may follow
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if not 0 <= at <= len(tail) - _END.size:
        return  # no zip file, as its reader will say
    _, size = _END.unpack_from(tail, at)
    if size == 0xFFFFFFFF and at >= _END_64.size:
        _, size = _END_64.unpack_from(tail, at - _END_64.size)
    if size > LARGEST_DIRECTORY:
        raise ValueError(f"its list of files alone takes {size / 1e6:.0f} MB")


def _check_size(path: Path, archive: ZipFile) -> None:
    """Before anything is written. What the entries claim is held to while they are unpacked."""
    count, size = len(archive.infolist()), sum(entry.file_size for entry in archive.infolist())
    packed = max(path.stat().st_size, 1)
    if count > MOST_ENTRIES or size > MOST_BYTES or (size > FREE_OF_RATIO and size / packed > HIGHEST_RATIO):
        what = f"{path.name} would unpack to {count} files of {size / 1e9:.1f} GB from {packed / 1e6:.1f} MB."
        raise DataError(
            what, "That is not a set of recordings. Unpack it yourself if you trust it, and import the folder."
        )


def _take(archive: ZipFile, entry: ZipInfo, folder: Path, taken: lists.Index) -> Iterator[Refused]:
    name = _name(entry).replace("\\", "/")
    parts = name.split("/")
    if name.endswith("/") or any(part.startswith("._") or part == "__MACOSX" for part in parts):
        return
    if fault := _fault(entry, name, parts, taken) or _unpacked(archive, entry, folder.joinpath(*parts)):
        yield Refused(name[:200], fault, _REMEDY)


def _name(entry: ZipInfo) -> str:
    """The name of `entry`. macOS and others write UTF-8 without saying so; what is no UTF-8 is that of old DOS."""
    if not entry.flag_bits & _UTF_8:
        try:
            return entry.filename.encode("cp437").decode()
        except UnicodeDecodeError:
            pass
    return entry.filename


def _unpacked(archive: ZipFile, entry: ZipInfo, target: Path) -> str:
    """Write what `entry` holds to `target`; why that could not be, or nothing. Raises DiskError on a full disk."""
    is_ours = False
    try:
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as packed, target.open("xb") as out:
                is_ours = True
                shutil.copyfileobj(packed, out)
        return ""
    except _DAMAGED as error:
        fault = f"It cannot be unpacked: {error}."
    except DiskError as error:
        if "disk is full" in error.what:
            raise
        fault = error.what
    if is_ours:
        target.unlink(missing_ok=True)
    return fault


def _fault(entry: ZipInfo, name: str, parts: list[str], taken: lists.Index) -> str:
    """Why an entry may not be unpacked; empty where it may."""
    if name.startswith("/") or ":" in parts[0] or ".." in parts or any(not part or len(part) > 200 for part in parts):
        return "Its name points outside the archive, or cannot be a file's name."
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "It is a link."
    if entry.flag_bits & _ENCRYPTED:
        return "It is encrypted."
    if not taken.add(name.casefold(), ""):
        return "Another entry has the same name."
    return ""

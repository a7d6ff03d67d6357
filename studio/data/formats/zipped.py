"""Zip files entry by entry: the directory of one with a million entries never lies in memory, as in `zipfile` it does.

The layout is that of PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to 4.3.16
(its end, and that of ZIP64) and 4.5.3 (ZIP64 sizes).
"""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self

STORED, DEFLATED = 0, 8
_LOCAL = struct.Struct("<4s5H3L2H")  # mark, version, flags, method, time, date, CRC, packed, size, name, extra
_ENTRY = struct.Struct("<4s6H3L5H2L")  # mark, by, version, as above, then comment, disk, kinds, attributes, place
_END = struct.Struct("<4s4H2LH")  # mark, disks, entries here, entries, size, place, comment
_END_64 = struct.Struct("<4sQ2H2L4Q")  # mark, rest, by, version, disks, entries here, entries, size, place
_LOCATOR = struct.Struct("<4sLQL")  # mark, disk, place of the above, disks
_UTF_8 = 0x800  # among the flags: the name is UTF-8
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFFFFFF  # a field that is too small for what ZIP64 says elsewhere
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One file of an archive, as its directory describes it: nothing of this is known to be true."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int  # bytes
    size: int  # bytes, unpacked
    mode: int  # of Unix
    place: int  # of its local header, bytes from the start of the file

    @property
    def is_encrypted(self) -> bool:
        """Whether a password is needed."""
        return bool(self.flags & 0x1)


def entries(stream: IO[bytes]) -> Iterator[ZipEntry]:
    """Every entry of the archive, by its directory. Raises ValueError or EOFError where that is not whole."""
    at, count, shift = _directory(stream)
    for _ in range(count):
        stream.seek(at)
        head = _ENTRY.unpack(_read(stream, _ENTRY.size))
        mark, _, _, flags, method, _, _, crc, packed, size, name, extra, comment, _, _, kinds, place = head
        if mark != b"PK\x01\x02":
            raise ValueError("its directory is damaged")
        raw, more = _read(stream, name), _read(stream, extra)
        size, packed, place = _wide(more, size, packed, place)
        yield ZipEntry(
            name=_name(raw, flags),
            flags=flags,
            method=method,
            crc=crc,
            packed=packed,
            size=size,
            mode=kinds >> 16,
            place=place + shift,
        )
        at += _ENTRY.size + name + extra + comment


def content(stream: IO[bytes], entry: ZipEntry) -> Iterator[bytes]:
    """What `entry` holds, piece by piece, and never more than it claims. Raises ValueError or EOFError, zlib.error."""
    stream.seek(entry.place)
    head = _LOCAL.unpack(_read(stream, _LOCAL.size))
    if head[0] != b"PK\x03\x04" or entry.method not in (STORED, DEFLATED):
        raise ValueError("its place is damaged" if head[0] != b"PK\x03\x04" else f"its method {entry.method} is rare")
    stream.seek(head[-2] + head[-1], os.SEEK_CUR)
    crc = size = 0
    for piece in _inflated(_pieces(stream, entry.packed), entry.method):
        size += len(piece)
        crc = zlib.crc32(piece, crc)
        if size > entry.size:
            raise ValueError("it is longer than its directory says")
        yield piece
    if (crc, size) != (entry.crc, entry.size):
        raise ValueError("its checksum is wrong")


class Packer:
    """Writes an archive whose entries are stored as they are: sound hardly gets smaller. Raises OSError."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._directory = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the block
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._directory:
            if kind is None:
                self._finish()

    def add(self, name: str, held: bytes) -> None:
        """Put in one file."""
        place, raw, wide = self._stream.tell(), name.encode(), b""
        common = (_UTF_8, STORED, *_now(), zlib.crc32(held), len(held), len(held), len(raw))
        if place >= _FULL_32:
            place, wide = _FULL_32, struct.pack("<2HQ", 1, 8, place)
        self._stream.write(_LOCAL.pack(b"PK\x03\x04", 45, *common, 0) + raw + held)
        rest = (len(wide), 0, 0, 0, 0o644 << 16, place)
        self._directory.write(_ENTRY.pack(b"PK\x01\x02", 3 << 8 | 45, 45, *common, *rest) + raw + wide)
        self._count += 1

    def _finish(self) -> None:
        place = self._stream.tell()
        self._directory.seek(0)
        shutil.copyfileobj(self._directory, self._stream, _CHUNK)
        end, count = self._stream.tell(), self._count
        size = end - place
        if count >= _FULL_16 or end >= _FULL_32:
            rest = _END_64.size - 12
            self._stream.write(_END_64.pack(b"PK\x06\x06", rest, 45, 45, 0, 0, count, count, size, place))
            self._stream.write(_LOCATOR.pack(b"PK\x06\x07", 0, end, 1))
        count, size, place = min(count, _FULL_16), min(size, _FULL_32), min(place, _FULL_32)
        self._stream.write(_END.pack(b"PK\x05\x06", 0, 0, count, count, size, place, 0))


def _name(raw: bytes, flags: int) -> str:
    """An entry's name. macOS and others write UTF-8 without saying so; what is no UTF-8 is that of old DOS."""
    try:
        return raw.decode().split("\0")[0]
    except UnicodeDecodeError:
        return raw.decode("utf-8" if flags & _UTF_8 else "cp437", "backslashreplace").split("\0")[0]


def _directory(stream: IO[bytes]) -> tuple[int, int, int]:
    """Where the directory begins, how many entries it has, and by how much all places are shifted.

    They are wrong where something precedes the archive, such as a program that unpacks it.
    """
    length = stream.seek(0, os.SEEK_END)
    start = max(0, length - _END.size - _FULL_16)  # a comment may follow
    stream.seek(start)
    tail = stream.read()
    found = tail.rfind(b"PK\x05\x06")
    if found < 0 or len(tail) - found < _END.size:
        raise ValueError("its end is missing")
    _, _, _, _, count, size, place, _ = _END.unpack_from(tail, found)
    end = start + found
    if found >= _LOCATOR.size and tail[found - _LOCATOR.size :].startswith(b"PK\x06\x07"):
        end -= _LOCATOR.size + _END_64.size
        stream.seek(max(0, end))
        mark, *_, count, size, place = _END_64.unpack(_read(stream, _END_64.size))
        if mark != b"PK\x06\x06":
            raise ValueError("its end is damaged")
    if (begins := end - size) < 0 or count * _ENTRY.size > size:
        raise ValueError("its directory is damaged")
    return begins, count, begins - place


def _wide(extra: bytes, size: int, packed: int, place: int) -> tuple[int, int, int]:
    """Sizes and place as ZIP64 says them, those that do not fit into their fields."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            numbers = iter(struct.unpack_from(f"<{length // 8}Q", extra[at + 4 : at + 4 + length].ljust(length, b"\0")))
            size, packed, place = (next(numbers, old) if old == _FULL_32 else old for old in (size, packed, place))
        at += 4 + length
    return size, packed, place


def _pieces(stream: IO[bytes], left: int) -> Iterator[bytes]:
    while left:
        piece = _read(stream, min(left, _CHUNK))
        left -= len(piece)
        yield piece


def _inflated(pieces: Iterator[bytes], method: int) -> Iterator[bytes]:
    if method == STORED:
        yield from pieces
        return
    decoder = zlib.decompressobj(-zlib.MAX_WBITS)
    for piece in pieces:
        waiting = piece
        while waiting and not decoder.eof:  # a few bytes may hold a thousand times as many
            yield decoder.decompress(waiting, _CHUNK)
            waiting = decoder.unconsumed_tail
    yield decoder.flush()


def _read(stream: IO[bytes], count: int) -> bytes:
    found = stream.read(count)
    if len(found) < count:
        raise EOFError("it breaks off")
    return found


def _now() -> tuple[int, int]:
    """Time and date, as DOS writes them."""
    year, month, day, hour, minute, second, *_ = time.localtime()
    return hour << 11 | minute << 5 | second // 2, max(0, year - 1980) << 9 | month << 5 | day

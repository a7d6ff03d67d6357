"""Zip files are written and read entry by entry, as every other program writes and reads them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.data.formats import zipped
from studio.data.formats.zipped import Packer

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0"), min_size=1, max_size=20)


def packed(files: dict[str, bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    with Packer(stream) as archive:
        for name, held in files.items():
            archive.add(name, held)
    return stream


def held(stream: io.BytesIO) -> dict[str, bytes]:
    return {
        entry.name: b"".join(zipped.content(stream, entry)) for entry in zipped.entries(io.BytesIO(stream.getvalue()))
    }


@given(st.dictionaries(NAMES, st.binary(max_size=50), max_size=5))
def test_what_is_packed_is_what_pythons_own_reader_finds(files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(packed(files)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files


@given(st.dictionaries(NAMES, st.binary(max_size=50), max_size=5), st.sampled_from([0, 8]), st.binary(max_size=30))
def test_what_pythons_own_writer_packed_is_found(files: dict[str, bytes], method: int, before: bytes) -> None:
    stream = io.BytesIO()
    stream.write(before)  # as a program that unpacks itself
    with zipfile.ZipFile(stream, "a", method) as archive:
        archive.comment = b"a comment"
        for name, content in files.items():
            archive.writestr(name, content)
    assert held(stream) == files


def test_an_entry_written_without_knowing_its_size_is_found() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise OSError

        def tell(self) -> int:
            raise OSError

    stream = Pipe()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"yes" * 1000)
    assert held(io.BytesIO(stream.getvalue())) == {"a.txt": b"yes" * 1000}


def test_an_archive_of_more_files_and_more_bytes_than_zip_once_allowed(tmp_path: Path) -> None:
    path = tmp_path / "large.zip"
    with path.open("xb") as stream:
        stream.seek(5 << 30)  # a hole: it takes no space
        with Packer(stream) as archive:
            for number in range(66_000):
                archive.add(f"{number}.txt", b"yes")
    with zipfile.ZipFile(path) as whole, path.open("rb") as stream:
        assert len(whole.infolist()) == 66_000
        assert whole.read("65999.txt") == b"yes"
        last = list(zipped.entries(stream))[-1]
        assert (last.name, b"".join(zipped.content(stream, last))) == ("65999.txt", b"yes")


def test_an_entry_that_is_longer_than_it_claims_is_not_unpacked_further() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.wav", bytes(50 << 20))
    (entry,) = zipped.entries(stream)
    claims = zipped.ZipEntry(entry.name, entry.flags, entry.method, entry.crc, entry.packed, 1000, 0, entry.place)
    with pytest.raises(ValueError, match="longer than its directory says"):
        next(zipped.content(stream, claims))

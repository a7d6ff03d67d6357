"""Zip files, as every other program writes them, are unpacked whole; what a hostile one claims is not believed."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.data.formats import archive
from studio.data.formats.archive import unpack
from studio.errors import DataError

NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=20)


def unpacked(content: bytes) -> dict[str, bytes]:
    """What `content` holds once it is unpacked, and nothing refused."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, "data.zip"), Path(folder, "out")
        path.write_bytes(content)
        assert unpack(path, out) == []
        return {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*") if file.is_file()}


@given(
    st.dictionaries(NAMES, st.binary(max_size=50), min_size=1, max_size=5).filter(
        lambda files: len({name.casefold() for name in files}) == len(files)
    ),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]),
    st.binary(max_size=30),
)
def test_what_was_packed_is_unpacked_behind_whatever_precedes_it(
    files: dict[str, bytes], method: int, before: bytes
) -> None:
    stream = io.BytesIO()
    stream.write(before)  # as a program that unpacks itself
    with zipfile.ZipFile(stream, "a", method) as written:
        written.comment = b"a comment"
        for name, content in files.items():
            written.writestr(name, content)
    assert unpacked(stream.getvalue()) == files


def test_an_entry_written_without_knowing_its_size_is_unpacked() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise OSError

        def tell(self) -> int:
            raise OSError

    stream = Pipe()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("a.txt", b"yes" * 1000)
    assert unpacked(stream.getvalue()) == {"a.txt": b"yes" * 1000}


def test_an_archive_behind_more_bytes_than_zip_once_allowed_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "large.zip"
    with path.open("xb") as stream:
        stream.seek(5 << 30)  # a hole: it takes no space
        with zipfile.ZipFile(stream, "w") as written:
            written.writestr("last.txt", b"yes")
    assert unpack(path, tmp_path / "out") == []
    assert (tmp_path / "out" / "last.txt").read_bytes() == b"yes"


def claiming(content: bytes, at: int, size: int) -> bytes:
    """`content` with the size `at` bytes into the entry of its directory changed."""
    place = content.rindex(b"PK\x01\x02") + at
    return content[:place] + size.to_bytes(4, "little") + content[place + 4 :]


def test_an_entry_that_is_longer_than_it_claims_is_not_unpacked_further(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("zeros.wav", bytes(50 << 20))
    (tmp_path / "bomb.zip").write_bytes(claiming(stream.getvalue(), 24, 1000))
    (refused,) = unpack(tmp_path / "bomb.zip", tmp_path / "out")
    assert refused.what.startswith("It cannot be unpacked: Bad CRC-32")
    assert not [file for file in (tmp_path / "out").rglob("*") if file.is_file()]


@pytest.mark.parametrize("is_wide", [False, True])
def test_a_list_of_files_too_large_for_the_memory_is_refused_before_it_is_read(
    is_wide: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_wide:  # sizes that do not fit: ZIP64, as Go's writer and others put them down
        monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as written:
        for number in range(3):
            written.writestr(f"{number}.txt", b"yes")
    if is_wide:
        content = bytearray((tmp_path / "many.zip").read_bytes())
        content[-10:-6] = b"\xff" * 4
        (tmp_path / "many.zip").write_bytes(content)
    assert unpack(tmp_path / "many.zip", tmp_path / "out") == []
    monkeypatch.setattr(archive, "LARGEST_DIRECTORY", 100)
    monkeypatch.setattr(zipfile.ZipFile, "infolist", lambda _: pytest.fail("it was read"))
    with pytest.raises(DataError, match="list of files alone"):
        unpack(tmp_path / "many.zip", tmp_path / "again")

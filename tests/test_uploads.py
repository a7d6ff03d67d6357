"""What a person dropped and what became of it: a file that cannot be used is named."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from studio.errors import DataError
from studio.web.uploads import Uploads


def test_a_broken_zip_is_named_and_not_called_missing(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    token = uploads.begin()
    uploads.take(token, [("mine.zip", io.BytesIO(b"PK\x03\x04 cut short"))])
    with pytest.raises(DataError, match=r"mine\.zip") as refused:
        uploads.paths(token)
    assert "uploaded" not in refused.value.what
    assert refused.value.remedy


def test_nothing_but_files_that_cannot_be_used_says_how_many(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    token = uploads.begin()
    uploads.take(token, [(f"{name}.zip", io.BytesIO(b"no zip")) for name in "abc"])
    with pytest.raises(DataError, match=r"a\.zip.* 2 other files could not be used either"):
        uploads.paths(token)


def test_an_empty_upload_is_told_as_that(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    with pytest.raises(DataError, match="Nothing has been uploaded"):
        uploads.paths(uploads.begin())

"""A run's folder, and the note by which it is asked to stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.runs.folder import RunFolder, StopRequest


@pytest.mark.parametrize("how", ["save", "discard"])
def test_a_stop_request_stays_until_it_is_cleared(how: StopRequest, tmp_path: Path) -> None:
    assert RunFolder(tmp_path).stop_request() is None
    RunFolder(tmp_path).request_stop(how)
    assert RunFolder(tmp_path).stop_request() == how
    RunFolder(tmp_path).clear_stop_request()
    RunFolder(tmp_path).clear_stop_request()
    assert RunFolder(tmp_path).stop_request() is None


def test_a_note_that_says_nothing_known_is_no_request(tmp_path: Path) -> None:
    RunFolder(tmp_path).request_stop("save")
    note = next(tmp_path.iterdir())
    note.write_text("explode")
    assert RunFolder(tmp_path).stop_request() is None


def test_everything_lies_in_the_folder_under_its_own_name(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "first")
    paths = [value for name in dir(RunFolder) if isinstance(value := getattr(folder, name), Path)]
    inside = [path for path in paths if path != folder.path]
    assert folder.name == "first"
    assert len(set(inside)) == len(inside) >= 10
    assert {path.parent for path in inside} == {folder.path}

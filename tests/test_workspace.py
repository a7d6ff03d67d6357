"""Names, paths, and writes that no crash and no full disk leaves half done."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import ConfigError, DataError, DiskError
from studio.workspace import Workspace, append_durably, checked_name, inside, write_atomically


def full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc", "a\\b", ".hidden", "a.", "a ", "x" * 65, "a\n"])
def test_a_name_is_never_a_path(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a name"):
        Workspace(Path("/w")).dataset(name)


@given(st.text())
def test_a_name_that_passes_lies_directly_in_its_folder(name: str) -> None:
    try:
        path = Path("/w") / checked_name(name)
    except ConfigError:
        return
    assert path.parent == Path("/w")
    assert path.name == name


def test_only_folders_with_a_manifest_or_a_config_are_listed(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert (workspace.datasets(), workspace.runs()) == ([], [])
    for number, name in enumerate(("b", "a", "empty")):
        workspace.dataset(name).mkdir(parents=True)
        workspace.run(name).mkdir(parents=True)
        if name != "empty":
            (workspace.dataset(name) / "manifest.jsonl").touch()
            config = workspace.run(name) / "config.json"
            config.touch()
            os.utime(config, (number, number))
    assert workspace.datasets() == ["a", "b"]
    assert workspace.runs() == ["a", "b"]


def test_the_workspace_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_WORKSPACE", str(tmp_path))
    assert Workspace.here().root == tmp_path.resolve()
    monkeypatch.delenv("STUDIO_WORKSPACE")
    assert Workspace.here().root == Path.cwd()


@pytest.mark.parametrize("path", ["../a", "/etc/passwd", "a/../../b", "link/a", "link"])
def test_a_path_that_leads_outside_is_refused(path: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(DataError, match="points outside"):
        inside(root, path)


def test_a_path_inside_is_given_back_whole(tmp_path: Path) -> None:
    assert inside(tmp_path, "a/../b.wav") == tmp_path.resolve() / "b.wav"


@given(before=st.binary(), after=st.binary() | st.text())
def test_an_atomic_write_replaces_the_whole_file(
    before: bytes, after: bytes | str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "atomic"
    write_atomically(folder / "a", before)
    write_atomically(folder / "a", after)
    assert (folder / "a").read_bytes() == (after.encode() if isinstance(after, str) else after)
    assert [path.name for path in folder.iterdir()] == ["a"]


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_failed_atomic_write_leaves_the_old_file_and_nothing_else(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomically(tmp_path / "a", "old")
    monkeypatch.setattr(step, full)
    with pytest.raises(DiskError, match=r"The disk is full.*Free some space"):
        write_atomically(tmp_path / "a", "new")
    monkeypatch.undo()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


def test_written_files_can_be_read_by_whom_the_umask_allows(tmp_path: Path) -> None:
    write_atomically(tmp_path / "atomic", "a")
    append_durably(tmp_path / "appended", "a")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "appended").stat().st_mode


@given(st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"))))
def test_appended_lines_come_back_in_order(lines: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deep" / "log.jsonl"
        for line in lines:
            append_durably(path, line)
        if lines:
            assert path.read_bytes() == b"".join(line.encode() + b"\n" for line in lines)


def test_an_append_that_cannot_be_made_durable_leaves_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    append_durably(path, "first")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DiskError, match="The disk is full"):
        append_durably(path, "second")
    assert path.read_text() == "first\n"


def test_an_append_that_only_half_fits_leaves_no_half_line(tmp_path: Path) -> None:
    """A file system takes what fits first, and only then refuses: here a limit on the file's size."""
    path = tmp_path / "log"
    append_durably(path, "first")
    code = f"""
import resource, signal
from pathlib import Path
from studio.errors import DiskError
from studio.workspace import append_durably
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
try:
    append_durably(Path({str(path)!r}), "x" * 200)
except DiskError:
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"
    assert path.read_text() == "first\n"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100


def test_what_the_file_system_refuses_is_a_sentence_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for write in (write_atomically, append_durably):
        with pytest.raises(DiskError) as refused:
            write(tmp_path / "file" / "below", "x")
        assert str(tmp_path / "file" / "below") in refused.value.what
        assert refused.value.remedy

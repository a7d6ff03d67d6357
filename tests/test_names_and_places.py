"""File names of any bytes, and a workspace that moves away while the page is open."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from browsing import served
from sounds import recording, saved
from typer.testing import CliRunner

from studio.cli import app
from studio.data.formats.plan import ImportPlan
from studio.data.import_export.importing import import_data
from studio.data.import_export.previewing import preview
from studio.data.manifest import Dataset
from studio.errors import DataError, DiskError
from studio.workspace import Workspace

needs_bytes = pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="names are Unicode on this system")


def odd(folder: Path, name: bytes, content: bytes) -> Path:
    """A file whose name is not UTF-8."""
    folder.mkdir(parents=True, exist_ok=True)
    path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
    path.write_bytes(content)
    return path


@needs_bytes
@pytest.mark.parametrize("link", [False, True])
def test_names_that_are_not_utf_8_do_not_end_an_import(link: bool, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    odd(folder, b"caf\xe9.wav", recording(1))
    odd(folder, b"caf\xe9.txt", b"coffee")
    odd(folder, b"caf\xe8.wav", b"not a sound")
    odd(folder, b"th\xe9.m4a", b"x")
    saved(folder / "a.wav", recording(2))
    saved(folder / "a.txt", b"hello")
    found = preview(ImportPlan([folder]))
    report = import_data(Dataset.create(tmp_path / "voice"), ImportPlan([folder]), link=link)
    assert (found.clips, report.added, report.skipped) == (2, 2, 2)
    assert "caf\\xe9.wav" in [row.name for row in found.first]
    assert {name for name, _ in report.listed} == {"caf\\xe8.wav", "th\\xe9.m4a"}
    found.model_dump_json()
    report.model_dump_json()
    assert Dataset.open(tmp_path / "voice").problems() == []


@needs_bytes
@pytest.mark.parametrize("arguments", [["--dry-run"], ["--json"], []])
def test_the_command_line_takes_a_folder_whose_name_is_not_utf_8(arguments: list[str], tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/v\xf6ice"))
    odd(folder, b"caf\xe9.wav", recording(1))
    odd(folder, b"metadata.csv", b"file_name,text\ncaf\xe9.wav,coffee\nb.wav,yes\n")
    saved(folder / "b.wav", recording(2))
    words = ["--workspace", str(tmp_path), "import", "voice", str(folder), *arguments]
    result = CliRunner().invoke(app, words)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "UTF-8" in result.output
    gone = CliRunner().invoke(app, ["--workspace", str(tmp_path), "import", "voice", str(folder / "gone")])
    assert isinstance(gone.exception, DataError)
    assert "v\\xf6ice" in str(gone.exception)


def test_a_workspace_that_is_held_is_refused_once_it_has_moved_and_taken_when_it_is_back(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "studio").held()
    Dataset.create(workspace.dataset("voice"))
    moved = workspace.root.rename(tmp_path / "elsewhere")
    for ask in (lambda: workspace.dataset("voice"), lambda: workspace.runs(), lambda: workspace.features):
        with pytest.raises(DiskError, match="no longer at"):
            ask()
    assert not (tmp_path / "studio").exists()
    moved.rename(workspace.root)
    assert workspace.datasets() == ["voice"]


def test_a_workspace_whose_drive_was_removed_is_not_begun_under_its_mount_point(tmp_path: Path) -> None:
    root = tmp_path / "usb"
    root.mkdir()
    held = Workspace(root, {"": root.stat().st_dev + 1})  # the drive had a number of its own
    with pytest.raises(DiskError, match=f"no longer at {root}"):
        held.dataset("voice")
    inner = Workspace(root, {"": root.stat().st_dev, "recordings": root.stat().st_dev + 1})
    (root / "recordings").mkdir()
    with pytest.raises(DiskError, match="no longer at"):
        inner.dataset("voice")
    assert inner.run("first") == root / "outputs" / "first"


@pytest.mark.thorough
def test_the_page_refuses_a_take_with_the_place_when_the_workspace_has_moved(tmp_path: Path) -> None:
    root = tmp_path / "studio"
    with served(root) as studio, studio.client() as client:
        audio = {"audio": ("take.wav", recording(1, 1.0))}
        assert client.post("studio/record/voice", files=audio, data={"text": "yes"}).status_code == 200
        root.rename(tmp_path / "elsewhere")
        answer = client.post("studio/record/voice", files=audio, data={"text": "no"})
        assert answer.status_code >= 400
        assert str(root) in answer.json()["what"]
        assert not root.exists()
        (tmp_path / "elsewhere").rename(root)
        again = {"audio": ("take.wav", recording(2, 1.0))}
        assert client.post("studio/record/voice", files=again, data={"text": "no"}).status_code == 200
    assert len(Dataset(root / "recordings" / "voice").utterances()) == 2

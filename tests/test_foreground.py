"""Work in this process counts as a run that is going on."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.errors import JobError
from studio.runs import control, events, foreground, listing
from studio.runs.folder import RunFolder
from studio.workspace import Workspace

ABOUT = {"model": "echo", "dataset": "numbers"}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(Workspace(tmp_path).run("demo"))
    made.path.mkdir(parents=True)
    return made


def test_it_is_going_on_while_the_block_works_and_another_start_names_it(folder: RunFolder, tmp_path: Path) -> None:
    with foreground.in_foreground(folder, ["studio"], ABOUT):
        assert control.state(folder).status == "running"
        assert [run.model for run in listing.runs(Workspace(tmp_path))] == ["echo"]
        with pytest.raises(JobError, match="demo"):
            control.start(RunFolder(folder.path.parent / "other"), ["true"])
    assert control.state(folder).is_over


def test_it_is_asked_to_stop_as_any_run(folder: RunFolder) -> None:
    with foreground.in_foreground(folder, ["studio"], ABOUT):
        control.stop(folder, "save")
        assert folder.stop_request() == "save"
        assert control.state(folder).status == "stopping"


def break_off(folder: RunFolder) -> None:
    with foreground.in_foreground(folder, ["studio"], ABOUT), folder.events.open("a", encoding="utf-8") as log:
        events.write(log, events.Phase(name="training"))
        raise KeyboardInterrupt


def test_what_broke_off_is_interrupted_and_gives_the_right_to_run_back(folder: RunFolder) -> None:
    with pytest.raises(KeyboardInterrupt):
        break_off(folder)
    assert control.state(folder).status == "interrupted"
    with foreground.in_foreground(folder, ["studio"], ABOUT):
        assert control.state(folder).status == "running"

"""Runs that are kept: under another name, with a note, and as the start of the next one."""

from __future__ import annotations

from pathlib import Path

import pytest
import verbs
from fastapi import FastAPI
from fastapi.testclient import TestClient
from finished import finished
from tones import config, tones

from studio.cli.runs import asked_for
from studio.errors import JobError
from studio.runs import control, editing, listing, processes
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.runs.processes import Job
from studio.ui import train
from studio.web import faults
from studio.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A dataset `tones` and a finished run `tones-0001` on it."""
    monkeypatch.setenv("STUDIO_WORKSPACE", str(tmp_path))
    tones(tmp_path, 8)
    finished(tmp_path, "tones-0001", ["a b"] * 12, ["x"] * 12, ["a b"] * 12, dataset="tones")
    return Workspace(tmp_path)


@pytest.fixture
def client(workspace: Workspace) -> TestClient:
    app = FastAPI(exception_handlers=faults.handlers())
    app.include_router(train.router(workspace))
    return TestClient(app)


def test_a_renamed_run_keeps_its_result_and_is_called_so_everywhere(workspace: Workspace) -> None:
    assert "called best now" in verbs.call(workspace.root, "run", "tones-0001", "--rename", "best").said
    (run,) = listing.runs(workspace)
    assert (run.name, run.after) == ("best", 0.1)
    assert RunRecord.read(RunFolder(workspace.run("best"))).run == "best"
    assert "best" in verbs.call(workspace.root, "report", "best").said


def test_a_renamed_run_resumes_under_its_new_name(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with control.laid_out(workspace, config(), "cut") as folder:
        control.training(config(), "cut").write(folder)
    renamed = editing.rename(workspace, "cut", "anew")
    launched: list[Job] = []
    monkeypatch.setattr(control, "_launch", lambda folder, job, lock: launched.append(job))
    control.resume(renamed)
    command = launched[0].command
    assert command[command.index("--name") + 1] == "anew"
    assert command[-2:] == ["--", "tones"]


@pytest.mark.parametrize("to", ["tones-0002", "../x", ".hidden", ""])
def test_a_run_cannot_take_a_name_that_is_taken_or_none(workspace: Workspace, to: str) -> None:
    workspace.run("tones-0002").mkdir()
    assert verbs.call(workspace.root, "run", "tones-0001", f"--rename={to or '.'}").code == 1
    assert workspace.run("tones-0001").is_dir()


def test_a_run_that_goes_on_keeps_its_name(workspace: Workspace) -> None:
    with control.laid_out(workspace, config(), "going") as folder:
        control.training(config(), "going").write(folder)
    with processes.claim(workspace.outputs) as lock:
        processes.sign(lock, "going")
        with pytest.raises(JobError, match="still going"):
            editing.rename(workspace, "going", "gone")


def test_a_note_is_kept_shown_and_removed(workspace: Workspace, client: TestClient) -> None:
    verbs.call(workspace.root, "run", "tones-0001", "--note", "with the new microphone")
    assert listing.runs(workspace)[0].note == "with the new microphone"
    assert "with the new microphone" in verbs.call(workspace.root, "run", "tones-0001").said
    assert client.post("/studio/train/runs/tones-0001/note", json={"note": "x" * 2_001}).status_code == 409
    client.post("/studio/train/runs/tones-0001/note", json={"note": " "})
    assert listing.runs(workspace)[0].note == ""


def test_the_settings_of_a_run_are_shown_and_start_the_next_one(workspace: Workspace, client: TestClient) -> None:
    shown = client.get("/studio/train/runs/tones-0001").json()
    assert shown["settings"]["learning_rate"] == config().learning_rate
    assert "learning_rate" in shown["changed"]
    assert "seed" not in shown["changed"]
    said = verbs.call(workspace.root, "run", "tones-0001").said
    assert "learning_rate: 0.02" in said
    assert "studio train tones --like tones-0001" in said
    options = dict.fromkeys(("config", "name", "foreground", "on"), "") | {"preset": "quick", "like": "tones-0001"}
    again = asked_for(options | {"dataset": "tones", "rank": 4})
    assert again == config(rank=4)


def test_the_page_renames_a_run(workspace: Workspace, client: TestClient) -> None:
    assert client.post("/studio/train/runs/tones-0001/rename", json={"to": "best"}).json() == {"name": "best"}
    assert client.post("/studio/train/runs/tones-0001/rename", json={"to": "other"}).status_code == 409

"""Long work on a dataset goes on alone, tells how far it is, and can be cancelled."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from studio.errors import DataError, JobError, StudioError
from studio.runs import control, events, tasks
from studio.runs.folder import FOLDER_VARIABLE, RunFolder
from studio.runs.processes import Job
from studio.ui import tasks as routes
from studio.workspace import Workspace

WORK = """
import sys, time
from studio.errors import DataError
from studio.runs import tasks
count, pause, *words = sys.argv[1:]
with tasks.reporting() as tell:
    for done in range(int(count) + 1):
        tell("reading", done, int(count))
        time.sleep(float(pause))
        if "fail" in words:
            raise DataError("The clips are gone.", "Put them back.")
    tell.note(f"{count} clips were read.")
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path)
    (tmp_path / "recordings" / "mine").mkdir(parents=True)
    launch = control.start

    def worker(folder: RunFolder, command: list[str], about: dict[str, str]) -> None:
        assert command[1:5] == ["-m", "studio", "--workspace", str(tmp_path)]
        launch(folder, [sys.executable, "-c", WORK, *command[5:]], about)

    monkeypatch.setattr(control, "start", worker)
    yield workspace
    for path in tmp_path.glob("recordings/*/.tasks/*/job.json"):  # a failed test leaves no process behind
        job = Job.read(RunFolder(path.parent))
        for known in (job.supervisor, job.child) if job else ():
            if known and (process := known.process()):
                process.kill()


def until(check: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def begin(workspace: Workspace, *words: str, name: str = "read") -> RunFolder:
    tasks.start(workspace, "mine", name, list(words), "Transcribing the clips")
    return tasks.existing(workspace, "mine", name)


def said(folder: RunFolder) -> list[events.Event]:
    return [event for _, event in events.read(folder.events, tasks.since(folder))]


def ended(folder: RunFolder) -> str:
    until(lambda: control.state(folder).is_over)
    return control.state(folder).status


def test_a_task_tells_how_far_it_is_and_what_it_found(workspace: Workspace) -> None:
    folder = begin(workspace, "3", "0")
    assert ended(folder) == "finished"
    (first, *_, last, note) = said(folder)
    assert (first.done, first.total, last.done) == (0, 3, 3)  # type: ignore[union-attr]
    assert note.message == "3 clips were read."  # type: ignore[union-attr]
    (task,) = tasks.listing(workspace, "mine")
    assert (task.what, task.status, tasks.active(workspace, "mine")) == ("Transcribing the clips", "finished", None)


def test_a_second_task_of_a_dataset_waits_and_says_for_what(workspace: Workspace) -> None:
    folder = begin(workspace, "1000", "0.05")
    with pytest.raises(JobError, match="“Transcribing the clips” is still going"):
        begin(workspace, "1", "0", name="other")
    assert not (folder.path.parent / "other" / "job.json").exists()
    (workspace.recordings / "yours").mkdir()
    tasks.start(workspace, "yours", "read", ["1", "0"], "Reading")  # another dataset is free
    tasks.cancel(folder)
    ended(folder)
    ended(tasks.existing(workspace, "yours", "read"))


def test_cancelling_ends_it_and_is_no_failure(workspace: Workspace) -> None:
    folder = begin(workspace, "1000", "0.05")
    until(lambda: said(folder))
    tasks.cancel(folder)
    assert ended(folder) == "stopped"
    job = Job.read(folder)
    assert job is not None
    assert job.exit_code == 0  # it ended by itself, between two clips
    assert job.child is not None
    assert not psutil.pid_exists(job.child.pid)
    tasks.cancel(folder)  # over already: nothing happens


def test_a_failure_is_told_in_words_and_the_next_start_begins_anew(workspace: Workspace) -> None:
    folder = begin(workspace, "3", "0", "fail")
    assert ended(folder) == "failed"
    assert [event.message for event in said(folder) if isinstance(event, events.Failed)] == ["The clips are gone."]
    begin(workspace, "3", "0")
    assert ended(folder) == "finished"
    assert not any(isinstance(event, events.Failed) for event in said(folder))


def test_only_datasets_that_exist_have_tasks(workspace: Workspace) -> None:
    with pytest.raises(DataError, match="no dataset “nobody”"):
        tasks.start(workspace, "nobody", "read", [], "Reading")
    with pytest.raises(StudioError):
        tasks.start(workspace, "mine", "../../out", [], "Reading")
    assert not (workspace.recordings / "nobody").exists()


def test_a_verb_at_a_terminal_prints_what_it_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    with tasks.reporting() as tell:
        tell("reading", 1, 2)
        tell.note("2 clips were read.")
    assert capsys.readouterr().out == "2 clips were read.\n"


def test_the_page_follows_a_task_from_its_latest_start_and_cancels_it(workspace: Workspace) -> None:
    app = FastAPI()
    app.include_router(routes.router(workspace))
    client = TestClient(app)
    folder = begin(workspace, "2", "0", "fail")
    ended(folder)
    begin(workspace, "2", "0")
    text = client.get("/studio/tasks/mine/read/events").text  # ends when the task does
    sent = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: [")]
    kinds = [event["type"] for chunk in sent for event in chunk]
    assert kinds[-1] == "noted"
    assert "failed" not in kinds
    assert client.get("/studio/tasks/mine").json()[0]["status"] == "finished"
    assert client.post("/studio/tasks/mine/read/cancel").json()["status"] == "finished"
    for name in ("nobody", ".running", "a%00b"):
        assert client.get(f"/studio/tasks/mine/{name}").status_code == 404
        assert client.get(f"/studio/tasks/mine/{name}/events").status_code == 404

"""Runs wait their turn: in order, through kills and restarts, and never two at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from eventually import until
from fake_trainer import SCRIPT as FAKE
from tones import tones
from typer.testing import CliRunner

from studio import cli
from studio.config import TrainConfig
from studio.errors import BusyError, JobError
from studio.runs import control, events, listing, processes, queue
from studio.runs.folder import RunFolder
from studio.runs.processes import Job
from studio.workspace import Workspace

FOREVER = ("steps=100000", "pause=0.02")
CONFIG = TrainConfig(dataset="numbers")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path)
    workspace.outputs.mkdir()
    yield workspace
    until(lambda: is_quiet(workspace))


def is_quiet(workspace: Workspace) -> bool:
    """End what a test left behind; whether nothing is left."""
    (workspace.outputs / ".queue.json").unlink(missing_ok=True)
    for path in workspace.outputs.glob("*/job.json"):
        job = Job.read(RunFolder(path.parent))
        for known in (job.supervisor, job.child) if job else ():
            if known and (process := known.process()):
                process.kill()
    return not keepers(workspace) and control.active(workspace) is None


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> list[str]:
    """What the fake trainer of the next runs is told; every training is one."""
    words: list[str] = []
    real = control.training

    def training(config: TrainConfig, name: str, on: str = "") -> Job:
        command = [sys.executable, FAKE, str(workspace.run(name)), *words]
        return real(config, name).model_copy(update={"command": command})

    monkeypatch.setattr(control, "training", training)
    return words


def ask_for(workspace: Workspace, *names: str) -> list[int]:
    """Ask for a run of each name; where each stands."""
    return [queue.submit(workspace, CONFIG, name).position for name in names]


def order(workspace: Workspace) -> list[str]:
    return [run.name for run in queue.waiting(workspace)]


def status(workspace: Workspace, name: str) -> str:
    return control.state(RunFolder(workspace.run(name))).status


def going(workspace: Workspace) -> str | None:
    folder = control.active(workspace)
    return folder.name if folder else None


def stop(workspace: Workspace, name: str) -> None:
    control.stop(RunFolder(workspace.run(name)), "discard")


def keepers(workspace: Workspace) -> list[int]:
    """The processes that keep the queue of `workspace`."""
    words = ["studio.runs.queue_keeper", str(workspace.root)]
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [])[-2:] == words and process.status() != psutil.STATUS_ZOMBIE
    ]


def test_the_first_starts_at_once_and_the_others_follow_in_their_order(
    workspace: Workspace, trainer: list[str]
) -> None:
    trainer[:] = FOREVER
    assert ask_for(workspace, "one") == [0]
    trainer[:] = ["steps=9", "pause=0.02"]
    assert ask_for(workspace, "two", "three") == [1, 2]
    assert going(workspace) == "one"
    assert order(workspace) == ["two", "three"]
    stop(workspace, "one")
    until(lambda: status(workspace, "three") == "finished")
    found = [Job.read(RunFolder(workspace.run(name))) for name in ("one", "two", "three")]
    for before, after in pairwise(found):
        assert before
        assert after
        assert before.ended_at
        assert before.ended_at <= after.started_at  # never two at once
    assert order(workspace) == []
    until(lambda: not keepers(workspace))  # nobody is left to wait for nothing


def test_a_run_that_fails_or_is_stopped_makes_room_for_the_next(workspace: Workspace, trainer: list[str]) -> None:
    trainer[:] = ["crash"]
    ask_for(workspace, "fails")
    trainer[:] = FOREVER
    ask_for(workspace, "stopped")
    trainer[:] = ["steps=3"]
    ask_for(workspace, "last")
    until(lambda: going(workspace) == "stopped")
    assert status(workspace, "fails") == "failed"
    stop(workspace, "stopped")
    until(lambda: status(workspace, "last") == "finished")
    assert status(workspace, "stopped") == "stopped"


def test_waiting_runs_are_moved_and_cancelled(workspace: Workspace, trainer: list[str]) -> None:
    trainer[:] = FOREVER
    ask_for(workspace, "now", "a", "b", "c")
    queue.move(workspace, "c", 1)
    assert order(workspace) == ["c", "a", "b"]
    queue.move(workspace, "c", 2)
    assert order(workspace) == ["a", "c", "b"]
    queue.move(workspace, "a", 99)
    assert order(workspace) == ["c", "b", "a"]
    queue.cancel(workspace, "b")
    assert order(workspace) == ["c", "a"]
    assert not workspace.run("b").exists()
    for wrong in ("b", "now", "../.."):
        with pytest.raises(JobError, match="is not waiting"):
            queue.cancel(workspace, wrong)
        with pytest.raises(JobError, match="is not waiting"):
            queue.move(workspace, wrong, 1)
    stop(workspace, "now")
    until(lambda: going(workspace) == "c")
    until(lambda: order(workspace) == ["a"])
    queue.cancel(workspace, "a")
    stop(workspace, "c")
    until(lambda: not keepers(workspace))
    assert going(workspace) is None


def test_a_name_that_waits_is_taken_and_says_so_when_it_is_asked_for(workspace: Workspace, trainer: list[str]) -> None:
    trainer[:] = FOREVER
    ask_for(workspace, "now", "later")
    with pytest.raises(JobError, match="already"):
        ask_for(workspace, "later")
    with pytest.raises(JobError, match="waits its turn"):
        listing.existing(workspace, "later")
    with pytest.raises(BusyError, match="now"):
        control.start_training(workspace, CONFIG)
    assert [run.name for run in listing.runs(workspace)] == ["now"]
    assert queue.submit(workspace, CONFIG).folder.name == "numbers-0001"
    assert queue.submit(workspace, CONFIG).folder.name == "numbers-0002"


def test_a_killed_supervisor_makes_room_for_the_next_though_no_page_is_open(
    workspace: Workspace, trainer: list[str]
) -> None:
    trainer[:] = FOREVER
    ask_for(workspace, "killed", "next")
    until(lambda: (job := Job.read(RunFolder(workspace.run("killed")))) and job.child)
    job = Job.read(RunFolder(workspace.run("killed")))
    assert job
    assert job.supervisor
    assert job.child
    os.kill(job.supervisor.pid, signal.SIGKILL)
    until(lambda: going(workspace) == "next")
    assert job.child.process() is None  # nothing of the one before trains on beside it
    assert status(workspace, "killed") == "interrupted"


def test_the_queue_survives_its_keeper_and_whoever_looks_next_goes_on_with_it(
    workspace: Workspace, trainer: list[str]
) -> None:
    trainer[:] = FOREVER
    ask_for(workspace, "one", "two", "three")
    until(lambda: len(keepers(workspace)) == 1)
    os.kill(keepers(workspace)[0], signal.SIGKILL)
    until(lambda: not keepers(workspace))
    stop(workspace, "one")
    until(lambda: going(workspace) is None)
    assert order(workspace) == ["two", "three"]  # as after a restart of the machine: nothing runs, all of it is there
    assert ask_for(workspace, "four") == [3]  # who comes now does not push in
    until(lambda: going(workspace) == "two")
    until(lambda: order(workspace) == ["three", "four"])


def test_the_one_that_asked_may_go(workspace: Workspace) -> None:
    """A terminal that is closed, a page that is killed: whoever waits is started all the same."""
    code = f"""
import sys, time
from pathlib import Path
from studio.config import TrainConfig
from studio.runs import control, queue
from studio.runs.processes import Job
from studio.workspace import Workspace
workspace = Workspace(Path({str(workspace.root)!r}))
control.training = lambda config, name, on: Job(
    folder="/", command=[sys.executable, {FAKE!r}, str(workspace.run(name)), "steps=20", "pause=0.02"]
)
for name in ("one", "two"):
    queue.submit(workspace, TrainConfig(dataset="numbers"), name)
print("up", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True) as page:
        assert page.stdout
        assert page.stdout.readline()
        os.killpg(page.pid, signal.SIGKILL)
    until(lambda: status(workspace, "two") == "finished")


@pytest.mark.thorough
def test_of_many_who_ask_at_once_one_starts_and_every_other_waits_once(
    workspace: Workspace, trainer: list[str]
) -> None:
    trainer[:] = FOREVER
    positions: list[int] = []
    threads = [
        threading.Thread(target=lambda: positions.append(queue.submit(workspace, CONFIG).position)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(positions) == [0, 1, 2, 3, 4, 5]
    assert len(set(order(workspace))) == 5
    until(lambda: len(keepers(workspace)) == 1)


def test_two_keepers_never_start_two(workspace: Workspace, trainer: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are there as the run ends: one of them starts the next, the other waits or goes."""
    trainer[:] = FOREVER
    monkeypatch.setattr(queue, "_has_keeper", lambda workspace: False)  # each look starts one
    ask_for(workspace, "one", "two", "three")
    for _ in range(3):
        queue.look_after(workspace)
    stop(workspace, "one")
    until(lambda: going(workspace) == "two")
    time.sleep(0.5)
    assert going(workspace) == "two"
    assert order(workspace) == ["three"]
    monkeypatch.undo()


@pytest.mark.thorough
def test_a_keeper_that_was_killed_as_it_started_a_run_starts_it_only_once(
    workspace: Workspace, trainer: list[str]
) -> None:
    trainer[:] = FOREVER
    ask_for(workspace, "now", "begun", "next")
    folder = RunFolder(workspace.run("begun"))
    Job(command=["false"], folder="/", ended_at=1.0, exit_code=1).write(folder)  # it is going on, or was
    stop(workspace, "now")
    until(lambda: going(workspace) == "next")
    until(lambda: order(workspace) == [])
    assert not folder.log.exists()


def test_the_turn_that_comes_is_that_of_the_folder_that_is_there_now(workspace: Workspace) -> None:
    """A lock on a file that was deleted would let two run at once."""
    got, let_go = threading.Event(), threading.Event()

    def wait_for_the_turn() -> None:
        with processes.turn(workspace.outputs):
            got.set()
            let_go.wait(30)

    waits = threading.Thread(target=wait_for_the_turn)
    with processes.claim(workspace.outputs):
        waits.start()
        time.sleep(0.2)
        assert not got.is_set()
        shutil.rmtree(workspace.outputs)
    assert got.wait(30)
    with pytest.raises(BusyError), processes.claim(workspace.outputs):
        pass
    let_go.set()
    waits.join()


@pytest.mark.thorough
def test_a_dataset_that_vanished_fails_its_run_with_a_sentence_and_the_queue_goes_on(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_WORKSPACE", str(workspace.root))
    tones(workspace.root, 8)
    quick = {"model": "echo", "max_steps": 1, "warmup_steps": 0}
    gone, no_model = workspace.recordings / "gone", workspace.root / "model"
    with processes.claim(workspace.outputs):  # somebody runs while these three are asked for
        queue.submit(workspace, TrainConfig(dataset="gone", **quick), "no-data")
        queue.submit(workspace, TrainConfig(dataset="tones", **quick | {"model": str(no_model)}), "no-model")
        queue.submit(workspace, TrainConfig(dataset="tones", **quick), "fine")
        assert not gone.exists()
    until(lambda: status(workspace, "fine") == "finished", 90)
    for name, reason in (("no-data", "There is no dataset “gone”."), ("no-model", "There is no model")):
        assert status(workspace, name) == "failed"
        (failed,) = [e for _, e in events.read(RunFolder(workspace.run(name)).events) if isinstance(e, events.Failed)]
        assert failed.message.startswith(reason)
        assert failed.remedy


def test_a_queue_that_cannot_be_read_is_a_sentence_and_is_left_as_it_is(workspace: Workspace) -> None:
    path = workspace.outputs / ".queue.json"
    path.write_text('{"waiting": [{"na')
    for look in (lambda: queue.waiting(workspace), lambda: ask_for(workspace, "one")):
        with pytest.raises(JobError, match=r"queue\.json cannot be read"):
            look()
    assert path.read_text() == '{"waiting": [{"na'


def test_the_command_line_queues_lists_moves_and_cancels(workspace: Workspace, trainer: list[str]) -> None:
    tones(workspace.root, 8)
    trainer[:] = FOREVER

    def studio(*words: str) -> str:
        done = CliRunner().invoke(cli.app, ["--workspace", str(workspace.root), *words])
        if isinstance(done.exception, JobError):
            return str(done.exception)
        assert done.exit_code == 0, done.output
        return done.output

    assert "No runs are waiting." in studio("queue")
    assert "Run now has started." in studio("train", "tones", "--name", "now", "--queue")
    assert "“now” is still going. Add --queue" in studio("train", "tones")  # who waits to watch is told at once
    assert "Run a waits in place 1" in studio("train", "tones", "--name", "a", "--queue", "--rank", "4")
    assert "Run b waits in place 2" in studio("train", "tones", "--name", "b", "--queue")
    assert studio("queue").splitlines() == [
        "now is going on.",
        "  1  a  starter on tones  --rank 4",
        "  2  b  starter on tones",
    ]
    assert studio("queue", "--move", "b").splitlines()[1].startswith("  1  b")
    assert studio("queue", "--move", "b", "--to", "2").splitlines()[1].startswith("  1  a")
    assert "studio queue --cancel a" in studio("stop", "a")
    assert "Waiting: a, b." in studio("runs")
    assert [run["name"] for run in json.loads(studio("queue", "--cancel", "a", "--json"))] == ["b"]

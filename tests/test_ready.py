"""A trainer that waits with its libraries in memory: the next run is given to it, and it exits with the page."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from eventually import until
from fake_trainer import SCRIPT as FAKE
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tones import config, tones

from studio.runs import control, ready
from studio.runs.folder import RunFolder
from studio.runs.processes import Job
from studio.runs.ready import HAVE, ReadyTrainer
from studio.ui import train
from studio.workspace import Workspace

MARK = "STUDIO_TEST_OF_READY"
WAITING = """
import socket, sys; from studio.runs.supervisor import wait_for_job
wait_for_job(socket.socket(fileno=int(sys.argv[1])), float(sys.argv[2]))
"""
PREPARED = "import time; from studio.runs.ready import shared; shared().prepare(); time.sleep(600)"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    tones(tmp_path)
    return Workspace(tmp_path)


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReadyTrainer]:
    monkeypatch.setenv(MARK, str(tmp_path))
    trainer = ReadyTrainer()
    monkeypatch.setattr(ready, "shared", lambda: trainer)
    yield trainer
    trainer.close()
    for process in started(tmp_path):
        process.kill()


def started(mark: Path) -> list[psutil.Process]:
    """The processes that this test has started, directly or not: the supervisor first."""
    found = []
    for process in psutil.process_iter():
        try:
            is_ours = process.environ().get(MARK) == str(mark)
            if is_ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return sorted(found, key=lambda process: process.create_time())


def waiting(mark: Path) -> psutil.Process:
    """The trainer that waits."""
    until(lambda: [process for process in started(mark) if "studio.cli.ready" in process.cmdline()])
    return next(process for process in started(mark) if "studio.cli.ready" in process.cmdline())


def finished(folder: RunFolder) -> None:
    until(lambda: control.state(folder).is_over)
    assert control.state(folder).status == "finished", folder.log.read_text()


def test_a_run_is_given_to_the_trainer_that_waits_and_learns_the_same_as_one_that_starts_cold(
    workspace: Workspace, trainer: ReadyTrainer, tmp_path: Path
) -> None:
    cold = control.start_training(workspace, config(max_steps=3))
    finished(cold)
    trainer.prepare()
    process = waiting(tmp_path)
    warm = control.start_training(workspace, config(max_steps=3))
    finished(warm)
    job = Job.read(warm)
    assert job is not None
    assert job.child is not None
    assert job.child.pid == process.pid
    assert job.exit_code == 0
    assert "test WER" in warm.log.read_text()
    adapters = [(folder.adapter / "adapter_model.safetensors").read_bytes() for folder in (cold, warm)]
    assert adapters[0] == adapters[1]
    until(lambda: not started(tmp_path))


def test_a_trainer_that_was_killed_while_it_waited_does_not_keep_a_run_from_starting(
    workspace: Workspace, trainer: ReadyTrainer, tmp_path: Path
) -> None:
    trainer.prepare()
    waiting(tmp_path).kill()
    folder = control.start_training(workspace, config(max_steps=1))
    finished(folder)


def test_nor_does_a_supervisor_that_was(workspace: Workspace, trainer: ReadyTrainer, tmp_path: Path) -> None:
    trainer.prepare()
    process = waiting(tmp_path)
    psutil.Process(process.ppid()).kill()
    until(lambda: not started(tmp_path))
    folder = control.start_training(workspace, config(max_steps=1))
    finished(folder)


def test_one_that_was_started_in_another_environment_is_not_used(
    workspace: Workspace, trainer: ReadyTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.prepare()
    process = waiting(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "elsewhere"))
    assert not trainer.hand_over(RunFolder(workspace.run("any")), 0, 0)
    until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def test_a_run_that_it_was_given_is_stopped_as_any_other(
    workspace: Workspace, trainer: ReadyTrainer, tmp_path: Path
) -> None:
    trainer.prepare()
    waiting(tmp_path)
    folder = control.start_training(workspace, config(max_steps=100_000, eval_every=1000))
    trainer.close()  # the page has ended: the run goes on
    until(lambda: folder.events.exists() and '"step"' in folder.events.read_text())
    assert control.state(folder).status == "running"
    control.stop(folder, "discard")
    until(lambda: control.state(folder).is_over)
    assert control.state(folder).status == "stopped"
    until(lambda: not started(tmp_path))


def test_only_a_training_is_given_to_it(workspace: Workspace, trainer: ReadyTrainer, tmp_path: Path) -> None:
    trainer.prepare()
    process = waiting(tmp_path)
    folder = RunFolder(workspace.run("other"))
    control.start(folder, [sys.executable, FAKE, str(folder.path)])
    until(lambda: control.state(folder).is_over)
    assert process.is_running()
    away = Job(command=[sys.executable, "-m", "studio", "train", "--on", "ray://host:1", "--", "tones"], folder="/")
    assert not away.is_training


def test_asking_twice_prepares_one_and_closing_ends_it(trainer: ReadyTrainer, tmp_path: Path) -> None:
    assert trainer.held() == 0
    trainer.prepare()
    assert trainer.held() == ready.MEMORY
    waiting(tmp_path)
    trainer.prepare()
    assert len(started(tmp_path)) == 2  # the trainer and its supervisor
    trainer.close()
    assert trainer.held() == 0
    until(lambda: not started(tmp_path))
    trainer.prepare()
    assert waiting(tmp_path)


def test_where_memory_is_short_none_waits(
    trainer: ReadyTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ready, "LEAST_MEMORY", 2**60)
    trainer.prepare()
    assert not started(tmp_path)


def test_it_ends_with_the_page_however_that_ends(tmp_path: Path) -> None:
    page = subprocess.Popen([sys.executable, "-c", PREPARED], env={**os.environ, MARK: str(tmp_path)})
    waiting(tmp_path)
    page.send_signal(signal.SIGKILL)
    page.wait()
    until(lambda: not started(tmp_path))


def wait_in_a_process(mark: Path, idle: float) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    near, far = socket.socketpair()
    command = [sys.executable, "-c", WAITING, str(far.fileno()), str(idle)]
    with far:
        return near, subprocess.Popen(command, pass_fds=[far.fileno()], env={**os.environ, MARK: str(mark)})


def test_it_gives_its_memory_back_when_no_run_comes_for_a_while(tmp_path: Path) -> None:
    near, process = wait_in_a_process(tmp_path, 0.5)
    with near:
        assert process.wait(60) == 0
    until(lambda: not started(tmp_path))


def test_a_job_whose_starter_gave_up_waiting_is_not_started_twice(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "outputs" / "run")
    folder.path.mkdir(parents=True)
    Job(command=[sys.executable, FAKE, str(folder.path)], folder=str(tmp_path)).write(folder)
    near, process = wait_in_a_process(tmp_path, 60)
    with near, folder.log.open("ab") as log:
        socket.send_fds(near, [os.fsencode(folder.path)], [log.fileno(), log.fileno()])
        assert near.recv(1) == HAVE
    assert process.wait(60) == 0
    assert not folder.events.exists()


def test_the_page_prepares_one_when_the_train_tab_is_opened(
    workspace: Workspace, trainer: ReadyTrainer, tmp_path: Path
) -> None:
    app = FastAPI()
    app.include_router(train.router(workspace))
    with TestClient(app) as client:
        assert client.get("/studio/train/form/none").json()["clips"]["blocker"]
        assert not started(tmp_path)
        assert client.get("/studio/train/form/tones").status_code == 200
        assert waiting(tmp_path)

"""The supervisor ends what it must, spares what it should, and always leaves the last word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from eventually import until
from fake_trainer import SCRIPT as FAKE

from studio.runs import control, events
from studio.runs.folder import RunFolder
from studio.runs.processes import Job

SUPERVISE = """
import sys; from pathlib import Path; from studio.runs.folder import RunFolder
from studio.runs.supervisor import Patience, Supervisor
save, discard, terminate = map(float, sys.argv[2:])
Supervisor(RunFolder(Path(sys.argv[1])), Patience(save, discard, terminate)).run()
"""


def supervise(folder: RunFolder, *words: str, patience: tuple[float, float, float]) -> subprocess.Popen[bytes]:
    folder.path.mkdir(parents=True)
    Job(command=[sys.executable, FAKE, str(folder.path), *words], folder=str(folder.path)).write(folder)
    with folder.log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, str(folder.path), *map(str, patience)], stdout=log, stderr=log
        )


def last_event(folder: RunFolder) -> events.Event:
    return [event for _, event in events.read(folder.events)][-1]


def has_stepped(folder: RunFolder) -> bool:
    return folder.events.exists() and '"step"' in folder.events.read_text()


def test_nothing_is_left_alive_of_a_run_that_ignores_everything(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "outputs" / "run")
    supervisor = supervise(folder, "hostile", "steps=100000", patience=(60, 0.2, 0.3))
    until(lambda: has_stepped(folder))
    family = [int(pid) for pid in (folder.path / "pids.txt").read_text().split()]
    assert all(psutil.pid_exists(pid) for pid in family)
    folder.request_stop("discard")
    assert supervisor.wait(20) == 0
    assert [pid for pid in family if psutil.pid_exists(pid)] == []
    last = last_event(folder)
    assert isinstance(last, events.Stopped)
    assert last.reason == "discard"
    assert last.step > 0


def test_a_save_is_not_cut_short_while_events_are_written(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "outputs" / "run")
    supervisor = supervise(folder, "deaf", "steps=200", "pause=0.02", patience=(1.0, 60, 60))
    until(lambda: has_stepped(folder))
    folder.request_stop("save")  # it goes on for seconds, past the patience, but it is heard all the time
    assert supervisor.wait(30) == 0
    assert last_event(folder).type == "finished"


def test_a_save_that_hangs_is_ended_and_told(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "outputs" / "run")
    supervisor = supervise(folder, "hostile", "steps=9", "pause=600", patience=(0.3, 60, 0.3))
    until(lambda: has_stepped(folder))
    folder.request_stop("save")
    assert supervisor.wait(20) == 0
    last = last_event(folder)
    assert isinstance(last, events.Failed)
    assert "killed by signal 9" in last.message


def test_discarding_does_not_wait_for_a_save_that_was_asked_before(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "outputs" / "run")
    supervisor = supervise(folder, "hostile", "steps=100000", patience=(60, 0.2, 0.3))
    until(lambda: has_stepped(folder))
    folder.request_stop("save")
    time.sleep(0.5)
    assert supervisor.poll() is None
    folder.request_stop("discard")
    assert supervisor.wait(20) == 0


def test_a_shutdown_of_the_machine_lets_the_trainer_write_its_checkpoint(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "outputs" / "run")
    supervisor = supervise(folder, "steps=100000", patience=(60, 60, 5))
    until(lambda: has_stepped(folder))
    os.kill(supervisor.pid, signal.SIGTERM)
    assert supervisor.wait(20) == 0
    last = last_event(folder)
    assert isinstance(last, events.Stopped)
    assert last.reason == "interrupted"
    assert (folder.path / "state.txt").read_text() == str(last.step)
    assert control.state(folder).status == "interrupted"

"""Runs that wait their turn: `outputs/.queue.json`, and who starts the next of them.

The file holds the order, and all that is needed to start each run; it is replaced whole, under a lock, so that it
outlives whatever is killed. A run that waits has a folder with nothing but its settings. As long as a run
waits, a keeper (`studio.runs.queue_keeper`) does too: a process of its own that needs neither a page nor a supervisor.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import filelock
from pydantic import BaseModel, ConfigDict, ValidationError

from studio.config import TrainConfig
from studio.errors import BusyError, JobError
from studio.runs import control
from studio.runs.ending import append
from studio.runs.events import Failed
from studio.runs.folder import RunFolder
from studio.runs.processes import Job
from studio.workspace import Workspace, disk_errors, write_atomically

_LOCK_SECONDS = 30.0  # the lock is held while a run is started, and an orphan before it perhaps ended


class Waiting(BaseModel):
    """One run that waits."""

    model_config = ConfigDict(frozen=True)

    name: str
    job: Job  # `started_at` is when it began to wait
    settings: str  # what differs from the defaults, as flags


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """The place of a run that was asked for."""

    folder: RunFolder
    position: int  # 1 is the next to start; 0: it has started


class _Queue(BaseModel):
    waiting: list[Waiting] = []


def waiting(workspace: Workspace) -> list[Waiting]:
    """The runs that wait, the next one first. Raises JobError where the file cannot be read."""
    path = _file(workspace)
    try:
        found = _Queue.model_validate_json(path.read_bytes()).waiting
    except FileNotFoundError:
        return []
    except ValidationError as error:
        raise JobError(f"{path} cannot be read.", "Fix it, or delete it and queue those runs again.") from error
    return [run for run in found if not _has_begun(workspace, run)]


def submit(workspace: Workspace, config: TrainConfig, name: str | None = None, on: str = "") -> QueuePosition:
    """Start a fine-tune as `start_training` does or, where a run is going on or waits, let it wait behind them.

    Raises JobError where `name` is taken, ConfigError where it cannot be a name, DiskError.
    """
    if not waiting(workspace):
        with suppress(BusyError):
            return QueuePosition(control.start_training(workspace, config, name, on), 0)
    with _changing(workspace) as queue, control.laid_out(workspace, config, name) as folder:
        words = [*config.flags(), *(["--on", on] if on else [])]
        job = control.training(config, folder.name, on)
        queue.append(Waiting(name=folder.name, job=job, settings=shlex.join(words)))
        position = len(queue)
    look_after(workspace)
    return QueuePosition(folder, position)


def move(workspace: Workspace, name: str, to: int) -> None:
    """Put the waiting run `name` in place `to`: 1 is the first, and beyond the end is the last. Raises JobError."""
    with _changing(workspace) as queue:
        run = _taken(queue, name)
        queue.insert(max(to, 1) - 1, run)


def cancel(workspace: Workspace, name: str) -> None:
    """Take the run `name` out of the queue. Raises JobError where it does not wait (any more)."""
    with _changing(workspace) as queue:
        _taken(queue, name)
    folder = RunFolder(workspace.run(name))
    with suppress(OSError):
        folder.config.unlink(missing_ok=True)
        folder.path.rmdir()


def look_after(workspace: Workspace) -> None:
    """Make sure that the waiting runs are started: after a crash or a restart of the machine they would not be."""
    if not waiting(workspace) or _has_keeper(workspace):
        return
    log = workspace.outputs / ".queue.log"
    with disk_errors(log), log.open("ab") as said:
        subprocess.run(
            [sys.executable, "-m", "studio.runs.queue_keeper", str(workspace.root)],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True, check=False,
        )  # fmt: skip


def start_next(workspace: Workspace, lock: int) -> None:
    """Start the first run that waits, for a caller who holds the right to run: the descriptor `lock`.

    One that cannot be started has failed, with the reason, and the next one's turn comes. Raises DiskError, and the
    queue is then as it was.
    """
    with _changing(workspace) as queue:
        while queue:
            run = queue.pop(0)
            folder = RunFolder(workspace.run(run.name))
            try:
                control.start_holding(lock, folder, run.job.model_copy(update={"started_at": time.time()}))
                return
            except JobError as error:
                append(folder, Failed(message=error.what, remedy=error.remedy))


def keeper_lock(workspace: Workspace, seconds: float) -> filelock.BaseFileLock:
    """What the keeper of `workspace` holds as long as it lives; filelock.Timeout where another does after `seconds`."""
    return filelock.FileLock(workspace.outputs / ".queue.keeper", timeout=seconds)


def _has_keeper(workspace: Workspace) -> bool:
    try:
        with keeper_lock(workspace, 0):
            return False
    except filelock.Timeout:
        return True


@contextmanager
def _changing(workspace: Workspace) -> Iterator[list[Waiting]]:
    """The queue, locked within the block, and written at its end unless something goes wrong."""
    path = _file(workspace)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = filelock.FileLock(path.with_name(".queue.lock"), timeout=_LOCK_SECONDS).acquire()
    except filelock.Timeout:
        raise JobError("The queue is in use: a run is just being started.", "Try again in a moment.") from None
    with lock:
        queue = waiting(workspace)
        before = list(queue)
        yield queue
        if queue != before:
            write_atomically(path, _Queue(waiting=queue).model_dump_json(indent=1) + "\n")


def _taken(queue: list[Waiting], name: str) -> Waiting:
    for run in queue:
        if run.name == name:
            queue.remove(run)
            return run
    raise JobError(f"The run “{name}” is not waiting: it has started, or does not exist.", "`studio queue` lists them.")


def _has_begun(workspace: Workspace, run: Waiting) -> bool:
    """It is just being started, or whoever started it was killed before it could take it out of the queue."""
    return RunFolder(workspace.run(run.name)).job.is_file()


def _file(workspace: Workspace) -> Path:
    return workspace.outputs / ".queue.json"

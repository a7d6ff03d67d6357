"""What `job.json` says of a run's processes, and the lock that lets one run go at a time."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from studio.errors import BusyError
from studio.runs.folder import JobFolder
from studio.workspace import disk_errors, write_atomically

_SAME_START = 2.0  # seconds; Linux derives a process's start from the boot time, which is rounded to a second
_LOCK_TRIES = 20  # a reader of the lock holds it for some microseconds
_LOCK_PAUSE = 0.02  # seconds


class ProcessId(BaseModel):
    """A process as more than its number: numbers are used again."""

    model_config = ConfigDict(frozen=True)

    pid: int
    create_time: float  # seconds since the epoch

    @classmethod
    def of(cls, pid: int) -> Self:
        """The process `pid`, which must be alive. Raises psutil.NoSuchProcess."""
        return cls(pid=pid, create_time=psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """The very process that was recorded, or None where it has ended and its number may be another's."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.create_time) < _SAME_START
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None


class Job(BaseModel):
    """The contents of `job.json`: what was started, when, and how it ended."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    command: list[str]
    folder: str  # where the command runs
    started_at: float = Field(default_factory=time.time)  # seconds since the epoch
    events_offset: int = 0  # bytes of events.jsonl that earlier starts wrote
    about: dict[str, str] = {}  # what a list of runs shows of it
    supervisor: ProcessId | None = None
    child: ProcessId | None = None
    ended_at: float | None = None  # seconds since the epoch
    exit_code: int | None = None  # negative: the signal that ended it

    @property
    def arguments(self) -> list[str]:
        """What this Python's studio is given; nothing of another command."""
        program = [sys.executable, "-m", "studio"]
        return self.command[len(program) :] if self.command[: len(program)] == program else []

    @property
    def is_training(self) -> bool:
        """Whether it fine-tunes here, and not on a cluster."""
        return self.arguments[:1] == ["train"] and "--on" not in self.arguments

    @classmethod
    def read(cls, folder: JobFolder) -> Self | None:
        """The job of `folder`, or None where there never was one."""
        try:
            return cls.model_validate_json(folder.job.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def write(self, folder: JobFolder) -> None:
        """Replace `job.json`. Raises DiskError."""
        write_atomically(folder.job, self.model_dump_json(indent=1) + "\n")


def _lock_path(outputs: Path) -> Path:
    return outputs / ".running"


@contextmanager
def claim(outputs: Path) -> Iterator[int]:
    """Hold the right to run in `outputs`: the file descriptor of its lock, for the supervisor to inherit.

    The kernel gives the lock back when the last process that holds it ends, however it ends.
    Raises BusyError, naming the run that holds it, and DiskError.
    """
    lock = _opened(outputs)
    try:
        for _ in range(_LOCK_TRIES):
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(_LOCK_PAUSE)
        else:
            name = _written(lock)
            raise BusyError(f"The run “{name}” is still going.", "Wait until it has finished, or stop it first.")
        yield lock
    finally:
        os.close(lock)


@contextmanager
def turn(outputs: Path) -> Iterator[int]:
    """Hold the right to run in `outputs` as `claim` does, once it is free, however long that takes."""
    lock = _waited_for(outputs)
    try:
        yield lock
    finally:
        os.close(lock)


def _waited_for(outputs: Path) -> int:
    while True:
        lock = _opened(outputs)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_current(lock, outputs):
            return lock
        os.close(lock)


def _opened(outputs: Path) -> int:
    with disk_errors(outputs):
        outputs.mkdir(parents=True, exist_ok=True)
        return os.open(_lock_path(outputs), os.O_RDWR | os.O_CREAT, 0o600)


def _is_current(lock: int, outputs: Path) -> bool:
    """Whether the lock still is the one that others ask for: `outputs` may have been deleted, and made again."""
    try:
        return os.path.samestat(os.fstat(lock), _lock_path(outputs).stat())
    except FileNotFoundError:
        return False


def sign(lock: int, name: str) -> None:
    """Write whose lock it is."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, name.encode(), 0)


def last_claimed(outputs: Path) -> str:
    """The name of the run that held the lock last; empty where none ever did."""
    try:
        return _lock_path(outputs).read_text()
    except FileNotFoundError:
        return ""


def holder(outputs: Path) -> str | None:
    """The name of the run whose supervisor is alive, or None."""
    try:
        lock = os.open(_lock_path(outputs), os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written(lock)
    else:
        return None
    finally:
        os.close(lock)


def _written(lock: int) -> str:
    return os.pread(lock, 1024, 0).decode(errors="replace")

"""Long work on a dataset, as a job: a verb of the command line in a process of its own, followed and cancelled.

`recordings/<dataset>/.tasks/<name>/` looks like the folder of a run (`events.jsonl`, `stdout.log`, `job.json`), so that
whatever follows runs follows tasks too. A dataset has one active task at a time. The verb reports its progress through
`reporting()`, which also serves a person at a terminal: a verb need not know who started it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from studio.errors import CancelledError, DataError, JobError, StudioError
from studio.runs import control, events, processes
from studio.runs.control import Status
from studio.runs.events import Event, Failed, Noted, Phase, PhaseName, Stopped
from studio.runs.folder import FOLDER_VARIABLE, JobFolder
from studio.runs.processes import Job
from studio.workspace import Workspace, checked_name, disk_errors

EVERY = 0.2  # seconds between two words about progress: an eye sees no more


class TaskState(BaseModel):
    """One task of a dataset: what it does, and its state."""

    model_config = ConfigDict(frozen=True)

    name: str
    what: str  # for people: "Pre-labelling 312 clips"
    status: Status
    started_at: float | None  # seconds since the epoch
    ended_at: float | None

    @classmethod
    def of(cls, folder: JobFolder) -> Self:
        """The state of the task in `folder`, read from disk."""
        job, stands = Job.read(folder), control.state(folder)
        what = job.about.get("what", folder.name) if job else folder.name
        return cls(name=folder.name, what=what, **stands.model_dump(include={"status", "started_at", "ended_at"}))


class TaskProgress:
    """How a verb says how far it is: `tell("reading", 12, 400)`, `tell.note("14 labels look wrong.")`."""

    def __init__(self, folder: JobFolder | None, unit: str = "") -> None:
        self.folder = folder
        self.unit = unit  # of what is counted, for a terminal
        self.done = 0
        self._phase = ""
        self._spoke = 0.0
        self._began = 0.0

    def __call__(self, phase: PhaseName, done: int, total: int) -> None:
        """Say that `done` of `total` are done. Raises CancelledError where a person asked to stop."""
        now, self.done = time.monotonic(), done
        if self.folder and self.folder.stop_request():
            raise CancelledError
        if phase != self._phase:
            self._phase, self._began, self._spoke = phase, now, 0.0
        if now - self._spoke < EVERY and done < total:
            return
        self._spoke = now
        if self.folder:
            self._write(Phase(name=phase, done=done, total=total))
        elif sys.stderr.isatty():
            print(f"\r{_line(phase, done, total, self.unit, now - self._began)}", end="", file=sys.stderr, flush=True)
            if done >= total > 0:
                print(file=sys.stderr)

    def note(self, message: str) -> None:
        """Say what was found, in a sentence: the page shows it, a terminal prints it."""
        if self.folder:
            self._write(Noted(message=message))
        print(message, flush=True)

    def end(self, event: Event) -> None:
        """Write the last event, if the task has a folder."""
        if self.folder:
            self._write(event)

    def _write(self, event: Event) -> None:
        assert self.folder is not None
        with disk_errors(self.folder.events), self.folder.events.open("a", encoding="utf-8") as log:
            events.write(log, event)


def _line(phase: str, done: int, total: int, unit: str, seconds: float) -> str:
    left = f", about {seconds / done * (total - done):.0f} s left" if 0 < done < total else ""
    word = "transcribing" if phase == "reading" else phase  # its older name stays in events.jsonl
    figures = f": {done} of {total}{unit}{left}" if total else ""
    return f"{word.capitalize()}{figures}".ljust(60)


@contextmanager
def reporting(unit: str = "") -> Iterator[TaskProgress]:
    """Within the block a verb reports its progress to whoever started it; its end is reported automatically.

    Where a person cancels the job the process ends with exit code 0, and where SIGTERM did with 143. A StudioError is
    written down, and raised to the command line.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    tell = TaskProgress(JobFolder(Path(named)) if named else None, unit)
    try:
        yield tell
    except CancelledError as error:
        tell.end(Stopped(step=tell.done, reason="discard"))
        raise SystemExit(0 if tell.folder else error.exit_code) from None
    except StudioError as error:
        tell.end(Failed(message=error.what, remedy=error.remedy))
        raise


def start(workspace: Workspace, dataset: str, name: str, arguments: Sequence[str], what: str) -> TaskState:
    """Start `studio <arguments>` as the task `name` of `dataset`; `what` says to people what it does.

    Raises JobError where another task goes on in that dataset, DataError where there is no such dataset, DiskError.
    """
    folder = _folder(workspace, dataset, name)
    if not folder.path.parent.parent.is_dir():
        raise DataError(f"There is no dataset “{dataset}”.", "Record or import clips first.")
    command = [sys.executable, "-m", "studio", "--workspace", str(workspace.root), *arguments]
    try:
        control.start(folder, command, {"what": what})
    except JobError as error:
        if other := active(workspace, dataset):
            raise JobError(f"“{other.what}” is still going.", "Wait until it has finished, or cancel it.") from error
        raise
    return TaskState.of(folder)


def existing(workspace: Workspace, dataset: str, name: str) -> JobFolder:
    """The folder of the task `name`. Raises JobError where there never was one."""
    folder = _folder(workspace, dataset, name)
    if not folder.job.is_file():
        raise JobError(f"There is no task “{name}” in “{dataset}”.", "Start it first.")
    return folder


def listing(workspace: Workspace, dataset: str) -> list[TaskState]:
    """Every task of `dataset`, the latest first."""
    found = []
    for path in workspace.dataset(dataset).glob(".tasks/*/job.json"):
        with suppress(FileNotFoundError):  # removed meanwhile
            found.append(TaskState.of(JobFolder(path.parent)))
    return sorted(found, key=lambda task: task.started_at or 0.0, reverse=True)


def active(workspace: Workspace, dataset: str) -> TaskState | None:
    """The task that goes on in `dataset` now, if any."""
    name = processes.holder(workspace.dataset(dataset) / ".tasks")
    return TaskState.of(_folder(workspace, dataset, name)) if name else None


def cancel(folder: JobFolder) -> None:
    """Ask the task to stop; what it has written stays. Nothing happens where it is over already."""
    if not control.state(folder).is_over:
        control.stop(folder, "discard")


def since(folder: JobFolder) -> int:
    """Bytes of the task's event log that earlier starts wrote: who follows begins after them."""
    job = Job.read(folder)
    return job.events_offset if job else 0


def _folder(workspace: Workspace, dataset: str, name: str) -> JobFolder:
    return JobFolder(workspace.dataset(dataset) / ".tasks" / checked_name(name))

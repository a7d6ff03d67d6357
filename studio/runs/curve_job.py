"""The learning curve of a run as a job: it continues without the page, reports its progress, and can be cancelled.

Its folder, `outputs/<run>/curve`, looks like that of a task, and holds the smaller runs. Started again it goes on where
it was. While it trains no run does: it holds the right to run in `outputs/`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from studio.errors import BusyError, JobError
from studio.runs import control, processes
from studio.runs.folder import JobFolder
from studio.runs.listing import existing
from studio.runs.tasks import TaskState
from studio.workspace import Workspace

LEARNING_CURVE = " (learning curve)"  # after a run's name, where its smaller runs are trained
WHAT = "Training on a quarter and on half of the clips"


def start(workspace: Workspace, run: str) -> TaskState:
    """Train what is missing of the learning curve of `run`, in a process of its own.

    Raises BusyError where a run is going on, JobError where `run` has not finished or its curve is being trained.
    """
    folder = existing(workspace, run)
    if not folder.done.is_file():
        raise JobError(f"The run “{run}” has not finished.", f"Resume it: studio resume {run}")
    if going := processes.holder(workspace.outputs):
        raise BusyError(f"“{going}” is still going.", "Wait until it has finished, or stop it first.")
    job = JobFolder(folder.curve)
    command = [sys.executable, "-m", "studio", "--workspace", str(workspace.root), "curve", run]
    control.start(job, command, {"what": WHAT})
    return TaskState.of(job)


def task(workspace: Workspace, run: str) -> JobFolder:
    """The folder of the job, which need not exist. Raises JobError where there is no such run."""
    return JobFolder(existing(workspace, run).curve)


@contextmanager
def turn(workspace: Workspace, run: str) -> Iterator[None]:
    """Hold the right to run in `outputs/` within the block. Raises BusyError, naming it, where a run is going on."""
    with processes.claim(workspace.outputs) as lock:
        processes.sign(lock, run + LEARNING_CURVE)
        yield

"""`python -m studio.runs.queue_keeper WORKSPACE`: starts the runs that wait, one after the other, until none is left.

It sleeps on the lock of `studio.runs.processes`, which the kernel gives back however a run ends, by a kill -9 of its
supervisor too, and hands it on to the supervisor of the next. One keeper serves a workspace. Should it be killed, the
queue stays as it is, and the next look at the runs, by the page or the command line, starts another.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import filelock

from studio.errors import StudioError
from studio.runs import processes, queue
from studio.workspace import Workspace

_PATIENCE = 1.0  # seconds: who only looks whether there is a keeper holds its lock for a moment


def keep(workspace: Workspace) -> None:
    """Start what waits, unless another keeper does; what began to wait as it went is looked for once more."""
    while queue.waiting(workspace):
        try:
            with queue.keeper_lock(workspace, _PATIENCE):
                _start_all(workspace)
        except filelock.Timeout:
            return


def _start_all(workspace: Workspace) -> None:
    while queue.waiting(workspace):
        with processes.turn(workspace.outputs) as lock:
            queue.start_next(workspace, lock)


def main(root: str) -> None:
    """Keep the queue of the workspace `root`, in a process that the starter need not wait for."""
    if os.fork():
        os._exit(0)
    try:
        keep(Workspace(Path(root)))
    except StudioError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1])

"""Work in this very process that the page and `studio runs` see as a run that is going on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import time

from studio.quiet import warnings_in
from studio.runs import processes
from studio.runs.ending import mend
from studio.runs.folder import JobFolder
from studio.runs.processes import Job, ProcessId


@contextmanager
def in_foreground(folder: JobFolder, command: Sequence[str], about: Mapping[str, str]) -> Iterator[None]:
    """Hold the right to run in `folder` while the block works there; `stop` reaches it by its note as usual.

    `command` resumes it should it be killed. Other packages' warnings go to the run's log.
    Raises JobError, naming it, where another run is going on.
    """
    with processes.claim(folder.path.parent) as lock:
        folder.clear_stop_request()
        processes.sign(lock, folder.name)
        me = ProcessId.of(os.getpid())
        job = Job(
            command=list(command),
            folder=str(Path.cwd()),
            about=dict(about),
            events_offset=mend(folder.events),
            supervisor=me,
            child=me,
        )
        job.write(folder)
        code = 1
        try:
            with warnings_in(folder.log):
                yield
            code = 0
        finally:
            job.model_copy(update={"ended_at": time(), "exit_code": code}).write(folder)

"""Runs as jobs: a verb in a process of its own, followed and stopped through files in its run folder.

Nothing is remembered in memory: the page and the command line see the same runs, and killing either loses nothing.
Where a run is going on, others wait their turn in `studio.jobs.queue`.
"""

from studio.jobs.control import (
    JobState,
    Status,
    active,
    latest,
    resume,
    start,
    start_training,
    state,
    stop,
    training,
    training_folder,
)
from studio.jobs.foreground import in_foreground
from studio.jobs.listing import RunSummary, existing, runs
from studio.jobs.trash import delete, empty_trash, restore

__all__ = [
    "JobState",
    "RunSummary",
    "Status",
    "active",
    "delete",
    "empty_trash",
    "existing",
    "in_foreground",
    "latest",
    "restore",
    "resume",
    "runs",
    "start",
    "start_training",
    "state",
    "stop",
    "training",
    "training_folder",
]

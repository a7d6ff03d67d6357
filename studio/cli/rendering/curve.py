"""`studio curve`: the smaller runs of a learning curve, trained from a terminal or as a job of the page."""

from __future__ import annotations

from functools import partial

from studio.errors import CancelledError
from studio.reports.learning_curve import LearningCurve, learning_curve, outlook
from studio.runs import curve_job, listing
from studio.runs.metadata import RunRecord
from studio.runs.tasks import reporting
from studio.workspace import Workspace


def complete(workspace: Workspace, run: str, normaliser: str | None) -> LearningCurve:
    """The learning curve of `run`, what is missing of it trained first. Raises StudioError."""
    folder = listing.existing(workspace, run)
    with reporting() as tell:
        by = normaliser or RunRecord.read(folder).normaliser
        found = learning_curve(folder, by)
        if found.missing:
            from studio.train.curve import train_smaller

            with curve_job.turn(workspace, run):
                if not train_smaller(folder, workspace, partial(tell, "training")):
                    raise CancelledError
            found = learning_curve(folder, by)
        if tell.folder:
            tell.note(outlook(found))
    return found

"""`studio curve`: the smaller runs of a learning curve, trained from a terminal or as a job of the page."""

from __future__ import annotations

from functools import partial

from studio import jobs
from studio.jobs import curves
from studio.jobs.tasks import CancelledError, telling
from studio.results.learning_curve import LearningCurve, learning_curve, outlook
from studio.train.record import RunRecord
from studio.workspace import Workspace


def complete(workspace: Workspace, run: str, normaliser: str | None) -> LearningCurve:
    """The learning curve of `run`, what is missing of it trained first. Raises StudioError."""
    folder = jobs.existing(workspace, run)
    with telling() as tell:
        by = normaliser or RunRecord.read(folder).normaliser
        found = learning_curve(folder, by)
        if found.missing:
            from studio.train.curve import train_smaller

            with curves.turn(workspace, run):
                if not train_smaller(folder, partial(tell, "training")):
                    raise CancelledError
            found = learning_curve(folder, by)
        if tell.folder:
            tell.note(outlook(found))
    return found

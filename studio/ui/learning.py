"""The learning curve of a run for the Test tab: what is there of it, and the job that trains the rest."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from studio.config import Normaliser
from studio.evaluation.evaluate import Evaluation
from studio.reports.learning_curve import LearningCurve, learning_curve, outlook
from studio.runs import curve_job, listing
from studio.runs.folder import JobFolder
from studio.runs.tasks import TaskState
from studio.ui import tasks
from studio.workspace import Workspace


class Learning(BaseModel):
    """The curve, and whether more of it is being trained."""

    model_config = ConfigDict(frozen=True)

    curve: LearningCurve
    outlook: str  # the forecast in a sentence; empty as long as a part is missing
    task: TaskState | None  # the last job, going on or not


def router(workspace: Workspace) -> APIRouter:
    """Routes below those of held-out clips; `…/task` speaks as the routes of tasks do."""
    routes = APIRouter(prefix="/curve/{run}")

    @routes.get("")
    def learning(run: str, normaliser: Normaliser | None = None) -> Learning:
        folder = listing.existing(workspace, run)
        after = Evaluation.read(folder.tuned)
        found = learning_curve(folder, normaliser or (after.score.normaliser if after else "exact"))
        job = curve_job.task(workspace, run)
        state = TaskState.of(job) if job.job.is_file() else None
        return Learning(curve=found, outlook=outlook(found), task=state)

    @routes.post("")
    def start(run: str) -> TaskState:
        return curve_job.start(workspace, run)

    def job(run: str) -> JobFolder:
        return curve_job.task(workspace, run)

    tasks.offer(routes, "/task", job)
    return routes

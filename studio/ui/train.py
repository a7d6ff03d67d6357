"""The Train tab: set up a run and start it, watch it, stop it, go back to earlier ones.

The scripts (in `assets/train/`) draw; what can be started, and the state and order of runs, is decided here and
below. A run itself reaches the page through `studio.ui.live` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks
from pydantic import BaseModel, Field, StringConstraints

from studio.cluster import address
from studio.data.manifest import Dataset
from studio.data.splits.assignment import trainable
from studio.evaluation import general_set
from studio.models import before_start
from studio.runs import control, editing, listing, queue, ready, trash
from studio.runs.listing import RunSummary
from studio.ui import assets, base_models, live, train_form
from studio.ui.page import Page
from studio.ui.train_form import Download, Form, Planned, RunDetails, WaitingRun
from studio.workspace import Workspace

Values = dict[str, Any]
"""Settings as a browser sends them, checked by `train_form.plan`."""


class RunStarted(BaseModel):
    """A run that was asked for."""

    run: str
    position: int  # 1 is the next to start; 0: it has started
    notes: list[str]  # labels that the model cannot write, in sentences


class Stop(BaseModel):
    """How a run is to end."""

    how: Literal["save", "discard"]


class QueueMove(BaseModel):
    """The new place of a waiting run."""

    to: int = Field(ge=1)  # 1 is the next to start


class NameRequest(BaseModel):
    """What a run is to be called."""

    to: Annotated[str, StringConstraints(max_length=200)]


class NoteRequest(BaseModel):
    """What a person writes down about a run."""

    note: Annotated[str, StringConstraints(max_length=20_000)]


class Token(BaseModel):
    """What undoes a deletion."""

    token: str


class DownloadRequest(BaseModel):
    """A model to download."""

    model: str


def build(page: Page) -> None:
    """Put the tab's components into the page."""
    assets.room("train/train", "st-train")


def router(workspace: Workspace) -> APIRouter:
    """What the tab's scripts ask for, and the streams that they follow."""
    routes = APIRouter(prefix="/studio/train")
    _form_routes(routes, workspace)
    _run_routes(routes, workspace)
    _queue_routes(routes, workspace)
    everything = APIRouter()
    everything.include_router(routes)
    everything.include_router(live.router(workspace))
    everything.include_router(base_models.router(workspace))
    return everything


def _form_routes(routes: APIRouter, workspace: Workspace) -> None:
    @routes.get("/form/{dataset}")
    def form(dataset: str, afterwards: BackgroundTasks) -> Form:
        found = train_form.form(workspace, dataset)
        if found.running is None and not found.clips.blocker:
            afterwards.add_task(ready.shared().prepare)
        return found

    @routes.post("/command")
    def command(values: Values) -> Planned:
        return train_form.planned(workspace, values)

    @routes.post("/start")
    def start(values: Values) -> RunStarted:
        on, settings = train_form.where(values)
        plan = train_form.plan(workspace, settings)
        if on:
            address.require_ray()
        clips = trainable(Dataset(workspace.dataset(plan.dataset)))
        general_set.check(plan, clips, workspace)
        notes = before_start.check(plan, clips)
        place = queue.submit(workspace, plan, on=on)
        return RunStarted(run=place.folder.name, position=place.position, notes=notes)

    @routes.get("/download")
    def download() -> Download | None:
        return train_form.download(workspace)

    @routes.post("/download")
    def fetch(wanted: DownloadRequest) -> Download | None:
        train_form.fetch(workspace, wanted.model)
        return train_form.download(workspace)


def _run_routes(routes: APIRouter, workspace: Workspace) -> None:
    @routes.get("/runs")
    def runs() -> list[RunSummary]:
        return listing.runs(workspace)

    @routes.post("/runs/{run}/stop")
    def stop(run: str, how: Stop) -> None:
        control.stop(listing.existing(workspace, run), how.how)

    @routes.post("/runs/{run}/resume")
    def resume(run: str) -> None:
        control.resume(listing.existing(workspace, run))

    @routes.get("/runs/{run}")
    def about(run: str) -> RunDetails:
        return train_form.about(workspace, run)

    @routes.post("/runs/{run}/rename")
    def rename(run: str, wanted: NameRequest) -> Mapping[str, str]:
        return {"name": editing.rename(workspace, run, wanted.to).name}

    @routes.post("/runs/{run}/note")
    def note(run: str, wanted: NoteRequest) -> None:
        editing.write_note(listing.existing(workspace, run), wanted.note)

    @routes.post("/runs/{run}/delete")
    def delete(run: str) -> Token:
        return Token(token=trash.delete(listing.existing(workspace, run)))

    @routes.post("/restore")
    def restore(undo: Token) -> Mapping[str, str]:
        return {"run": trash.restore(workspace, undo.token).name}


def _queue_routes(routes: APIRouter, workspace: Workspace) -> None:
    @routes.post("/queue")
    def look_after() -> list[WaitingRun]:
        queue.look_after(workspace)  # after a restart of the machine, what waits starts once the tab is looked at
        return train_form.waiting(workspace)

    @routes.post("/queue/{run}/move")
    def move(run: str, place: QueueMove) -> list[WaitingRun]:
        queue.move(workspace, run, place.to)
        return train_form.waiting(workspace)

    @routes.post("/queue/{run}/cancel")
    def cancel(run: str) -> list[WaitingRun]:
        queue.cancel(workspace, run)
        return train_form.waiting(workspace)

"""Clips of a dataset, for every tab: played, changed, deleted and restored, always by id; and undone."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel, StringConstraints

from studio.data.manifest import Dataset, Example, Utterance
from studio.data.quality import Finding, findings
from studio.data.quality.known import quality_of
from studio.data.splits.grouping import siblings
from studio.data.store.journal import Action
from studio.data.utterance import Split, clips_of
from studio.data.view.query import Selection
from studio.data.view.table import Table
from studio.data.word_times import BY_HAND
from studio.errors import StudioError
from studio.ui.sounds import sound_answer
from studio.workspace import Workspace


class TrashRequest(BaseModel):
    """Clips that are thrown away or brought back together, as a selection or by id."""

    selection: Selection | None = None
    ids: list[str] | None = None

    def all(self) -> Selection:
        """As one selection."""
        return self.selection or Selection(ids=self.ids)


class Label(BaseModel):
    """What was said, as the person corrected it; and what the page showed before, if it says so."""

    text: str
    was: str | None = None


class WordTimes(BaseModel):
    """When each word is said, as the person set it, and what the page showed before; seconds."""

    words: list[tuple[str, tuple[float, float]]]
    was: list[tuple[str, tuple[float, float]]]


class Changes(BaseModel):
    """What clips get, those of these fields that are given."""

    split: Split | None = None
    speaker: Annotated[str, StringConstraints(max_length=200)] | None = None
    text: str | None = None


class Bulk(BaseModel):
    """Clips that are changed together."""

    selection: Selection
    changes: Changes
    what: Annotated[str, StringConstraints(max_length=500)] = ""  # for the history


class Which(BaseModel):
    """An action of the history; the latest, where none is named."""

    id: str | None = None


def shown(dataset: Dataset, clip: Example) -> dict[str, Any]:
    """What a script receives of a clip; its `verdict` is empty where the recording is good. A pair is never judged."""
    kept = clip.model_dump(include={"id", "text", "typed", "prompt", "duration", "split", "source", "created_at"})
    if not isinstance(clip, Utterance):
        return kept | {"verdict": []}
    return kept | {"verdict": [{"what": found.what, "remedy": found.remedy} for found in warnings(dataset, clip)]}


def warnings(dataset: Dataset, clip: Utterance) -> list[Finding]:
    """What a person should know about a recording; one without figures of today is measured."""
    try:
        figures = quality_of(clip, dataset)
    except StudioError as error:
        return [Finding(code="no-speech", verdict="re-record", what=error.what, remedy=error.remedy)]
    context = Table.of(dataset).context(clip)
    found = findings(figures, duration=clip.duration, text=clip.text, **context) if figures else []
    return [finding for finding in found if finding.verdict != "note"]


def router(workspace: Workspace) -> APIRouter:
    """Routes that look clips up in the manifest: a client never names a file."""
    routes = APIRouter(prefix="/studio")

    def dataset(name: str) -> Dataset:
        return Dataset.open(workspace.dataset(name))

    @routes.get("/clips/{name}/{clip_id}")
    def sound(name: str, clip_id: str, v: str = "") -> FileResponse:
        path = dataset(name).clip_path(dataset(name).clip(clip_id))
        cached = "private, max-age=3600" if v else "no-cache"  # `v` names the samples: trimmed, a clip has another
        return sound_answer(path, path.name, cached)

    @routes.post("/clips/{name}/{clip_id}")
    def relabel(name: str, clip_id: str, label: Label) -> dict[str, Any]:
        was = None if label.was is None else {"text": label.was}
        before = dataset(name).get(clip_id)
        clip = dataset(name).edit(clip_id, was, text=label.text)
        action = dataset(name).history(1)[0].id if clip.text != before.text else None
        return shown(dataset(name), clip) | {"action": action}

    @routes.post("/words/{name}/{clip_id}")
    def time(name: str, clip_id: str, timed: WordTimes) -> dict[str, Any]:
        what = f"Word times of “{dataset(name).get(clip_id).text}” set"
        change = {clip_id: {"words": timed.words, "words_from": BY_HAND}}
        dataset(name).change(change, what, {clip_id: {"words": timed.was}})
        return {"id": clip_id, "words": dataset(name).clip(clip_id).words}

    @routes.post("/change/{name}")
    def change(name: str, bulk: Bulk) -> dict[str, Any]:
        changed = change_all(dataset(name), bulk)
        return {"clips": len(changed), "ids": [clip.id for clip in changed]}

    @routes.post("/trash/{name}")
    def trash(name: str, chosen: TrashRequest) -> dict[str, Any]:
        return {"ids": [clip.id for clip in dataset(name).trash(dataset(name).resolve(chosen.all()))]}

    @routes.get("/trash/{name}/{clip_id}")
    def thrown_away(name: str, clip_id: str, v: str = "") -> FileResponse:
        path = dataset(name).trash_path(clips_of([dataset(name).get_trashed(clip_id)])[0])
        return sound_answer(path, path.name, "private, max-age=3600" if v else "no-cache")

    @routes.post("/restore/{name}")
    def restore(name: str, chosen: TrashRequest) -> dict[str, Any]:
        return {"ids": [clip.id for clip in dataset(name).restore(chosen.all().ids or [])]}

    routes.include_router(_history(workspace))
    return routes


def _history(workspace: Workspace) -> APIRouter:
    """What was done to a dataset, undone and done again."""
    routes = APIRouter()

    @routes.get("/history/{name}")
    def history(name: str, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> list[Action]:
        folder = workspace.dataset(name)
        return Dataset.open(folder).history(limit) if folder.is_dir() else []

    @routes.post("/undo/{name}")
    def undo(name: str, which: Which) -> Action | None:
        return Dataset.open(workspace.dataset(name)).undo(which.id)

    @routes.post("/redo/{name}")
    def redo(name: str) -> Action | None:
        return Dataset.open(workspace.dataset(name)).redo()

    return routes


def change_all(dataset: Dataset, bulk: Bulk) -> list[Example]:
    """Change every clip that is selected; another split takes the clips of the same sentences along.

    Raises DataError, ConflictError or DiskError, and then nothing has changed.
    """
    ids = dataset.resolve(bulk.selection)
    fields = bulk.changes.model_dump(exclude_none=True)
    changes: dict[str, dict[str, Any]] = dict.fromkeys(ids, fields)
    if bulk.changes.split:
        moved = siblings(dataset.examples(), ids, bulk.changes.split)
        changes = {id: {"split": split} for id, split in moved.items()} | changes
    return dataset.change(changes, bulk.what)

"""Clips of a dataset, for every tab: heard, relabelled, thrown away and brought back, always by id."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from studio.data.manifest import Dataset, Utterance
from studio.data.quality import Finding, Quality, findings
from studio.errors import StudioError
from studio.workspace import Workspace

MOST_AT_ONCE = 1000  # ids in one request


class Ids(BaseModel):
    """Clips that are thrown away or brought back together."""

    ids: list[str] = Field(max_length=MOST_AT_ONCE)


class Label(BaseModel):
    """What was said, as the person corrected it."""

    text: str


def shown(dataset: Dataset, clip: Utterance) -> dict[str, Any]:
    """What a script is told about a clip; its `verdict` is empty where the recording is good."""
    kept = clip.model_dump(include={"id", "text", "prompt", "duration", "split", "source", "created_at"})
    return kept | {"verdict": [{"what": found.what, "remedy": found.remedy} for found in warnings(dataset, clip)]}


def warnings(dataset: Dataset, clip: Utterance) -> list[Finding]:
    """What a person should know about a recording; one without figures of today is measured."""
    try:
        figures = Quality.of(clip, dataset)
    except StudioError as error:
        return [Finding(code="no-speech", verdict="re-record", what=error.what, remedy=error.remedy)]
    found = findings(figures, duration=clip.duration, text=clip.text)
    return [finding for finding in found if finding.verdict != "note"]


def router(workspace: Workspace) -> APIRouter:
    """Routes that look clips up in the manifest: a client never names a file."""
    routes = APIRouter(prefix="/studio")

    @routes.get("/clips/{name}/{clip_id}")
    def sound(name: str, clip_id: str) -> FileResponse:
        dataset = Dataset.open(workspace.dataset(name))
        path = dataset.clip_path(dataset.get(clip_id))
        return FileResponse(path, media_type="audio/wav", headers={"Cache-Control": "private, max-age=3600"})

    @routes.post("/clips/{name}/{clip_id}")
    def relabel(name: str, clip_id: str, label: Label) -> dict[str, Any]:
        dataset = Dataset.open(workspace.dataset(name))
        return shown(dataset, dataset.edit(clip_id, text=label.text))

    @routes.post("/trash/{name}")
    def trash(name: str, chosen: Ids) -> dict[str, Any]:
        gone = Dataset.open(workspace.dataset(name)).trash(chosen.ids)
        return {"ids": [clip.id for clip in gone]}

    @routes.post("/restore/{name}")
    def restore(name: str, chosen: Ids) -> dict[str, Any]:
        back = Dataset.open(workspace.dataset(name)).restore(chosen.ids)
        return {"ids": [clip.id for clip in back]}

    return routes

"""The dialog for recordings longer than the model hears: progress, text that grows, and four formats to take away."""

from __future__ import annotations

import mimetypes
from typing import Annotated
from urllib.parse import quote

import gradio as gr
from fastapi import APIRouter, Form, Query, Request, UploadFile
from fastapi.responses import FileResponse, Response, StreamingResponse

from studio.errors import DataError
from studio.jobs import tasks
from studio.jobs.tasks import TaskState
from studio.longform.subtitles import FORMATS, rendered
from studio.ui import assets, live, longfiles
from studio.ui.longfiles import LongFile
from studio.ui.page import Page
from studio.workspace import Workspace

CONTENT_TYPES = {"txt": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt", "json": "application/json"}


def build(page: Page) -> None:
    """Put the dialog into the page."""
    gr.HTML(
        html_template=assets.read("listen/longfile.html"),
        js_on_load=assets.on_load("listen/longfile.js"),
        apply_default_css=False,
        elem_id="st-longfile",
    )


def router(workspace: Workspace) -> APIRouter:
    """What the dialog asks for; a recording is named by the id that it was given, never by a path."""
    routes = APIRouter(prefix="/studio/longfile")

    @routes.get("")
    def listed() -> list[LongFile]:
        return longfiles.listing(workspace)

    @routes.post("")
    def take(sound: UploadFile, run: Annotated[str, Form()] = "", model: Annotated[str, Form()] = "") -> LongFile:
        id = longfiles.take(workspace, sound.filename or "", sound.file, run, model)
        return longfiles.show(workspace, id)

    @routes.get("/{id}")
    def show(id: str, after: Annotated[int, Query(ge=0)] = 0) -> LongFile:
        return longfiles.show(workspace, id, after)

    @routes.post("/{id}/begin")
    def begin(id: str) -> LongFile:
        longfiles.begin(workspace, id)
        return longfiles.show(workspace, id)

    @routes.post("/{id}/delete")
    def delete(id: str) -> dict[str, str]:
        longfiles.remove(workspace, id)
        return {"id": id}

    @routes.get("/{id}/sound")
    def sound(id: str) -> FileResponse:
        kind, _ = mimetypes.guess_type(longfiles.show(workspace, id).name)
        return FileResponse(longfiles.recording(workspace, id), media_type=kind or "application/octet-stream")

    @routes.get("/{id}/download/{kind}")
    def download(id: str, kind: str) -> Response:
        if kind not in FORMATS:
            raise DataError(f"There is no format “{kind}”.", f"Use {', '.join(FORMATS)}.")
        found = longfiles.transcript(workspace, id)
        name = quote(f"{found.audio.rpartition('.')[0] or found.audio}.{kind}")
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return Response(rendered(found, kind), media_type=CONTENT_TYPES[kind], headers=headers)

    _followed(routes, workspace)
    return routes


def _followed(routes: APIRouter, workspace: Workspace) -> None:
    """The reading as a task, which `tasks.js` follows."""

    @routes.get("/{id}/task")
    def stands(id: str) -> TaskState:
        return TaskState.of(longfiles.existing(workspace, id))

    @routes.get("/{id}/task/events")
    async def follow(id: str, request: Request, offset: live.Offset = 0) -> StreamingResponse:
        folder = longfiles.existing(workspace, id)
        newcomer = offset or tasks.since(folder)
        return live.stream(folder, folder.events, live.read_events, live.resumed(request, newcomer))

    @routes.post("/{id}/task/cancel")
    def cancel(id: str) -> TaskState:
        folder = longfiles.existing(workspace, id)
        tasks.cancel(folder)
        return TaskState.of(folder)

"""The dialog for recordings longer than the model takes: progress, text that grows, and four formats to download."""

from __future__ import annotations

import sys
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, UploadFile
from fastapi.responses import FileResponse, Response

from studio.errors import DataError
from studio.inference.longform.subtitles import FORMATS, rendered
from studio.runs.folder import JobFolder
from studio.ui import assets, longfiles, tasks
from studio.ui.longfiles import LongFile
from studio.ui.page import Page
from studio.ui.sounds import sound_answer
from studio.workspace import Workspace

CONTENT_TYPES = {"txt": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt", "json": "application/json"}


def build(page: Page) -> None:
    """Put the dialog into the page."""
    assets.room("listen/longfile", "st-longfile")


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
        return sound_answer(longfiles.recording(workspace, id), longfiles.show(workspace, id, after=sys.maxsize).name)

    @routes.get("/{id}/download/{kind}")
    def download(id: str, kind: str) -> Response:
        if kind not in FORMATS:
            raise DataError(f"There is no format “{kind}”.", f"Use {', '.join(FORMATS)}.")
        found = longfiles.transcript(workspace, id)
        name = quote(f"{found.audio.rpartition('.')[0] or found.audio}.{kind}")
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return Response(rendered(found, kind), media_type=CONTENT_TYPES[kind], headers=headers)

    def reading(id: str) -> JobFolder:
        return longfiles.existing(workspace, id)

    tasks.offer(routes, "/{id}/task", reading)
    return routes

"""Tasks of a dataset for the page: how they stand, their events as a stream, and Cancel.

A room starts its own tasks (`studio.jobs.tasks.start`) from its own routes; following them is the same for all:
`assets/tasks.js` asks here.
"""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import StreamingResponse

from studio.errors import StudioError
from studio.jobs import tasks
from studio.jobs.tasks import TaskState
from studio.run_folder import RunFolder
from studio.ui import live
from studio.workspace import Workspace


def router(workspace: Workspace) -> APIRouter:
    """Routes that look a task up by dataset and name: a client never names a file."""
    routes = APIRouter(prefix="/studio/tasks")

    @routes.get("/{dataset}")
    def listed(dataset: str) -> list[TaskState]:
        return tasks.listing(workspace, dataset)

    @routes.get("/{dataset}/{name}")
    def stands(dataset: str, name: str) -> TaskState:
        return TaskState.of(_known(workspace, dataset, name))

    @routes.get("/{dataset}/{name}/events")
    async def follow(dataset: str, name: str, request: Request, offset: live.Offset = 0) -> StreamingResponse:
        folder = _known(workspace, dataset, name)
        newcomer = offset or tasks.since(folder)
        return live.stream(folder, folder.events, live.read_events, live.resumed(request, newcomer))

    @routes.post("/{dataset}/{name}/cancel")
    def cancel(dataset: str, name: str) -> TaskState:
        folder = _known(workspace, dataset, name)
        tasks.cancel(folder)
        return TaskState.of(folder)

    return routes


def _known(workspace: Workspace, dataset: str, name: str) -> RunFolder:
    try:
        return tasks.existing(workspace, dataset, name)
    except StudioError as error:
        raise HTTPException(404, str(error)) from error

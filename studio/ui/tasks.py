"""Tasks of a dataset for the page: their states, their events as a stream, and Cancel.

A room starts its own tasks (`studio.runs.tasks.start`) from its own routes; following them is the same for all:
`assets/tasks.js` asks here.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import StreamingResponse

from studio.errors import StudioError
from studio.runs import tasks
from studio.runs.folder import JobFolder
from studio.runs.tasks import TaskState
from studio.ui import live
from studio.workspace import Workspace


def router(workspace: Workspace) -> APIRouter:
    """Routes that look a task up by dataset and name: a client never names a file."""
    routes = APIRouter(prefix="/studio/tasks")

    @routes.get("/{dataset}")
    def listed(dataset: str) -> list[TaskState]:
        return tasks.listing(workspace, dataset)

    def known(dataset: str, name: str) -> JobFolder:
        try:
            return tasks.existing(workspace, dataset, name)
        except StudioError as error:
            raise HTTPException(404, str(error)) from error

    offer(routes, "/{dataset}/{name}", known)
    return routes


def offer(routes: APIRouter, path: str, find: Callable[..., JobFolder]) -> None:
    """What `assets/tasks.js` asks of any task at `path`, of whose parameters `find` makes the task's folder."""
    found = Depends(find)

    @routes.get(path)
    def state(folder: JobFolder = found) -> TaskState:
        return TaskState.of(folder)

    @routes.get(f"{path}/events")
    async def follow(request: Request, folder: JobFolder = found, offset: live.Offset = 0) -> StreamingResponse:
        newcomer = offset or tasks.since(folder)
        return live.stream(folder, folder.events, live.read_events, live.resumed(request, newcomer))

    @routes.post(f"{path}/cancel")
    def cancel(folder: JobFolder = found) -> TaskState:
        tasks.cancel(folder)
        return TaskState.of(folder)

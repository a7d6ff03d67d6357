"""The Export tab: what a run made, as folders that other programs load, each with the lines that use it."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from studio.runs.folder import RunFolder
from studio.ui import assets, exporting_runs
from studio.ui.exporting import Exports, exports, start_merge, zipped
from studio.ui.hearing import finished
from studio.ui.page import Page
from studio.workspace import Workspace


def build(page: Page) -> None:
    """The tab: a skeleton that `export.js` brings to life."""
    assets.room("exchange/export", "st-export")


def router(workspace: Workspace) -> APIRouter:
    """What the tab's script asks."""
    routes = APIRouter(prefix="/studio/export")

    def folder_of(run: str) -> RunFolder:
        return finished(workspace, run)

    @routes.get("/{run}")
    def show(run: str) -> Exports:
        return exports(folder_of(run))

    @routes.post("/{run}/merge")
    def merge(run: str) -> Exports:
        start_merge(workspace, folder_of(run))
        return exports(folder_of(run))

    @routes.get("/{run}/adapter.zip")
    def download(run: str) -> FileResponse:
        archive = zipped(folder_of(run).adapter, f"{run}-adapter")
        delete = BackgroundTask(archive.unlink, missing_ok=True)
        return FileResponse(archive, filename=f"{run}-adapter.zip", background=delete)

    routes.include_router(exporting_runs.router(folder_of, workspace))
    return routes

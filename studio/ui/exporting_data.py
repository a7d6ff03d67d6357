"""The data export dialog: which clips, in which format; a folder under `outputs/exports/`, and a zip to download.

`outputs/` is where the studio puts what it makes for elsewhere, and `recordings/` holds datasets alone: hence there.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from studio.data import formats
from studio.data.manifest import Dataset
from studio.data.store.task_reports import report_path
from studio.errors import DataError
from studio.runs import tasks
from studio.runs.tasks import TaskState
from studio.ui import assets
from studio.ui.page import Page
from studio.workspace import Workspace, checked_name, disk_errors, write_atomically

TASK = "export-data"
_CHUNK = 1 << 20


class DataExportRequest(BaseModel):
    """What is to be exported."""

    format: str
    escape: bool | None = None  # cells that a spreadsheet would compute; None: as the format is meant
    query: str = Field("", max_length=10_000)
    ids: list[str] | None = Field(None, max_length=200_000)


def build(page: Page) -> None:
    """Put the dialog into the page."""
    assets.room("exchange/export-data", "st-export-data")


def router(workspace: Workspace) -> APIRouter:
    """What the dialog asks for."""
    routes = APIRouter(prefix="/studio/export-data")

    @routes.get("/{name}")
    def offered(name: str) -> list[dict[str, Any]]:
        return [_offered(each) for each in formats.FORMATS.values()]

    @routes.post("/{name}")
    def begin(name: str, order: DataExportRequest) -> TaskState:
        dataset = Dataset.open(workspace.dataset(name))
        chosen = formats.find(order.format)
        stamp = f"{datetime.now():%Y%m%d-%H%M%S}"
        suffix = ".zip" if chosen.single_file else ""
        out = exports(workspace) / f"{name[:20].rstrip(' .')}-{chosen.name}-{stamp}{suffix}"
        arguments = ["export-data", name, str(out), "--format", chosen.name, "--portable"]
        if order.ids is not None:
            listed = report_path(dataset.folder, TASK).with_name("ids.txt")
            write_atomically(listed, "\n".join(order.ids))
            arguments += ["--clips", str(listed)]
        elif order.query.strip():
            arguments += ["--query", order.query]
        if order.escape is not None:
            arguments.append("--escape" if order.escape else "--no-escape")
        report_path(dataset.folder, TASK).unlink(missing_ok=True)
        return tasks.start(workspace, name, TASK, arguments, f"Exporting as {chosen.title}")

    @routes.get("/{name}/report")
    def report(name: str) -> Response:
        path = report_path(workspace.dataset(name), TASK)
        if not path.is_file():
            raise DataError("Nothing was exported.", "Try it again.")
        return FileResponse(path, media_type="application/json", headers={"Cache-Control": "no-store"})

    @routes.get("/{name}/download/{export}")
    def download(name: str, export: str) -> Response:
        path = exports(workspace) / checked_name(export)
        if not path.exists() or path.is_symlink():
            raise DataError(f"There is no export “{export}”.", "Export it again.")
        if path.is_file():
            return FileResponse(path, filename=path.name)
        headers = {"Content-Disposition": f'attachment; filename="{path.name}.zip"'.encode("ascii", "replace").decode()}
        return StreamingResponse(zip_of(path), media_type="application/zip", headers=headers)

    return routes


def _offered(format: formats.Format) -> dict[str, Any]:
    """What the dialog shows of a format; `escapes` is its default, or None where it has no cells to escape."""
    escapes = format.is_for_people if format.has_cells else None
    return {"name": format.name, "title": format.title, "holds": format.holds, "escapes": escapes}


def exports(workspace: Workspace) -> Path:
    """Where exports lie."""
    return workspace.outputs / "exports"


class _Pipe(io.RawIOBase):
    """What a zip file is written into, to be taken away piece by piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any, /) -> int:
        self.pieces.append(bytes(piece))
        return len(piece)

    def taken(self) -> bytes:
        content, self.pieces = b"".join(self.pieces), []
        return content


def zip_of(folder: Path) -> Iterator[bytes]:
    """The files of `folder` as a zip, made while it is sent: nothing of it lies on the disk or whole in memory."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo.from_file(path, f"{folder.name}/{path.relative_to(folder).as_posix()}")
            with (
                disk_errors(path, "read"),
                path.open("rb") as source,
                archive.open(entry, "w", force_zip64=True) as target,
            ):
                while piece := source.read(_CHUNK):
                    target.write(piece)
                    yield pipe.taken()
    yield pipe.taken()

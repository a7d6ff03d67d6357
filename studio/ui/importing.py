"""The import dialog: files, a folder or a zip from the browser, or a folder that was named when the studio was started.

A client names no path: uploads go by a token, named folders (`studio ui --import-from FOLDER`) by their place in a
list.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, UploadFile
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, Field

from studio.data import formats
from studio.data.formats.base import ReadOptions, Reasons
from studio.data.formats.plan import ImportPlan
from studio.data.import_export.previewing import Preview, preview
from studio.data.manifest import Dataset
from studio.data.store.task_reports import report_path
from studio.errors import DataError
from studio.runs import tasks
from studio.runs.tasks import TaskState
from studio.ui import assets
from studio.ui.page import Page
from studio.web.uploads import Uploads
from studio.workspace import Workspace, disk_errors, inside

FOLDERS_VARIABLE = "STUDIO_IMPORT_FROM"  # folders, between os.pathsep
TASK = "import"
LOOK = 4.0  # seconds that a preview opens sounds
MOST_PLACES = 200
LISTS = frozenset({".zip", ".jsonl", ".json", ".csv", ".tsv", ".parquet", ".gz"})  # files that are a data set


class ImportRequest(BaseModel):
    """What is to be imported, and how it is to be read."""

    upload: str = ""  # token
    place: str = ""  # id of `ImportSource`
    format: str = "auto"
    mapping: dict[str, str] = Field(default_factory=dict)  # field -> column
    delimiter: str = Field("", max_length=1)
    link: bool = False


class ImportSource(BaseModel):
    """Something on this computer that may be imported without an upload."""

    id: str
    name: str


def build(page: Page) -> None:
    """Put the dialog into the page."""
    assets.room("exchange/import", "st-import")


def router(workspace: Workspace) -> APIRouter:
    """What the dialog asks for and sends."""
    routes = APIRouter(prefix="/studio/import")

    @routes.get("/{name}")
    def offered(name: str) -> dict[str, Any]:
        listed = [{"name": each.name, "title": each.title} for each in formats.FORMATS.values()]
        return {"formats": listed, "places": list(places())}

    @routes.post("/{name}/files")
    def upload(
        name: str,
        files: list[UploadFile],
        paths: Annotated[list[str], Form()],
        upload: Annotated[str, Form()] = "",
    ) -> dict[str, Any]:
        uploads = Uploads(workspace.dataset(name))
        token = upload or uploads.begin()
        taken = uploads.take(token, zip(paths, (file.file for file in files), strict=False))
        return {"upload": token, "taken": taken}

    @routes.post("/{name}/preview")
    def look(name: str, choice: ImportRequest) -> Preview:
        dataset = Dataset(workspace.dataset(name))
        found = preview(_plan(dataset.folder, choice), dataset, LOOK)
        return _with_refused(found, Uploads(dataset.folder), choice.upload)

    @routes.post("/{name}/commit")
    def commit(name: str, choice: ImportRequest) -> TaskState:
        folder = workspace.dataset(name)
        command = _command(name, _plan(folder, choice), choice)
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)  # for the task: the dataset begins with its first clip
        report_path(folder, TASK).unlink(missing_ok=True)
        return tasks.start(workspace, name, TASK, command, "Importing recordings")

    @routes.get("/{name}/report")
    def report(name: str) -> Response:
        path = report_path(workspace.dataset(name), TASK)
        if not path.is_file():
            raise DataError("Nothing was imported.", "Try it again.")
        return FileResponse(path, media_type="application/json", headers={"Cache-Control": "no-store"})

    @routes.delete("/{name}/{token}")
    def forget(name: str, token: str) -> dict[str, str]:
        Uploads(workspace.dataset(name)).end(token)
        return {}

    return routes


def _command(name: str, plan: ImportPlan, choice: ImportRequest) -> list[str]:
    """The verb that does it, in a process of its own."""
    words = ["import", name, *map(str, plan.paths), "--format", plan.format]
    words += [word for field, column in choice.mapping.items() for word in ("--map", f"{field}={column}")]
    words += ["--delimiter", choice.delimiter] if choice.delimiter else []
    return [*words, "--link"] if choice.link and choice.place else words


def places() -> list[ImportSource]:
    """The folders that were named when the studio was started, and what lies in each."""
    found = []
    for number, root in enumerate(_roots()):
        found.append(ImportSource(id=f"{number}", name=str(root)))
        inner = sorted(path for path in root.iterdir() if not path.name.startswith("."))
        found += [
            ImportSource(id=f"{number}/{path.name}", name=f"{root.name}/{path.name}")
            for path in inner
            if path.resolve().is_relative_to(root) and (path.is_dir() or path.suffix.lower() in LISTS)
        ]
    return found[:MOST_PLACES]


def _roots() -> list[Path]:
    named = os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)
    return [Path(folder).resolve() for folder in named if folder and Path(folder).is_dir()]


def _plan(dataset: Path, choice: ImportRequest) -> ImportPlan:
    """What to import. Raises DataError for an upload or a place that is not there."""
    reading = ReadOptions(choice.mapping, choice.delimiter)
    if choice.place:
        if choice.place not in {place.id for place in places()}:
            raise DataError("This folder is not offered.", "Choose one from the list.")
        number, _, name = choice.place.partition("/")
        return ImportPlan([inside(_roots()[int(number)], name)], choice.format, reading)
    return ImportPlan(Uploads(dataset).paths(choice.upload), choice.format, reading)


def _with_refused(found: Preview, uploads: Uploads, token: str) -> Preview:
    """The preview, with what the upload could not take."""
    reasons = Reasons()
    for refused in uploads.refused(token) if token else []:
        reasons.add(refused)
    return found.model_copy(
        update={"skipped": found.skipped + reasons.total, "reasons": [*reasons.groups(), *found.reasons]}
    )

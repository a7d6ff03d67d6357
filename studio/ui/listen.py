"""The Test tab: speak, and read what the model wrote before and after; correct it, and keep it as a clip."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import gradio as gr
from fastapi import APIRouter, Form, UploadFile

from studio import worker
from studio.errors import AudioError
from studio.ui import assets, hearing, heldout
from studio.ui.hearing import Heard, Kept, TestableRun
from studio.ui.page import Page
from studio.worker import Worker
from studio.workspace import Workspace

LARGEST = 64 << 20  # bytes: a minute of 24-bit stereo at 192 kHz
Field = Annotated[str, Form()]


def build(page: Page) -> None:
    """The tab: a skeleton that `listen.js` brings to life."""
    gr.HTML(
        html_template=assets.read("listen.html"),
        js_on_load=assets.on_load("listen.js"),
        apply_default_css=False,
        elem_id="st-listen",
    )


def router(workspace: Workspace, recogniser: Worker | None = None) -> APIRouter:
    """What the tab's script asks. `recogniser` reads the clips; by default all tabs share one."""
    routes = APIRouter(prefix="/studio/listen")
    reader = recogniser or worker.shared()

    def chosen(run: str, model: str) -> tuple[str, Path | None]:
        if not run:
            return model, None
        folder = hearing.finished(workspace, run)
        return hearing.setting(folder, "model"), folder.adapter

    @routes.get("/runs")
    def runs() -> list[TestableRun]:
        return hearing.testable_runs(workspace)

    @routes.post("/prepare")
    def prepare(run: Field = "", model: Field = "") -> dict[str, str]:
        base, adapter = chosen(run, model)
        reader.prepare(base, [adapter] if adapter else [])
        return {"model": base}

    @routes.post("/hear")
    def hear(sound: UploadFile, run: Field = "", model: Field = "") -> Heard:
        return hearing.hear(reader, _content(sound), *chosen(run, model))

    @routes.post("/keep")
    def keep(sound: UploadFile, text: Field, run: Field = "", dataset: Field = "") -> Kept:
        return hearing.keep(hearing.dataset_of(workspace, run, dataset), _content(sound), text)

    @routes.post("/undo")
    def undo(id: Field, run: Field = "", dataset: Field = "") -> dict[str, str]:
        hearing.take_back(hearing.dataset_of(workspace, run, dataset), id)
        return {"id": id}

    routes.include_router(heldout.router(workspace))
    return routes


def _content(sound: UploadFile) -> bytes:
    content = sound.file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise AudioError(f"The file is larger than {LARGEST >> 20} MB.", "Cut out the sentence you want to test.")
    return content

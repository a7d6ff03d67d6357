"""The dialog of a whole dataset: what it holds, its name, its trash, and deleting it for good."""

from __future__ import annotations

from typing import Annotated, Any

import gradio as gr
from fastapi import APIRouter
from pydantic import BaseModel, StringConstraints

from studio.data.store.trash import Amount
from studio.runs import datasets
from studio.ui import assets, sidebar
from studio.ui.page import QUIET, Page
from studio.workspace import Workspace

Name = Annotated[str, StringConstraints(max_length=200)]


class Renamed(BaseModel):
    """What a dataset is to be called."""

    to: Name


class Confirmed(BaseModel):
    """The name of what is to be deleted, as a person typed it."""

    confirm: Name


def build(page: Page) -> None:
    """Put the dialog into the page."""
    room = assets.room("sets/dataset", "st-whole-dataset")

    def offered(name: str) -> gr.Dropdown:
        return sidebar.offered(page.workspace, name)

    chosen = sidebar.script("studio.choose(...values)")
    named = gr.Textbox(visible=False)  # not the picker: Gradio refuses a value that it does not offer yet
    changed = room.input(offered, named, page.dataset, js="() => window.studio.dataset()", **QUIET)
    changed.then(None, [page.dataset, page.model], None, js=chosen)


def router(workspace: Workspace) -> APIRouter:
    """What the dialog asks for."""
    routes = APIRouter(prefix="/studio/datasets")

    @routes.get("/{name}")
    def holding(name: str) -> dict[str, Any]:
        held = datasets.holding(workspace, name)
        return held.model_dump() | {"loss": held.loss()}

    @routes.post("/{name}/rename")
    def rename(name: str, wanted: Renamed) -> dict[str, str]:
        return {"name": datasets.rename(workspace, name, wanted.to).name}

    @routes.post("/{name}/empty-trash")
    def empty_trash(name: str) -> Amount:
        return datasets.empty_trash(workspace, name)

    @routes.post("/{name}/delete")
    def delete(name: str, wanted: Confirmed) -> Amount:
        return datasets.delete(workspace, name, wanted.confirm).clips

    return routes

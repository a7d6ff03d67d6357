"""The Review tab: every clip of the dataset, fifty a page; heard, relabelled, deleted and brought back."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Literal

import gradio as gr
from fastapi import APIRouter

from studio.data.manifest import Dataset, Utterance
from studio.ui import assets, exporting_data, importing
from studio.ui.clips import shown
from studio.ui.page import Page
from studio.workspace import Workspace

ROWS = 50  # on one page

DIALOGS: tuple[ModuleType, ...] = (importing, exporting_data)
"""Rooms that a button of the toolbar opens, each a `gr.HTML` with one `<dialog>`: labels, splitting, …"""

Filter = Literal["all", "train", "validation", "test", "unused", "look", "trash"]


def build(page: Page) -> None:
    """Put the tab's components into the page."""
    gr.HTML(
        html_template=assets.read("review.html"),
        js_on_load=assets.on_load("review.js"),
        apply_default_css=False,
        elem_id="st-review",
    )


def router(workspace: Workspace) -> APIRouter:
    """The list; what is done to a clip goes through `studio.ui.clips`."""
    routes = APIRouter(prefix="/studio")

    @routes.get("/review/{name}")
    def listed(name: str, first: int = 0, words: str = "", only: Filter = "all") -> dict[str, Any]:
        folder = workspace.dataset(name)
        if not folder.is_dir():
            return {"total": 0, "first": 0, "rows": [], "size": ROWS, "clips": 0}
        return page_of(Dataset.open(folder), first, words, only)

    return routes


def page_of(dataset: Dataset, first: int, words: str, only: Filter) -> dict[str, Any]:
    """One page of the clips that match, the latest first; `first` (from 0) is moved into what there is."""
    clips = dataset.trashed() if only == "trash" else dataset.utterances()
    found = [clip for clip in reversed(clips) if _matches(clip, words.casefold().split(), only)]
    start = max(0, min(first, len(found) - 1)) // ROWS * ROWS
    rows = [_row(dataset, clip, only) for clip in found[start : start + ROWS]]
    return {"total": len(found), "first": start, "rows": rows, "size": ROWS, "clips": len(clips)}


def _row(dataset: Dataset, clip: Utterance, only: Filter) -> dict[str, Any]:
    if only == "trash":  # its sound lies elsewhere until it is brought back
        return clip.model_dump(include={"id", "text", "prompt", "duration", "split", "source"}) | {"verdict": []}
    return shown(dataset, clip)


def _matches(clip: Utterance, words: list[str], only: Filter) -> bool:
    if only == "look" and (clip.quality or {}).get("verdict", "good") == "good":
        return False
    if only not in ("all", "look", "trash") and clip.split != only:
        return False
    said = f"{clip.text} {clip.prompt} {clip.id}".casefold()
    return all(word in said for word in words)

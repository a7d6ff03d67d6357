"""The frame of the page: the sidebar and the five tabs."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
from fastapi import APIRouter

from studio.ui import (
    api,
    assets,
    clips,
    comparing,
    datasets,
    export,
    exporting_data,
    importing,
    labels,
    listen,
    longfile,
    needs,
    quality,
    record,
    review,
    sidebar,
    splitting,
    tasks,
    train,
    typing,
    welcome,
)
from studio.workspace import Workspace

TABS = {"1 Record": record, "2 Review": review, "3 Train": train, "4 Test": listen, "5 Export": export}

DIALOGS = (needs, labels, splitting, quality, importing, exporting_data, comparing, longfile, datasets)
"""Rooms outside the tabs, each a `gr.HTML` with one `<dialog>`: any tab opens them by `studio.open`."""


def build(workspace: Workspace) -> gr.Blocks:
    """The page's components; the routes that its scripts call come from `routers`."""
    blocks: gr.Blocks
    with gr.Blocks(title="Speech Studio", fill_width=True) as blocks, gr.Row(elem_id="st-shell"):
        with gr.Column(elem_id="st-side"):
            page = sidebar.build(workspace, blocks)
        with gr.Column(elem_id="st-main"):
            welcome.build()
            with gr.Tabs(elem_id="st-tabs"):
                for title, tab in TABS.items():
                    with gr.Tab(title, id=title):
                        tab.build(page)
            with gr.Column(elem_id="st-dialogs"):
                for room in DIALOGS:
                    room.build(page)
        api.offer(workspace)
    _poll_less_often(blocks)
    return blocks


def _poll_less_often(blocks: gr.Blocks) -> None:
    """Let Gradio's queue look for work 20 times a second, as it does on Windows, not 1,000 times.

    At rest the server took 7 % of a core that a run could use (AMD EPYC); now it takes 0.5 %.
    """
    blocks._queue.sleep_when_free = 0.05
    blocks._queue.progress_update_sleep_when_free = 0.1


def routers(workspace: Workspace) -> Iterator[APIRouter]:
    """Every route besides Gradio's own."""
    yield assets.router()
    for room in (clips, sidebar, tasks, typing, welcome, *DIALOGS, *TABS.values()):
        yield room.router(workspace)


def head() -> str:
    """What must run before the page is drawn."""
    return f"<script>{assets.read('theme.js')}</script>{assets.preloads()}"

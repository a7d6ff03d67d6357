"""The frame of the page: the sidebar and the five tabs."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from types import ModuleType

import gradio as gr
from fastapi import APIRouter

from studio.ui import assets, clips, sidebar
from studio.workspace import Workspace

TABS = {"record": "1 Record", "review": "2 Review", "train": "3 Train", "listen": "4 Test", "export": "5 Export"}


def _modules() -> Iterator[tuple[str, ModuleType]]:
    for name in TABS:
        if importlib.util.find_spec(f"studio.ui.{name}"):
            yield name, importlib.import_module(f"studio.ui.{name}")


def build(workspace: Workspace) -> gr.Blocks:
    """The page's components; the routes that its scripts call come from `routers`."""
    with gr.Blocks(title="Speech Studio", analytics_enabled=False, fill_width=True) as blocks:
        with gr.Row(elem_id="st-shell"):
            with gr.Column(elem_id="st-side"):
                page = sidebar.build(workspace, blocks)
            with gr.Column(elem_id="st-main"), gr.Tabs(elem_id="st-tabs"):
                for name, module in _modules():
                    with gr.Tab(TABS[name], id=name, elem_id=f"st-tab-{name}"):
                        module.build(page)
    return blocks


def routers(workspace: Workspace) -> Iterator[APIRouter]:
    """Every route beside Gradio's own."""
    yield assets.router()
    yield clips.router(workspace)
    yield sidebar.router(workspace)
    for _, module in _modules():
        if hasattr(module, "router"):
            yield module.router(workspace)


def head() -> str:
    """What must run before the page is drawn."""
    return f"<script>{assets.read('theme.js')}</script>"

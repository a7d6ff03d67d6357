"""What every tab is given, and how a tab notifies the others of a change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.workspace import Workspace

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""For every event of the page: no spinner over the content, no public endpoint.
`button.click(start, page.dataset, view, **QUIET)`"""


@dataclass(frozen=True, slots=True)
class Page:
    """The parts of the shell that tabs read and listen to.

    A script does the same through `studio.js`: `studio.dataset()`, `studio.on("dataset", …)`,
    `studio.changed()` after writing clips or runs, and `studio.on("changed", …)`.
    """

    workspace: Workspace
    dataset: gr.Dropdown  # sidebar; its value is the name of the dataset in hand
    model: gr.Dropdown  # sidebar; its value is a source that `studio.models.load` takes

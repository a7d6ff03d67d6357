"""What the terminal shows of a whole dataset or run."""

from __future__ import annotations

from studio.runs import datasets, editing
from studio.runs.datasets import DatasetContents
from studio.runs.listing import existing, note
from studio.text import counted
from studio.workspace import Workspace


def held(found: DatasetContents) -> str:
    """What a dataset holds, a line each."""
    lines = [f"{found.name}: {found.clips}", f"Trash: {found.trash}" if found.trash.clips else "The trash is empty."]
    return "\n".join([*lines, f"Runs: {', '.join(found.runs)}" if found.runs else "No run was trained on it."])


def listed(workspace: Workspace) -> str:
    """Every dataset, a line each."""
    found = [datasets.holding(workspace, name) for name in workspace.datasets()]
    if not found:
        return "No datasets yet. `studio record` creates one."
    return "\n".join(f"{each.name}  {each.clips}, {counted(len(each.runs), 'run')}" for each in found)


def run(workspace: Workspace, name: str) -> str:
    """A run's note, its settings and the command that starts it again."""
    settings = editing.settings_of(workspace, name)
    rows = [f"  {field}: {value}" for field, value in settings.model_dump().items()]
    written = note(existing(workspace, name))
    again = f"To train again like this: studio train {settings.dataset} --like {name}"
    return "\n".join([*([written, ""] if written else []), f"Settings of {name}:", *rows, again])

"""A dataset under another name, in one rename of its folder; and the runs that refer to it, which follow.

recordings/.renaming.json   from, to: written before the folder is renamed and removed once every run refers to the new
                            name, so that what a crash cuts short is ended by whoever looks next
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from studio.data.manifest import Dataset
from studio.data.store.writing import writing
from studio.errors import DataError
from studio.workspace import Workspace, disk_errors, sync_folder, write_atomically

_RUNS = ("*", "*/curve/*", ".trash/*/*", ".trash/*/*/curve/*")  # where runs are, below outputs/


def rename(workspace: Workspace, name: str, to: str) -> Dataset:
    """The dataset `name`, called `to` from now on, for the runs that were trained on it too.

    Raises ConfigError where that cannot be a name, DataError where it is taken or there is no such dataset, DiskError.
    """
    finish(workspace)
    dataset, target = Dataset.open(workspace.dataset(name)), workspace.dataset(to.strip())
    if dataset.folder.is_symlink():
        raise DataError(f"The dataset “{name}” is a link to another place.", "Rename the folder there.")
    if target.exists() or target.is_symlink():
        raise DataError(f"There is a dataset “{target.name}” already.", "Choose another name.")
    with writing(dataset):
        write_atomically(_note(workspace), json.dumps({"from": name, "to": target.name}))
        with disk_errors(dataset.folder, "rename"):
            dataset.folder.rename(target)
            sync_folder(target.parent)
    finish(workspace)
    return Dataset(target)


def finish(workspace: Workspace) -> Mapping[str, str]:
    """End a renaming that a crash cut short: its old name and the new one. Raises DiskError."""
    note = _note(workspace)
    try:
        found = json.loads(note.read_bytes())
        old, new = workspace.dataset(found["from"]), workspace.dataset(found["to"])
    except FileNotFoundError:
        return {}
    if new.is_dir() and not old.exists():
        for place in _RUNS:
            for settings in sorted(workspace.outputs.glob(f"{place}/config.json")):
                _refer(settings, old, new)
                _show(settings.with_name("job.json"), old, new)
    with disk_errors(note):
        note.unlink(missing_ok=True)
    return {old.name: new.name}


def _note(workspace: Workspace) -> Path:
    return workspace.recordings / ".renaming.json"


def _refer(path: Path, old: Path, new: Path) -> None:
    """Let the settings in `path` name the dataset `new` where they named `old`."""
    content = _object(path)
    named: dict[str, Any] = {
        name: _renamed(content[name], old, new) for name in ("dataset", "replay") if name in content
    }
    if all(content[name] == value for name, value in named.items()):
        return
    if isinstance(command := content.get("started_by"), str):
        named["started_by"] = _said(command, old, new)
    write_atomically(path, json.dumps(content | named, indent=2, ensure_ascii=False) + "\n")


def _show(path: Path, old: Path, new: Path) -> None:
    """The same of the job in `path`, which says what a list of runs shows, and what starts the run again."""
    content = _object(path)
    about, command = content.get("about"), content.get("command")
    if not isinstance(about, dict) or about.get("dataset") != old.name or not isinstance(command, list):
        return
    again = [*command[:-1], _renamed(command[-1], old, new)] if command[-2:-1] == ["--"] else command
    changed = content | {"about": about | {"dataset": new.name}, "command": again}
    write_atomically(path, json.dumps(changed, indent=1, ensure_ascii=False) + "\n")


def _object(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(path.read_bytes())
        if isinstance(found, dict):
            return found
    return {}


def _renamed(value: Any, old: Path, new: Path) -> Any:
    """A dataset's name, or the whole path of its folder."""
    if value == old.name:
        return new.name
    return str(new) if value in (str(old), str(old.parent.resolve() / old.name)) else value


def _said(command: str, old: Path, new: Path) -> str:
    with suppress(ValueError):
        return shlex.join(_renamed(word, old, new) for word in shlex.split(command))
    return command


def runs_of(workspace: Workspace, name: str) -> list[str]:
    """The names of the runs that were trained on the dataset `name`, or replay it."""
    found = workspace.outputs.glob("*/config.json")
    return sorted(settings.parent.name for settings in found if refers(settings, workspace.dataset(name)))


def refers(settings: Path, dataset: Path) -> bool:
    """Whether the run with these `settings` was trained on the dataset in the folder `dataset`, or replays it."""
    content, elsewhere = _object(settings), dataset / "renamed"
    named = [content[field] for field in ("dataset", "replay") if field in content]
    return any(_renamed(value, dataset, elsewhere) != value for value in named)

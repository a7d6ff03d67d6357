"""Runs that were deleted, until they are wanted back."""

from __future__ import annotations

import tempfile
from pathlib import Path

from studio.data.store.trash import remove_folder
from studio.errors import JobError
from studio.runs.control import state
from studio.runs.folder import RunFolder
from studio.workspace import Workspace, checked_name, disk_errors


def delete(folder: RunFolder) -> str:
    """Move a run into `outputs/.trash`; what to give to `restore` to have it back.

    Raises JobError where the run is going on, DiskError.
    """
    if not state(folder).is_over:
        raise JobError(f"The run “{folder.name}” is still going.", "Stop it first.")
    trash = folder.path.parent / ".trash"
    with disk_errors(folder.path, "delete"):
        trash.mkdir(exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=trash, prefix="run-"))
        folder.path.rename(place / folder.name)
    return place.name


def restore(workspace: Workspace, token: str) -> RunFolder:
    """Undo `delete`. Raises JobError where the run is no longer in the trash or its name was taken since."""
    place = workspace.outputs / ".trash" / checked_name(token)
    found = list(place.glob("*")) if place.is_dir() else []
    if not found:
        raise JobError("That run is no longer in the trash.")
    folder = RunFolder(workspace.run(found[0].name))
    if folder.path.exists():
        raise JobError(f"There is another run “{folder.name}” now.", "Delete or rename that one first.")
    with disk_errors(folder.path, "restore"):
        found[0].rename(folder.path)
        place.rmdir()
    return folder


def empty_trash(workspace: Workspace) -> list[str]:
    """Delete for good the runs in the trash; their names. Raises DiskError."""
    trash = workspace.outputs / ".trash"
    gone = sorted(path.name for path in trash.glob("run-*/*"))
    remove_folder(trash)
    return gone

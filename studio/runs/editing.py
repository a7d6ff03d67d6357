"""A run under another name, with a note, and as a starting point for the next one."""

from __future__ import annotations

from studio.config import TrainConfig
from studio.errors import JobError
from studio.runs import processes
from studio.runs.control import state
from studio.runs.folder import RunFolder
from studio.runs.listing import existing
from studio.workspace import Workspace, disk_errors, sync_folder, write_atomically

LONGEST_NOTE = 2_000  # characters


def rename(workspace: Workspace, name: str, to: str) -> RunFolder:
    """The run `name`, called `to` from now on, in one rename of its folder.

    Raises JobError where it is going on or waits, or the name is taken; ConfigError where that cannot be a name;
    DiskError.
    """
    folder, target = existing(workspace, name), RunFolder(workspace.run(to.strip()))
    exports = any(not state(job).is_over for job in folder.export_jobs)
    if exports or not state(folder).is_over or processes.holder(folder.path):
        raise JobError(f"The run “{name}” is still going.", "Wait until it has finished, or stop it first.")
    if target.path.exists():
        raise JobError(f"There is a run “{target.name}” already.", "Choose another name.")
    with disk_errors(folder.path, "rename"):
        folder.path.rename(target.path)
        sync_folder(workspace.outputs)
    return target


def write_note(folder: RunFolder, text: str) -> None:
    """Keep `text` as the note of the run in `folder`; nothing takes it away. Raises JobError, DiskError."""
    if len(text := text.strip()) > LONGEST_NOTE:
        raise JobError(f"The note has {len(text):,} characters; {LONGEST_NOTE:,} are possible.", "Shorten it.")
    if text:
        write_atomically(folder.note, text + "\n")
        return
    with disk_errors(folder.note, "delete"):
        folder.note.unlink(missing_ok=True)


def settings_of(workspace: Workspace, name: str) -> TrainConfig:
    """What the run `name` was asked to do. Raises JobError where nothing says so, ConfigError."""
    if (found := existing(workspace, name).settings()) is None:
        raise JobError(f"The settings of the run “{name}” are not known.", "Choose another run.")
    return found

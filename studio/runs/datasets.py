"""Datasets as wholes: what one holds, renamed, deleted for good. Never while a run or a task works on it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pydantic import BaseModel, ConfigDict

from studio.data.manifest import Dataset
from studio.data.store import renaming, trash
from studio.data.store.trash import Amount
from studio.data.store.writing import writing
from studio.errors import BusyError, ConfigError, DataError
from studio.runs import processes, queue, tasks
from studio.runs.curve_job import LEARNING_CURVE
from studio.runs.folder import RunFolder
from studio.workspace import Workspace, disk_errors, sync_folder


class DatasetContents(BaseModel):
    """What a dataset holds, and what was made of it."""

    model_config = ConfigDict(frozen=True)

    name: str
    clips: Amount
    trash: Amount
    runs: list[str]  # that were trained on it, or replay it

    def loss(self) -> str:
        """What deleting it loses, in sentences."""
        parts = [str(self.clips)] + [f"{self.trash} in its trash"] * bool(self.trash.clips)
        lost = f"This deletes {' and '.join(parts)}, with labels and history. They cannot be brought back."
        if not self.runs:
            return lost
        which = ", ".join(self.runs[:3]) + (f" and {len(self.runs) - 3} more" if len(self.runs) > 3 else "")
        return f"{lost} Runs trained on it keep their adapters and results, without the clips ({which})."


def holding(workspace: Workspace, name: str) -> DatasetContents:
    """What the dataset `name` holds. Raises DataError where there is none, DiskError."""
    renaming.finish(workspace)
    dataset = Dataset.open(workspace.dataset(name))
    clips = Amount.of(dataset.examples())
    runs = renaming.runs_of(workspace, name)
    return DatasetContents(name=name, clips=clips, trash=trash.in_trash(dataset), runs=runs)


def rename(workspace: Workspace, name: str, to: str) -> Dataset:
    """The dataset `name`, called `to` from now on; runs that refer to it follow.

    Raises BusyError where a run or a task uses it, and as `studio.data.store.renaming.rename`.
    """
    with _unused(workspace, name):
        return renaming.rename(workspace, name, to)


def delete(workspace: Workspace, name: str, confirm: str) -> DatasetContents:
    """Delete the dataset `name` for good, where `confirm` is its name once more; what it held.

    It is moved aside first, at once and whole: a crash leaves nothing half deleted, and the next deletion takes what
    one left. Raises ConfigError where `confirm` is another name, BusyError where a run or a task uses it, DataError,
    DiskError.
    """
    held = holding(workspace, name)
    if confirm.strip() != name:
        raise ConfigError(f"{held.loss()} Nothing was deleted.", f"Confirm it by the name of the dataset: {name}")
    folder, aside = workspace.dataset(name), workspace.recordings / ".deleted"
    if folder.is_symlink():
        raise DataError(f"The dataset “{name}” is a link to another place.", "Delete the folder there.")
    with _unused(workspace, name), writing(Dataset(folder)), disk_errors(folder, "delete"):
        aside.mkdir(exist_ok=True)
        folder.rename(aside / secrets.token_hex(8))
        sync_folder(folder.parent)
    trash.remove_folder(aside)
    return held


def empty_trash(workspace: Workspace, name: str) -> Amount:
    """Delete for good what is in the trash of `name`; how much that was. Raises DataError, DiskError."""
    return trash.empty_trash(Dataset.open(workspace.dataset(name)))


@contextmanager
def _unused(workspace: Workspace, name: str) -> Iterator[None]:
    """Within the block no run starts that was not going on before. Raises BusyError where one uses the dataset."""
    if task := tasks.active(workspace, name) if workspace.dataset(name).is_dir() else None:
        raise BusyError(f"“{task.what}” is still going on “{name}”.", "Wait until it has finished, or cancel it.")
    for run in queue.waiting(workspace):
        if renaming.refers(RunFolder(workspace.run(run.name)).config, workspace.dataset(name)):
            raise BusyError(
                f"The run “{run.name}” waits its turn to train on “{name}”.", "Take it out of the queue first."
            )
    with ExitStack() as held:
        try:
            held.enter_context(processes.claim(workspace.outputs))
        except BusyError:
            going = processes.holder(workspace.outputs) or ""
            trained = going.removesuffix(LEARNING_CURVE)
            if not trained or renaming.refers(RunFolder(workspace.outputs / trained).config, workspace.dataset(name)):
                what = f"The run “{going}” is training on “{name}”."
                raise BusyError(what, "Wait until it has finished, or stop it.") from None
        yield

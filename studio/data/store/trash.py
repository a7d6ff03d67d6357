"""The trash of a dataset: how much it holds, and emptying it for good."""

from __future__ import annotations

import shutil
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from studio.data.manifest import Dataset
from studio.data.store.writing import writing
from studio.text import counted
from studio.workspace import disk_errors, write_atomically


class Amount(BaseModel):
    """Clips, and how long they are together."""

    model_config = ConfigDict(frozen=True)

    clips: int
    seconds: float  # of audio

    def __str__(self) -> str:
        length = f"{self.seconds / 60:.1f} min" if self.seconds >= 60 else f"{self.seconds:.0f} s"
        return f"{counted(self.clips, 'clip')} ({length})"


def in_trash(dataset: Dataset) -> Amount:
    """What the trash holds. Raises DiskError."""
    thrown = dataset.trashed()
    return Amount(clips=len(thrown), seconds=round(sum(clip.duration for clip in thrown), 3))


def empty_trash(dataset: Dataset) -> Amount:
    """Delete for good what is in the trash; how much that was. Raises DiskError."""
    with writing(dataset):
        gone = in_trash(dataset)
        if dataset.trash_list.exists():
            write_atomically(dataset.trash_list, "")  # first: files without a line go the next time
        remove_folder(dataset.folder / "trash")
    return gone


def remove_folder(folder: Path) -> None:
    """Remove `folder` with all that is in it, if it is there. Raises DiskError."""
    with disk_errors(folder, "delete"):
        if folder.exists():
            shutil.rmtree(folder)

"""The trash of a dataset: how much it holds, and emptying it for good."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from studio.config import Kind
from studio.data.manifest import Dataset, Example
from studio.data.store.writing import writing
from studio.text import counted
from studio.workspace import disk_errors, write_atomically


class Amount(BaseModel):
    """Clips or pairs, and how long they are together."""

    model_config = ConfigDict(frozen=True)

    clips: int
    seconds: float  # of audio, or of typing
    kind: Kind = "speech"

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Self:
        """How much `examples` are."""
        seconds = round(sum(example.duration for example in examples), 3)
        return cls(clips=len(examples), seconds=seconds, kind=examples[0].kind if examples else "speech")

    def __str__(self) -> str:
        if self.kind == "typing":
            return counted(self.clips, "pair")
        length = f"{self.seconds / 60:.1f} min" if self.seconds >= 60 else f"{self.seconds:.0f} s"
        return f"{counted(self.clips, 'clip')} ({length})"


def in_trash(dataset: Dataset) -> Amount:
    """What the trash holds. Raises DiskError."""
    return Amount.of(dataset.trashed())


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

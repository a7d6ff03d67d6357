"""What was measured of a run's cut-offs: `cut_offs.json`, and its wording."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from studio.evaluation.cut_off import CutOffs
from studio.evaluation.significance import Change
from studio.runs.folder import RunFolder
from studio.workspace import write_atomically

FILE = "cut_offs.json"
HEAD = ["Clips", "Before", "After", "Change"]
KINDS = {"plain": "As they were said", "hesitating": "With pauses of 0.4 to 1.5 s between digits"}


class CutOffReport(BaseModel):
    """How often callers would have been cut off, before and after, on the held-out clips with numbers."""

    model_config = ConfigDict(frozen=True)

    run: str
    by: str  # what ended the turns
    head: int  # of the pause heads, from 0
    threshold: float  # 0..1
    plain_before: CutOffs
    plain_after: CutOffs
    hesitating_before: CutOffs
    hesitating_after: CutOffs

    @classmethod
    def read(cls, folder: RunFolder) -> Self | None:
        """What was measured of the run in `folder`; None where nothing was."""
        try:
            return cls.model_validate_json((folder.path / FILE).read_bytes())
        except (OSError, ValidationError):
            return None

    def write(self, folder: RunFolder) -> Path:
        """Keep it in the run's folder. Raises DiskError."""
        path = folder.path / FILE
        write_atomically(path, self.model_dump_json(indent=2) + "\n")
        return path

    def pairs(self) -> dict[str, tuple[CutOffs, CutOffs]]:
        """Before and after, by what was done to the clips."""
        return {
            KINDS["plain"]: (self.plain_before, self.plain_after),
            KINDS["hesitating"]: (self.hesitating_before, self.hesitating_after),
        }

    def rows(self) -> list[list[str]]:
        """Of a table by HEAD."""
        return [
            [kind, before.as_text(), after.as_text(), in_words(before.change_to(after))]
            for kind, (before, after) in self.pairs().items()
        ]

    def as_text(self) -> str:
        """The figures for a terminal."""
        lines = [f"Cut-offs, by {self.by}:"]
        for kind, (before, after) in self.pairs().items():
            lines += [f"{kind}:", f"  before: {before.as_text()}", f"  after: {after.as_text()}"]
            lines.append(f"  {in_words(before.change_to(after))}")
        return "\n".join(lines)


def in_words(change: Change) -> str:
    """The change in a few words, with its interval."""
    interval = f"{100 * change.low:+.0f} to {100 * change.high:+.0f} points"
    return f"{change.verdict}: {100 * change.change:+.0f} points ({interval})"

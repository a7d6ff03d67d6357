"""Text files that are written a line at a time, one for each split, begun when the first line comes."""

from __future__ import annotations

import csv
import gzip
import re
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from studio.workspace import disk_errors

_FORMULA = r"[=+\-@\t\r]"  # what spreadsheets compute if a cell begins with it: a label is not to run there


def escaped(cell: str) -> str:
    """`cell` with an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{cell}" if re.match(rf"'*{_FORMULA}", cell) else cell


def unescaped(cell: str) -> str:
    """`cell` as it was before `escaped`."""
    return cell[1:] if re.match(rf"'+{_FORMULA}", cell) else cell


class Sheets(ExitStack):
    """Open text files below `folder`; all are closed, and on the disk, when the block ends. Raises DiskError."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._streams: dict[str, IO[str]] = {}
        self._tables: dict[str, Any] = {}

    @property
    def begun(self) -> set[str]:
        """The files that have a line already."""
        return set(self._streams)

    def line(self, name: str, text: str) -> None:
        """Write one line into the file `name`."""
        with disk_errors(self.folder / name):
            self._stream(name).write(text + "\n")

    def cells(self, name: str, cells: list[str], header: tuple[str, ...] = (), *, is_escaped: bool = False) -> None:
        """Write one line of a table; its header first, where it is new. Only cells that need quotes get them."""
        with disk_errors(self.folder / name):
            if name not in self._tables:
                writer = csv.writer(self._stream(name), lineterminator="\n")
                self._tables[name] = writer
                writer.writerow(header)
            self._tables[name].writerow(map(escaped, cells) if is_escaped else cells)

    def _stream(self, name: str) -> IO[str]:
        if name not in self._streams:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            opener = gzip.open if name.endswith(".gz") else open
            stream = opener(path, "xt", encoding="utf-8", newline="")
            self._streams[name] = self.enter_context(stream)
        return self._streams[name]

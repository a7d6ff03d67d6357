"""A pandas table as CSV, in a file or on standard output, safe to open in a spreadsheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from studio.data.formats.sheets import escaped
from studio.workspace import write_atomically

if TYPE_CHECKING:
    from pandas import DataFrame

STDOUT = Path("-")


def write(frame: DataFrame, to: Path) -> None:
    """Write `frame` into the file `to`, or print it where that is `-`. Raises DiskError.

    Text that a spreadsheet would compute gets an apostrophe, as in an export as CSV.
    """
    text = as_csv(frame)
    if to == STDOUT:
        typer.echo(text, nl=False)
    else:
        write_atomically(to, text)


def as_csv(frame: DataFrame) -> str:
    """`frame` as CSV, with a header and without the index."""
    safe = frame.map(lambda cell: escaped(cell) if isinstance(cell, str) else cell)
    return str(safe.to_csv(index=False, lineterminator="\n"))

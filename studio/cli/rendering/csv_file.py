"""A pandas table as CSV, in a file or on standard output, safe to open in a spreadsheet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from studio.data.formats.sheets import escaped
from studio.workspace import write_atomically

if TYPE_CHECKING:
    from pandas import DataFrame

STDOUT = Path("-")


def leaves_stdout(frame: Callable[[], DataFrame], to: Path | None) -> bool:
    """Write `frame` into the file `to`, print it where that is `-`, or do nothing where it is None. Raises DiskError.

    Whether standard output is still free for what the verb says otherwise. Text that a spreadsheet would compute gets
    an apostrophe, as in an export as CSV.
    """
    if to is None:
        return True
    if to != STDOUT:
        write_atomically(to, as_csv(frame()))
        return True
    typer.echo(as_csv(frame()), nl=False)
    return False


def as_csv(frame: DataFrame) -> str:
    """`frame` as CSV, with a header and without the index."""
    safe = frame.map(lambda cell: escaped(cell) if isinstance(cell, str) else cell)
    return str(safe.to_csv(index=False, lineterminator="\n"))

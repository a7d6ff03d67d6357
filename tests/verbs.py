"""The verbs of the command line, called as the script `studio` calls them, without a process for each."""

from __future__ import annotations

import contextlib
import io
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from studio.cli import main


@dataclass(frozen=True, slots=True)
class Ended:
    """How a verb ended, and what it printed."""

    code: int
    said: str


def call(workspace: Path, *words: str) -> Ended:
    """`studio WORDS` in `workspace`. An exception that would print a traceback passes, and fails the test."""
    said, before = io.StringIO(), signal.getsignal(signal.SIGTERM)
    code: object = 0
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        patch.setenv("STUDIO_WORKSPACE", str(workspace))
        try:
            main(list(words))
        except SystemExit as end:
            code = end.code or 0
        finally:
            signal.signal(signal.SIGTERM, before)
    assert isinstance(code, int), code
    return Ended(code, said.getvalue())

"""The command line: a table of verbs, each a few lines that call one library function.

Every verb but `ui` works without Gradio, and what a verb needs is imported inside it: `studio --help` loads no torch.
"""

from __future__ import annotations

import os
import signal
import sys

import typer

from studio.cli.app import app
from studio.errors import StudioError
from studio.quiet import hide_warnings
from studio.runs.folder import FOLDER_VARIABLE
from studio.workspace import disk_errors_explained

# isort: off
from studio.cli import page, data, runs, pauses, models, typing  # noqa: F401 - each enters its verbs, in the order of the help

__all__ = ["app", "main"]

_SPINS = "10000"
"""How often a thread of PyTorch (by GNU OpenMP, on Linux) looks for work before it sleeps. OpenMP's own patience lasts
milliseconds: where another program holds a core, each small operation then costs a time slice, ten times the work."""


def main(arguments: list[str] | None = None) -> None:
    """Run one verb. Exit code 0: it is done; 1: an error, as a sentence on stderr; 130, 143: Ctrl-C, SIGTERM.

    Without `arguments` this is a process of its own, and takes them from its command line.
    """
    if arguments is None and FOLDER_VARIABLE not in os.environ:  # else stderr is a run's log already
        hide_warnings()
    set_environment()
    signal.signal(signal.SIGTERM, _end)
    try:
        with disk_errors_explained():
            app(arguments)
    except StudioError as error:
        typer.secho(str(error), fg="red", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def set_environment() -> None:
    """Set the variables that libraries read when they are imported."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # lifted only while fetching a model that was asked for
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)


def _end(number: int, _: object) -> None:
    """End as an exception does, not at once: what was temporary is removed on the way."""
    sys.exit(128 + number)

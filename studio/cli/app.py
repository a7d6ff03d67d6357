"""The table that verbs are entered in, and the options that several of them share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from studio.workspace import disk_errors

app = typer.Typer(
    name="studio",
    help="Record your voice, fine-tune a speech recogniser on it, and read the difference. All on this machine.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: text between brackets is text
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Device = Annotated[str, typer.Option(help="auto, cpu, mps, cuda or cuda:N.")]
RunName = Annotated[str, typer.Argument(help="A run: a name under outputs/.")]


@app.callback()
def _everywhere(
    workspace: Annotated[
        Path | None, typer.Option(help="The folder that holds recordings/ and outputs/ [default: this one].")
    ] = None,
) -> None:
    if workspace is not None:
        os.environ["STUDIO_WORKSPACE"] = str(workspace)


def first_line(path: Path) -> str:
    """What stands in the first line of a file that holds a secret. Raises DiskError."""
    with disk_errors(path, "read"):
        return path.read_text(encoding="utf-8").partition("\n")[0]

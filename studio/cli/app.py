"""The table that verbs are entered in, and the options that several of them share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from studio.errors import ConfigError
from studio.workspace import disk_errors

app = typer.Typer(
    name="studio",
    help="Record your voice, fine-tune a speech recogniser on it, and compare before and after. All on this machine.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: text between brackets is text
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
CsvFile = Annotated[Path | None, typer.Option("--csv", help="Write a table as CSV here; - prints it.")]
Device = Annotated[str, typer.Option(help="auto, cpu, mps, cuda or cuda:N.")]
Language = Annotated[str, typer.Option(help="Of a multilingual model: the language to transcribe, such as de.")]
RunName = Annotated[str, typer.Argument(help="A run: a name under outputs/.")]


@app.callback()
def _everywhere(
    workspace: Annotated[
        Path | None, typer.Option(help="The folder that holds recordings/ and outputs/ [default: this one].")
    ] = None,
) -> None:
    if workspace is not None:
        os.environ["STUDIO_WORKSPACE"] = str(workspace)


def secret_of(path: Path | None, variable: str) -> str | None:
    """The secret in the first line of `path`, or without one in an environment variable; None where neither is given.

    Raises ConfigError where it is empty: whoever gave it meant to shut the door. Raises DiskError.
    """
    if path is None:
        text, place = os.environ.get(variable), f"${variable}"
    else:
        text, place = _first_line(path), f"The first line of {path}"
    if text is not None and not text.strip():
        raise ConfigError(f"{place} is empty.", "Write the secret there, or leave the option out.")
    return text


def _first_line(path: Path) -> str:
    with disk_errors(path, "read"):
        content = path.read_bytes()
    try:
        return content.decode("utf-8-sig").partition("\n")[0]
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not a text file in UTF-8.", "Save it again as UTF-8.") from error

"""Typing: make pairs of what might be typed and what was meant, learn a person's habits, correct text."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from studio.cli.app import Device, app
from studio.errors import ConfigError, DataError
from studio.text import counted
from studio.typing.typos import IDENTITY, LEAST_IDENTITY
from studio.workspace import Workspace, write_atomically


@app.command()
def typos(
    action: Annotated[
        Literal["make", "profile"],
        typer.Argument(help="make: pairs from clean text. profile: how a person types, from that person's pairs."),
    ],
    sources: Annotated[
        list[str],
        typer.Argument(help="Text files, datasets, or “prompts”; for a profile JSONL files with input and output."),
    ],
    output: Annotated[Path, typer.Option(help="Where to; - prints it.")] = Path("-"),
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same pairs.")] = 42,
    keyboard: Annotated[str, typer.Option(help="qwerty, qwertz, azerty or phone.")] = "qwerty",
    profile: Annotated[
        Path | None, typer.Option(help="Habits as “profile” wrote them [default: the usual ones].")
    ] = None,
    copies: Annotated[int, typer.Option(min=1, max=1_000, help="Pairs of each sentence.")] = 1,
    identity: Annotated[
        float, typer.Option(min=LEAST_IDENTITY, max=1, help="Share of pairs without a typo.")
    ] = IDENTITY,
) -> None:
    """Make typing pairs by known kinds of typo, or find the kinds that a person makes."""
    from studio.cli.rendering import typing_files

    if action == "profile":
        found = typing_files.profile_of(sources, Workspace.here())
        _write(output, found.model_dump_json(indent=2) + "\n")
        typer.echo(typing_files.profile_as_text(found), err=True)
        return
    lines = typing_files.pair_lines(
        sources, Workspace.here(), seed=seed, keyboard=keyboard, profile=profile, copies=copies, identity=identity
    )
    count = typing_files.write_lines(output, lines)
    typer.echo(f"{counted(count, 'pair')}.", err=True)


@app.command()
def mend(
    files: Annotated[list[Path] | None, typer.Argument(help="Text files; none, or -: standard input.")] = None,
    model: Annotated[
        str | None, typer.Option(help="“typing-starter”, or a folder with a language model [default: the run's base].")
    ] = None,
    run: Annotated[str | None, typer.Option(help="A typing run, or its LoRA folder.")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="A word that must come through unchanged; repeat it.")] = None,
    free: Annotated[
        bool, typer.Option("--free", help="Let the model also exchange and add words, as a run on abbreviations does.")
    ] = False,
    output: Annotated[Path, typer.Option(help="Write the text here; - prints it.")] = Path("-"),
    as_json: Annotated[bool, typer.Option("--json", help="For each file a line of JSON with every change.")] = False,
    device: Device = "auto",
) -> None:
    """Correct typed text: files, or what comes in on standard input."""
    from studio.inference import mend as mending

    texts = [(path, _typed(path)) for path in files or [Path("-")]]
    recogniser = mending.load_typing(model, run, Workspace.here(), device)
    found = [(path, mending.mend(recogniser, text, keep or (), free=free)) for path, text in texts]
    if as_json:
        rows = [{"file": str(path)} | result.as_json() for path, result in found]
        _write(output, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    else:
        _write(output, "".join(result.text for _, result in found))
    if cut := sum(result.cut for _, result in found):
        typer.echo(f"Left as typed, because no answer came to its end: {counted(cut, 'sentence')}.", err=True)


@app.command()
def unpack(
    file: Annotated[Path, typer.Argument(help="A language model as one .gguf file.")],
    output: Annotated[Path | None, typer.Option(help="The folder [default: the file's name without .gguf].")] = None,
) -> None:
    """Make a GGUF file a model folder, which --model takes."""
    from studio.models.causal_lm import gguf

    folder = output or file.with_suffix("")
    if folder.exists():
        raise ConfigError(f"{folder} exists already.", "Give --output another folder.")
    typer.echo(f"Wrote {gguf.unpack(file, folder)}.")


def _typed(path: Path) -> str:
    from studio.inference.mend import read_text

    if str(path) != "-":
        return read_text(path)
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError("Standard input is not text in UTF-8.", "Convert it to UTF-8.") from error


def _write(output: Path, text: str) -> None:
    if str(output) == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    if output.is_dir():
        raise ConfigError(f"{output} is a folder.", "Give --output a file.")
    write_atomically(output, text)

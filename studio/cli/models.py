"""Read sound with a model, score it, give it away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from studio.cli.app import AsJson, CsvFile, Device, Language, app, secret_of
from studio.config import STARTER, Normaliser, in_language
from studio.errors import ConfigError
from studio.export.targets import TARGETS
from studio.models.key_terms import DEFAULT_BOOST
from studio.workspace import Workspace


def _precisions() -> str:
    """Each target's, for the help of `export`."""
    return "; ".join(f"{target.name}: {', '.join(target.precisions)}" for target in TARGETS.values())


@app.command()
def transcribe(
    audio: Annotated[list[Path] | None, typer.Argument(help="Sound files.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="“starter”, a Hub id on this disk, or a folder [default: the run's base]."),
    ] = None,
    adapter: Annotated[
        list[str] | None, typer.Option(help="A LoRA folder, or a run. Up to four: the base and all, side by side.")
    ] = None,
    terms: Annotated[
        Path | None, typer.Option(help="Key terms, one a line: each clip without and with those made likelier.")
    ] = None,
    boost: Annotated[float, typer.Option(help="How much likelier, in logits: 4 at most.")] = DEFAULT_BOOST,
    processor: Annotated[Path | None, typer.Option(help="A processor folder [default: the model's].")] = None,
    audio_list: Annotated[
        Path | None, typer.Option(help="A manifest.jsonl, or a text file with one path a line.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write the JSON here instead of printing it.")] = None,
    format: Annotated[
        list[str] | None, typer.Option(help="With times, of any length: txt, srt, vtt or json; repeat it for several.")
    ] = None,
    words: Annotated[bool, typer.Option("--words", help="Also start and end of each word.")] = False,
    mend: Annotated[
        str, typer.Option(help="Also each text as this typing run, or “typing-starter”, corrects it.")
    ] = "",
    language: Language = "",
    device: Device = "auto",
) -> None:
    """Transcribe sound files: JSON with text, seconds, latency, and WER where references exist."""
    base = in_language(model or _base_of(adapter or []), language)
    for name, given in (("--words", words), ("--mend", mend)):
        if given and (format or terms or len(adapter or []) > 1):
            what = f"{name} is for one model, without --terms and --format."
            raise ConfigError(what, f"Leave {name} or the others out.")
    if format:
        from studio.cli.rendering import longform

        reader = longform.ModelChoice(base, longform.only_one(adapter or [], terms), processor, device)
        typer.echo(longform.write(list(audio or []), format, output, reader))
        return
    from studio.inference.compare import compare_list
    from studio.inference.transcribe import transcribe_list

    sources, adapters = audio_list or list(audio or []), adapter or []
    if terms or len(adapters) > 1:
        read = partial(compare_list, adapters=adapters, terms=terms, boost=boost)
    else:
        read = partial(transcribe_list, adapter=adapters[0] if adapters else None, words=words, mend=mend)
    result = read(sources, model=base, processor=processor, device=device, output=output, workspace=Workspace.here())
    typer.echo(f"Wrote {output}." if output else json.dumps(result, indent=2, ensure_ascii=False))


def _base_of(adapters: Sequence[str]) -> str:
    """The base of the first of `adapters` that is a run's; without one, the model that this computer has."""
    from studio.models.adapters import base_of, find_adapter
    from studio.models.catalogue import default_model

    found = (base_of(find_adapter(named, Workspace.here())) for named in adapters)
    return next((base for base in found if base), default_model())


@app.command()
def evaluate(
    run: Annotated[str, typer.Argument(help="A run, or a dataset if --model is given.")],
    model: Annotated[str | None, typer.Option(help="Score this model on the dataset instead of a run.")] = None,
    adapter: Annotated[Path | None, typer.Option(help="With --model: a LoRA folder.")] = None,
    split: Annotated[Literal["train", "validation", "test"], typer.Option()] = "test",
    normaliser: Annotated[Normaliser, typer.Option(help="How texts are compared.")] = "exact",
    output: Annotated[Path | None, typer.Option(help="Write the JSON here.")] = None,
    as_json: AsJson = False,
    csv: CsvFile = None,
    language: Language = "",
    device: Device = "auto",
) -> None:
    """Score a run before and after, or any model on a dataset."""
    from studio.cli.rendering import csv_file
    from studio.evaluation import evaluate as evaluation
    from studio.evaluation import frames, verdict

    if language and not model:
        raise ConfigError("--language goes with --model: a run keeps its own.", "Leave it out, or add --model.")
    model = in_language(model, language) if model else None
    result = evaluation.compare(
        Workspace.here(), run, model=model, adapter=adapter, split=split, normaliser=normaliser, device=device
    )
    if csv_file.leaves_stdout(lambda: frames.scored_clips(result), csv):
        text = evaluation.as_text(result)
        if result.after:
            text += f"\n  {verdict.judge(result.before, result.after).sentence}"
        typer.echo(result.model_dump_json(indent=2) if as_json else text)
    if output:
        evaluation.save(result, output)


@app.command()
def serve(
    run: Annotated[str, typer.Argument(help="A run that has finished; without one, --model alone.")] = "",
    model: Annotated[str, typer.Option(help="Without a run: “starter”, a Hub id on this disk, or a folder.")] = STARTER,
    language: Language = "",
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond this machine a key is required.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 7870,
    key: Annotated[
        Path | None, typer.Option(help="A file whose first line is the API key [default: $STUDIO_SERVE_KEY].")
    ] = None,
    wyoming: Annotated[
        int,
        typer.Option(min=0, max=65535, help="A port for the Wyoming protocol, for Home Assistant: 10300."),
    ] = 0,
    wyoming_from: Annotated[
        list[str] | None, typer.Option(help="An address beyond this machine that may use that port; repeat it.")
    ] = None,
    mend: Annotated[
        str, typer.Option(help="Also correct typing, by this typing run or “typing-starter”: POST /v1/completions.")
    ] = "",
    keep: Annotated[
        str, typer.Option(help="A dataset that keeps the recordings, as clips without a label, for Review.")
    ] = "",
    keep_at_most: Annotated[int, typer.Option(min=1, help="Clips that may wait there for a label.")] = 200,
    device: Device = "auto",
) -> None:
    """Let other programs use a model: OpenAI's interfaces for transcription and completions on this machine."""
    from studio.serve import server
    from studio.serve.keeping import KeptRecordings
    from studio.web.gate import Key

    text = secret_of(key, "STUDIO_SERVE_KEY")
    if run and language:
        raise ConfigError("--language goes with --model: a run keeps its own.", "Leave it out.")
    given = None if text is None else Key.parse(text)
    workspace, doors = Workspace.here(), server.Doors(host, port, given, wyoming, wyoming_from or [])
    kept = KeptRecordings(workspace, keep, keep_at_most) if keep else None
    server.serve(workspace, server.Served(run, in_language(model, language), mend, kept), device, doors)


@app.command()
def merge(
    run: Annotated[str, typer.Argument(help="A run, or a LoRA folder.")],
    out: Annotated[Path | None, typer.Option(help="Where to [default: outputs/<run>/merged].")] = None,
) -> None:
    """Merge a run's adapter into its base model: a folder that plain transformers loads."""
    from studio.export.merged import merge_run

    report = merge_run(Workspace.here(), run, out, lambda stage: typer.echo(f"{stage.capitalize()} …"))
    typer.echo(report.as_text())


@app.command()
def export(
    run: Annotated[str, typer.Argument(help="A run, or its LoRA folder.")],
    to: Annotated[str, typer.Option(help=f"Where to run it: {', '.join(TARGETS)}.")],
    precision: Annotated[
        str | None, typer.Option(help=f"{_precisions()} [default: each one's first].", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to [default: outputs/<run>/exports/<target>-<precision>].")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another export of the run to end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Export a run for another program, compared with PyTorch on what the run held out."""
    from studio.export.exporting import export_run
    from studio.runs.tasks import reporting

    with reporting() as tell:
        report = export_run(Workspace.here(), run, to, precision, out, tell, wait=wait)
    typer.echo(report.model_dump_json(indent=2) if as_json else report.as_text())


@app.command()
def push(
    run: Annotated[str, typer.Argument(help="A run that has finished.")],
    repository: Annotated[str, typer.Argument(help="Where to, on the Hugging Face Hub: owner/name.")],
    what: Annotated[str, typer.Option(help="adapter, merged, or an export such as ctranslate2-int8.")] = "adapter",
    public: Annotated[bool, typer.Option("--public", help="Let everybody read it; otherwise it is private.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking.")] = False,
) -> None:
    """Send a run's model to the Hugging Face Hub, after showing what is sent; never the recordings."""
    from studio.cli.rendering import follow as following
    from studio.export.push import prepare

    ready = prepare(Workspace.here(), run, repository, what, public)
    typer.echo(ready.as_text(), err=True)
    if not yes and not typer.confirm("Send it?", err=True):
        raise typer.Exit(1)
    typer.echo(ready.send(following.megabytes(partial(typer.echo, err=True))))


@app.command()
def fetch(model: Annotated[str, typer.Argument(help="A Hub id such as UsefulSensors/moonshine-tiny.")]) -> None:
    """Download a model from the Hugging Face Hub."""
    from studio.cli.rendering import follow as following

    following.fetch(model, typer.echo)

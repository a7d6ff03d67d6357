"""The command line: a table of verbs, each a few lines that call one library function.

Every verb but `ui` works without Gradio, and what a verb needs is imported inside it: `studio --help` loads no torch.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from studio import config as settings
from studio.errors import StudioError
from studio.workspace import Workspace, disk_errors

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
_FORMATS = (
    "pairs, csv, nemo, audiofolder, audiofolder-jsonl, parquet, ljspeech, common-voice, speech-to-text-finetune, "
    "moshi-finetune, lhotse, kaldi or label-studio."
)

_SPINS = "10000"
"""How often a thread of PyTorch (by GNU OpenMP, on Linux) looks for work before it sleeps. OpenMP's own patience lasts
milliseconds: where another program holds a core, each small operation then costs a time slice, ten times the work."""


def main(arguments: list[str] | None = None) -> None:
    """Run one verb. A StudioError becomes a sentence on stderr and exit code 1; Ctrl-C exits with 130."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # lifted only while fetching a model that was asked for
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
    try:
        app(arguments)
    except StudioError as error:
        typer.secho(str(error), fg="red", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


@app.callback()
def _everywhere(
    workspace: Annotated[
        Path | None, typer.Option(help="The folder that holds recordings/ and outputs/ [default: this one].")
    ] = None,
) -> None:
    if workspace is not None:
        os.environ["STUDIO_WORKSPACE"] = str(workspace)


@app.command()
def ui(
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond this machine a login is required.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 7860,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    login: Annotated[
        Path | None, typer.Option(help="A file with one line `name:password` [default: $STUDIO_LOGIN].")
    ] = None,
    import_from: Annotated[
        list[Path] | None, typer.Option(help="A folder whose data sets the page may import without an upload.")
    ] = None,
) -> None:
    """Open the studio's page."""
    if import_from:
        os.environ["STUDIO_IMPORT_FROM"] = os.pathsep.join(str(folder.resolve()) for folder in import_from)
    from studio.ui.app import launch
    from studio.ui.security import Login

    text = _first_line(login) if login else os.environ.get("STUDIO_LOGIN")
    launch(Workspace.here(), host, port, browser, Login.parse(text) if text else None)


def _first_line(path: Path) -> str:
    with disk_errors(path, "read"):
        return path.read_text(encoding="utf-8").partition("\n")[0]


@app.command()
def demo(
    seed: Annotated[int, typer.Option(min=0)] = 0,
    seeds: Annotated[int, typer.Option(min=1, max=20, help="Repeat with this many seeds, from --seed on.")] = 1,
) -> None:
    """Run the whole loop on the bundled model with a synthetic voice: about 5 minutes on 2 cores, no microphone."""
    from studio import demo as demonstration

    demonstration.run(Workspace.here(), list(range(seed, seed + seeds)), typer.echo)


@app.command()
def doctor(
    hub: Annotated[bool, typer.Option(help="Also ask whether the Hugging Face Hub can be reached.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check this machine: devices, memory, disk, microphone, versions. Each line says fine, or what to do."""
    from studio import doctor as checks

    found = checks.check(Workspace.here(), ask_hub=hub)
    typer.echo(json.dumps([item.model_dump() for item in found], indent=2) if as_json else checks.as_text(found))
    raise typer.Exit(1 if any(item.state == "broken" for item in found) else 0)


@app.command()
def record(
    dataset: Annotated[str, typer.Argument(help="A name under recordings/; made if it is new.")] = "my-voice",
    script: Annotated[
        str, typer.Option(help="numbers, phrases, needed, or a text file of one prompt a line.")
    ] = "numbers",
    numbers_as: Annotated[Literal["words", "digits"], typer.Option(help="How labels write numbers.")] = "words",
    microphone: Annotated[str, typer.Option(help="Its number or part of its name [default: the system's].")] = "",
    speaker: Annotated[str, typer.Option(help="Who speaks, if several people do.")] = "",
    microphones: Annotated[bool, typer.Option(help="List the microphones and stop.")] = False,
) -> None:
    """Record prompts with this computer's microphone."""
    from studio.terminal import record as recording

    if microphones:
        typer.echo(recording.microphones())
        return
    recording.session(Workspace.here(), dataset, script, numbers_as, microphone, speaker)


@app.command()
def check(
    dataset: Annotated[str, typer.Argument(help="A dataset: a name under recordings/.")],
    again: Annotated[bool, typer.Option("--again", help="Measure every clip anew.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure every clip's quality and say which need a look; exit code 1 where something does."""
    from studio.terminal import check as checking

    report = checking.run(Workspace.here(), dataset, again=again)
    typer.echo(report.model_dump_json(indent=2) if as_json else checking.as_text(report))
    raise typer.Exit(checking.exit_code(report))


@app.command()
def split(
    dataset: Annotated[str, typer.Argument(help="A dataset: a name under recordings/.")],
    by: Annotated[Literal["sentence", "speaker", "session"], typer.Option(help="What stays together.")] = "sentence",
    hold_out: Annotated[list[str] | None, typer.Option(help="With --by speaker: who only measures; repeat it.")] = None,
    shares: Annotated[str, typer.Option(help="Per cent that train, validate and test.")] = "70/10/20",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would move.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the latest split back.")] = False,
) -> None:
    """Put clips into train, validation and test; one sentence never stands on two sides."""
    from studio.data.manifest import Dataset
    from studio.terminal import splitting

    chosen = Dataset.open(Workspace.here().dataset(dataset))
    wanted = splitting.request(by, hold_out or [], shares)
    typer.echo(splitting.undo(chosen) if undo else splitting.split(chosen, wanted, dry_run))


@app.command()
def prompts(
    dataset: Annotated[str, typer.Argument(help="A name under recordings/; made if it is new.")],
    count: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    terms: Annotated[Path | None, typer.Option(help="Your own names and jargon, one a line: kept with it.")] = None,
    numbers_as: Annotated[Literal["words", "digits"], typer.Option(help="How labels write numbers.")] = "words",
    dry_run: Annotated[bool, typer.Option(help="Only print them.")] = False,
) -> None:
    """Choose what to read next: words that a model missed, your own terms, what was not recorded yet."""
    from studio.data import prompts as cards
    from studio.data.manifest import Dataset
    from studio.reading_list import read_next

    into = Dataset.create(Workspace.here().dataset(dataset))
    if terms is not None:
        with disk_errors(terms, "read"):
            cards.save_terms(into, cards.parse_terms(terms.read_text(encoding="utf-8-sig", errors="replace")))
    chosen = read_next(Workspace.here(), into, count=count, convention=numbers_as)
    for card in chosen:
        typer.echo(f"{card.text}\n    {card.why}")
    if not dry_run:
        cards.save(into, chosen)
        typer.echo(f"These are now the prompts of {dataset}: record them in the page, or with `studio record`.")


@app.command()
def label(
    dataset: Annotated[str, typer.Argument(help="A name under recordings/.")],
    numbers: Annotated[Literal["words", "digits"] | None, typer.Option(help="Write numbers in labels so.")] = None,
    rule: Annotated[list[str] | None, typer.Option(help="With --numbers: one rule, such as money=words.")] = None,
    style: Annotated[str, typer.Option(help="Mend one kind of inconsistency that the style check names.")] = "",
    prelabel: Annotated[str, typer.Option(help="Let this model write down what it hears.")] = "",
    use_heard: Annotated[bool, typer.Option(help="Take what was heard as labels.")] = False,
    sure: Annotated[float, typer.Option(min=0, max=1, help="With --use-heard: of the least sure word.")] = 0.0,
    suspects: Annotated[str, typer.Option(help="Let this model look for labels that are wrong.")] = "",
    adapter: Annotated[str | None, typer.Option(help="For both: a LoRA folder, or a run.")] = None,
    model: Annotated[str, typer.Option(help="For the style check: the model whose tokenizer is asked.")] = "",
    query: Annotated[str, typer.Option(help="Only the clips that match, as in Review: `split = train`.")] = "",
    clips: Annotated[Path | None, typer.Option(help="Only the clips whose ids stand in this file.")] = None,
    apply: Annotated[bool, typer.Option("--apply/--dry-run", help="Write the new labels, or only show them.")] = False,
    validate: Annotated[Literal["words", "digits"] | None, typer.Option(help="List labels written otherwise.")] = None,
    undo: Annotated[bool, typer.Option(help="Undo the latest action on this dataset.")] = False,
    as_json: AsJson = False,
    device: Device = "auto",
) -> None:
    """Look at labels and mend them: numbers, style, what a model hears. Shows what would change; --apply does it."""
    from studio.labelling.offers import Request
    from studio.terminal import label as labels

    data, found = labels.chosen(Workspace.here(), dataset, query, clips)
    if labels.one_of(numbers, style, prelabel, suspects, validate, use_heard, undo) == 0:
        typer.echo(labels.report(found, model, as_json))
    elif undo:
        typer.echo(labels.undo(data))
    elif validate:
        said, count = labels.validate(found, validate, as_json)
        typer.echo(said)
        raise typer.Exit(1 if count else 0)
    elif prelabel or suspects:
        work = labels.read if prelabel else labels.doubt
        work(Workspace.here(), data, found, prelabel or suspects, adapter, device)
    else:
        kind: Literal["numbers", "style", "heard"] = "numbers" if numbers else "style" if style else "heard"
        wanted = Request(
            kind=kind,
            convention=numbers or "words",
            rules=labels.rules(rule or []),
            finding=style,
            model=model,
            sure=sure,
        )
        typer.echo(labels.propose(data, found, wanted, apply, as_json))


@app.command("import")
def import_(
    dataset: Annotated[str, typer.Argument(help="A name under recordings/; made if it is new.")],
    paths: Annotated[list[Path], typer.Argument(help="Folders, lists, zip or sound files.")],
    format: Annotated[
        str, typer.Option(help="A name that studio export-data --help lists [default: recognised].")
    ] = "auto",
    map: Annotated[list[str] | None, typer.Option(help="FIELD=COLUMN of a table, such as text=sentence.")] = None,
    delimiter: Annotated[str, typer.Option(help="Between the cells of a table [default: guessed].")] = "",
    audio: Annotated[
        Path | None, typer.Option(help="Where the sound files are, if not in the folder of their list.")
    ] = None,
    link: Annotated[bool, typer.Option(help="Share the files with the originals instead of copying them.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what would come in, and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take in recordings that exist already: sound files with text files, tables, and the formats of other tools."""
    from studio.data.formats import Reading
    from studio.data.formats.plan import Plan
    from studio.terminal import datasets

    plan = Plan(paths, format, Reading(datasets.mapping(map or []), delimiter, audio))
    if dry_run:
        datasets.look(Workspace.here(), dataset, plan, as_json)
    else:
        datasets.take_in(Workspace.here(), dataset, plan, link, as_json)


@app.command("export-data")
def export_data(
    dataset: Annotated[str, typer.Argument(help="A name under recordings/.")],
    out: Annotated[Path, typer.Argument(help="A folder (or zip file) that is not there yet.")],
    format: Annotated[str, typer.Option(help=_FORMATS)],
    query: Annotated[str, typer.Option(help="Only clips that match, as in the Review tab: split = train.")] = "",
    clips: Annotated[Path | None, typer.Option(help="Only clips whose ids this file lists.")] = None,
    portable: Annotated[bool, typer.Option(help="No absolute paths: for a folder that goes elsewhere.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a dataset in the format of another tool; the dataset stays as it is."""
    from studio.terminal import datasets

    datasets.give_out(Workspace.here(), dataset, out, format, query, clips, portable, as_json)


@app.command()
def transcribe(
    audio: Annotated[list[Path] | None, typer.Argument(help="Sound files.")] = None,
    model: Annotated[str, typer.Option(help="“starter”, a Hub id on this disk, or a folder.")] = "starter",
    adapter: Annotated[Path | None, typer.Option(help="A LoRA folder, or a run.")] = None,
    processor: Annotated[Path | None, typer.Option(help="A processor folder [default: the model's].")] = None,
    audio_list: Annotated[
        Path | None, typer.Option(help="A manifest.jsonl, or a text file with one path a line.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write the JSON here instead of printing it.")] = None,
    device: Device = "auto",
) -> None:
    """Write down what is said in sound files: JSON with text, seconds, latency, and WER where references exist."""
    from studio.transcribe import transcribe_list

    result = transcribe_list(
        audio_list or list(audio or []), model=model, adapter=adapter, processor=processor, device=device, output=output
    )
    typer.echo(f"Wrote {output}." if output else json.dumps(result, indent=2, ensure_ascii=False))


def train(**options: Any) -> None:
    """Fine-tune a model on a dataset and follow it. Ctrl-C stops and saves; a second Ctrl-C leaves it running."""
    import psutil

    from studio import jobs
    from studio.evaluate import open_dataset
    from studio.models.memory import estimate
    from studio.terminal import follow as following

    name, foreground, detach = options.pop("name"), options.pop("foreground"), options.pop("detach")
    chosen = {key: value for key, value in options.items() if value is not None and key != "preset"}
    plan = settings.preset(options["preset"], **chosen)
    if foreground:
        following.train_here(Workspace.here(), plan, name)
        return
    dataset = open_dataset(Workspace.here(), plan.dataset)  # a name that is not there is said here, not in a run's log
    if needed := estimate(plan, [clip.duration for clip in dataset.utterances()], plan.device):
        typer.echo(needed.as_text(None if plan.device.startswith("cuda") else psutil.virtual_memory().available))
    folder = jobs.start_training(Workspace.here(), plan, name)
    typer.echo(f"Run {folder.name} has started.")
    if not detach:
        following.follow(folder, typer.echo)


def _train_signature() -> inspect.Signature:
    """Flags for `train`, made of TrainConfig's fields: one default, one bound, one help, in one place."""
    fields = settings.TrainConfig.model_fields

    def parameter(name: str, kind: Any, default: Any) -> inspect.Parameter:
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)

    def flag(help_: str, **extra: Any) -> Any:
        return typer.Option(help=help_, **extra)

    found = [
        parameter(
            "dataset", Annotated[str, typer.Argument(help=fields["dataset"].description)], inspect.Parameter.empty
        )
    ]
    presets = ", ".join(settings.PRESETS)
    found.append(parameter("preset", Annotated[str, flag(f"Where the settings start from: {presets}.")], "balanced"))
    for name, info in settings.knobs():
        kind = info.annotation if info.annotation in (int, float, bool) else str
        text = f"{info.description} [default: {info.default}]"
        found.append(parameter(name, Annotated[kind | None, flag(text, show_default=False)], None))
    found.append(parameter("name", Annotated[str | None, flag("A name for the run.")], None))
    found.append(parameter("detach", Annotated[bool, flag("Return at once; the run goes on.")], False))
    found.append(parameter("foreground", Annotated[bool, flag("Train in this very process.", hidden=True)], False))
    return inspect.Signature(found, return_annotation=None)


def _register_train() -> None:
    signature = _train_signature()
    train.__signature__ = signature  # type: ignore[attr-defined]
    train.__annotations__ = {name: item.annotation for name, item in signature.parameters.items()}
    app.command()(train)


_register_train()


@app.command()
def runs(as_json: AsJson = False) -> None:
    """List the runs, newest first."""
    from studio import jobs
    from studio.terminal import follow as following

    found = jobs.runs(Workspace.here())
    typer.echo(json.dumps([item.model_dump() for item in found], indent=2) if as_json else following.table(found))


@app.command()
def stop(
    run: RunName,
    discard: Annotated[bool, typer.Option(help="Throw away what was learnt instead of saving it.")] = False,
) -> None:
    """Stop a run: it keeps its best state so far, scores it and writes its report."""
    from studio import jobs

    jobs.stop(jobs.existing(Workspace.here(), run), "discard" if discard else "save")
    typer.echo(f"{run} will stop after its current step.")


@app.command()
def resume(run: RunName, detach: Annotated[bool, typer.Option(help="Return at once.")] = False) -> None:
    """Go on with a run that was killed or interrupted, from its last checkpoint."""
    from studio import jobs
    from studio.terminal import follow as following

    folder = jobs.existing(Workspace.here(), run)
    jobs.resume(folder)
    if not detach:
        following.follow(folder, typer.echo)


@app.command()
def evaluate(
    run: Annotated[str, typer.Argument(help="A run, or a dataset if --model is given.")],
    model: Annotated[str | None, typer.Option(help="Score this model on the dataset instead of a run.")] = None,
    adapter: Annotated[Path | None, typer.Option(help="With --model: a LoRA folder.")] = None,
    split: Annotated[Literal["train", "validation", "test"], typer.Option()] = "test",
    normaliser: Annotated[Literal["exact", "plain", "spoken"], typer.Option(help="How texts are compared.")] = "exact",
    output: Annotated[Path | None, typer.Option(help="Write the JSON here.")] = None,
    device: Device = "auto",
) -> None:
    """Score a run before and after, or any model on a dataset."""
    from studio import evaluate as evaluation
    from studio import verdict

    result = evaluation.compare(
        Workspace.here(), run, model=model, adapter=adapter, split=split, normaliser=normaliser, device=device
    )
    typer.echo(evaluation.as_text(result))
    if result.after and (found := verdict.change(result.before, result.after)):
        typer.echo(f"  {verdict.sentence(found)}")
    if output:
        evaluation.save(result, output)


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
def fetch(model: Annotated[str, typer.Argument(help="A Hub id such as UsefulSensors/moonshine-tiny.")]) -> None:
    """Download a model from the Hugging Face Hub: the only verb that uses the internet."""
    from studio.terminal import follow as following

    following.fetch(model, typer.echo)

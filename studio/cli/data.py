"""Record, correct and move datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from studio.cli.app import AsJson, CsvFile, Device, app
from studio.errors import ConfigError
from studio.workspace import Workspace, disk_errors

_FORMATS = (
    "pairs, csv, nemo, audiofolder, audiofolder-jsonl, parquet, ljspeech, common-voice, speech-to-text-finetune, "
    "moshi-finetune, lhotse, kaldi or label-studio; of typing: jsonl or tsv."
)


@app.command()
def record(
    dataset: Annotated[str, typer.Argument(help="A name under recordings/; made if it is new.")] = "my-voice",
    script: Annotated[
        str, typer.Option(help="numbers, phrases (phrases-de …), needed, or a text file of one prompt a line.")
    ] = "numbers",
    numbers_as: Annotated[Literal["words", "digits"], typer.Option(help="How labels write numbers.")] = "words",
    microphone: Annotated[str, typer.Option(help="Its number or part of its name [default: the system's].")] = "",
    speaker: Annotated[str, typer.Option(help="Who speaks, if several people do.")] = "",
    microphones: Annotated[bool, typer.Option("--microphones", help="List the microphones and stop.")] = False,
) -> None:
    """Record prompts with this computer's microphone."""
    from studio.cli.rendering import record as recording

    if microphones:
        typer.echo(recording.microphones())
        return
    recording.session(Workspace.here(), dataset, script, numbers_as, microphone, speaker)


@app.command()
def dataset(
    name: Annotated[str, typer.Argument(help="A dataset: a name under recordings/; none lists them all.")] = "",
    rename: Annotated[str, typer.Option(metavar="NEW", help="Give it another name; its runs follow.")] = "",
    empty_trash: Annotated[bool, typer.Option("--empty-trash", help="Delete its trash for good.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it for good; asks for its name.")] = False,
    confirm: Annotated[str, typer.Option(metavar="NAME", help="With --delete: its name, instead of asking.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say what a dataset holds; rename it, empty its trash, delete it for good."""
    from studio.cli.rendering import keeping
    from studio.runs import datasets

    workspace = Workspace.here()
    if sum((bool(rename), empty_trash, delete)) > 1 or (not name and (rename or empty_trash or delete)):
        raise ConfigError(
            "One thing at a time, on one dataset.", "For example: studio dataset my-voice --rename office"
        )
    if rename:
        typer.echo(f"{name} is called {datasets.rename(workspace, name, rename).name} now.")
    elif empty_trash:
        typer.echo(f"Deleted for good: {datasets.empty_trash(workspace, name)}.")
    elif delete:
        held = datasets.holding(workspace, name)
        if not confirm:
            confirm = typer.prompt(f"{held.loss()}\nType the name of the dataset to delete it", err=True)
        typer.echo(f"Deleted for good: {datasets.delete(workspace, name, confirm).clips}.")
    elif name:
        held = datasets.holding(workspace, name)
        typer.echo(held.model_dump_json(indent=2) if as_json else keeping.held(held))
    else:
        typer.echo(keeping.listed(workspace))


@app.command()
def prompts(
    dataset: Annotated[str, typer.Argument(help="A name under recordings/; made if it is new.")],
    count: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    terms: Annotated[Path | None, typer.Option(help="Your own names and jargon, one a line: kept with it.")] = None,
    numbers_as: Annotated[Literal["words", "digits"], typer.Option(help="How labels write numbers.")] = "words",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print them.")] = False,
) -> None:
    """Choose what to read next: words that a model missed, your own terms, what was not recorded yet."""
    from studio.data import prompts as cards
    from studio.data.manifest import Dataset
    from studio.evaluation.reading_list import read_next

    folder = Workspace.here().dataset(dataset)
    into = Dataset(folder) if dry_run and terms is None else Dataset.create(folder)
    if terms is not None:
        with disk_errors(terms, "read"):
            cards.save_terms(into, cards.parse_terms(terms.read_bytes().decode("utf-8-sig", "replace")))
    chosen = read_next(Workspace.here(), into, count=count, convention=numbers_as)
    for card in chosen:
        typer.echo(f"{card.text}\n    {card.why}")
    if not dry_run:
        cards.save(into, chosen)
        typer.echo(f"These are now the prompts of {dataset}: record them in the page, or with `studio record`.")


@app.command()
def check(
    dataset: Annotated[str, typer.Argument(help="A dataset: a name under recordings/.")],
    again: Annotated[bool, typer.Option("--again", help="Measure every clip anew.")] = False,
    as_json: AsJson = False,
    csv: CsvFile = None,
) -> None:
    """Measure every clip's quality, or look through typing pairs, and say what needs a look; exit code 1 then."""
    from studio.cli.rendering import check as checking
    from studio.cli.rendering import csv_file
    from studio.data.manifest import Dataset

    workspace = Workspace.here()
    report = checking.run(workspace, dataset, again=again)
    if csv_file.leaves_stdout(lambda: Dataset.open(workspace.dataset(dataset)).to_pandas(), csv):
        typer.echo(report.model_dump_json(indent=2) if as_json else checking.as_text(report))
    raise typer.Exit(checking.exit_code(report))


@app.command()
def label(
    dataset: Annotated[str, typer.Argument(help="A name under recordings/.")],
    numbers: Annotated[Literal["words", "digits"] | None, typer.Option(help="How to write numbers in labels.")] = None,
    rule: Annotated[list[str] | None, typer.Option(help="With --numbers: one rule, such as money=words.")] = None,
    style: Annotated[str, typer.Option(help="Fix one kind of inconsistency that the style check names.")] = "",
    prelabel: Annotated[str, typer.Option(help="Let this model transcribe the clips, and keep its transcripts.")] = "",
    use_heard: Annotated[bool, typer.Option("--use-heard", help="Use those transcripts as labels.")] = False,
    sure: Annotated[
        float, typer.Option(min=0, max=1, help="With --use-heard: the least sure word’s confidence.")
    ] = 0.0,
    suspects: Annotated[str, typer.Option(help="Let this model look for labels that are wrong.")] = "",
    adapter: Annotated[str | None, typer.Option(help="For both: a LoRA folder, or a run.")] = None,
    model: Annotated[str, typer.Option(help="For the style check: the model whose tokenizer is asked.")] = "",
    query: Annotated[str, typer.Option(help="Only the clips that match, as in Review: `split = train`.")] = "",
    clips: Annotated[Path | None, typer.Option(help="Only the clips whose ids are in this file.")] = None,
    apply: Annotated[bool, typer.Option("--apply/--dry-run", help="Write the new labels, or only show them.")] = False,
    validate: Annotated[Literal["words", "digits"] | None, typer.Option(help="List labels written otherwise.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Undo the latest action on this dataset.")] = False,
    as_json: AsJson = False,
    device: Device = "auto",
) -> None:
    """Check and correct labels: numbers, style, a model's transcripts. Shows what would change; --apply does it."""
    from studio.cli.rendering import label as labels
    from studio.inference.label_offers import Request

    labels.rules(rule or [], numbers)
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
            rules=labels.rules(rule or [], numbers),
            finding=style,
            model=model,
            sure=sure,
        )
        typer.echo(labels.propose(data, found, wanted, apply, as_json))


@app.command()
def align(
    dataset: Annotated[str, typer.Argument(help="A name under recordings/.")],
    model: Annotated[str, typer.Option(help="A Whisper; `FOLDER:de` for its German [default: one on this disk].")] = "",
    rough: Annotated[bool, typer.Option("--rough", help="Estimate by loudness and letters, without a model.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also where times fit, unless you set them by hand.")] = False,
    query: Annotated[str, typer.Option(help="Only the clips that match, as in Review: `split = train`.")] = "",
    clips: Annotated[Path | None, typer.Option(help="Only the clips whose ids are in this file.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Undo the latest action on this dataset.")] = False,
    device: Device = "auto",
) -> None:
    """Put start and end to every word of the labels, by a Whisper on this disk, or roughly without one."""
    from studio.cli.rendering import align as aligning
    from studio.cli.rendering import label as labels

    data, found = labels.chosen(Workspace.here(), dataset, query, clips)
    if undo:
        typer.echo(labels.undo(data))
    else:
        aligning.run(Workspace.here(), data, found, model, rough=rough, again=again, device=device)


@app.command()
def split(
    dataset: Annotated[str, typer.Argument(help="A dataset: a name under recordings/.")],
    by: Annotated[
        Literal["sentence", "speaker", "session"], typer.Option(help="What is kept in one split.")
    ] = "sentence",
    hold_out: Annotated[
        list[str] | None, typer.Option(help="With --by speaker: a speaker to hold out; repeat it for several.")
    ] = None,
    shares: Annotated[str, typer.Option(help="Per cent that train, validate and test.")] = "70/10/20",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would move.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Undo the latest split.")] = False,
) -> None:
    """Put clips into train, validation and test; the same sentence is never in two splits."""
    from studio.cli.rendering import splitting
    from studio.data.manifest import Dataset

    chosen = Dataset.open(Workspace.here().dataset(dataset))
    wanted = splitting.request(by, hold_out or [], shares)
    typer.echo(splitting.undo(chosen) if undo else splitting.split(chosen, wanted, dry_run))


@app.command("import")
def import_(
    dataset: Annotated[str, typer.Argument(help="A name under recordings/; made if it is new.")],
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATHS...", help="Folders, lists, zip or sound files.")
    ] = None,
    format: Annotated[
        str, typer.Option(help="A name that studio export-data --help lists [default: recognised].")
    ] = "auto",
    map: Annotated[list[str] | None, typer.Option(help="FIELD=COLUMN of a table, such as text=sentence.")] = None,
    delimiter: Annotated[str, typer.Option(help="Between the cells of a table [default: guessed].")] = "",
    audio: Annotated[
        Path | None, typer.Option(help="Where the sound files are, if not in the folder of their list.")
    ] = None,
    link: Annotated[
        bool, typer.Option("--link", help="Share the files with the originals instead of copying them.")
    ] = False,
    kind: Annotated[
        Literal["speech", "typing"] | None, typer.Option(help="Of a new dataset [default: by what is imported].")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be imported, and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take in recordings that exist already, in the formats of many tools; or pairs of typed and corrected text."""
    from studio.cli.rendering import datasets, pairs
    from studio.data.formats import ReadOptions
    from studio.data.formats.plan import ImportPlan

    plan = ImportPlan(
        datasets.given(dataset, paths or []), format, ReadOptions(datasets.mapping(map or []), delimiter, audio)
    )
    if pairs.are_meant(Workspace.here(), dataset, plan, kind):
        pairs.take_in(Workspace.here(), dataset, plan, dry_run=dry_run, as_json=as_json)
    elif dry_run:
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
    portable: Annotated[
        bool, typer.Option("--portable", help="No absolute paths: for a folder that goes elsewhere.")
    ] = False,
    escape: Annotated[
        bool | None,
        typer.Option(help="An apostrophe before cells that a spreadsheet would compute [default: only as csv]."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a dataset in the format of another tool; the dataset stays as it is."""
    from studio.cli.rendering import datasets, pairs
    from studio.data.manifest import Dataset

    if Dataset.open(Workspace.here().dataset(dataset)).kind == "typing":
        pairs.give_out(Workspace.here(), dataset, out, format, query, clips, as_json)
        return
    datasets.give_out(Workspace.here(), dataset, out, format, query, clips, portable, escape, as_json)

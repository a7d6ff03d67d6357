"""Fine-tune, and look after the runs."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studio import config as settings
from studio.cli.app import AsJson, CsvFile, Language, RunName, app
from studio.errors import ConfigError, StudioError
from studio.runs.folder import RunFolder
from studio.workspace import Workspace, write_atomically

AnyNormaliser = Annotated[
    settings.Normaliser | None, typer.Option(help="How texts are compared [default: as the run did].")
]
HtmlFile = Annotated[Path | None, typer.Option("--html", help="Write a self-contained HTML page here.")]

if TYPE_CHECKING:
    from studio.data.manifest import Dataset, Example


def train(**options: Any) -> None:
    """Fine-tune a model on a dataset and follow it. Ctrl-C stops and saves; a second Ctrl-C leaves it running."""
    from studio.cli.rendering import follow as following
    from studio.cli.rendering import starting, together
    from studio.cluster import address
    from studio.data.splits.assignment import moves_at_start, shortage, trainable
    from studio.data.utterance import SIDES
    from studio.evaluation import general_set
    from studio.evaluation.evaluate import open_dataset
    from studio.models import before_start
    from studio.train import ranks

    name, on, dry_run, queue = (options[key] for key in ("name", "on", "dry_run", "queue"))
    plan = asked_for(options)
    if ranks.are_launched():
        if on:
            raise ConfigError("--on and `accelerate launch` exclude each other.", "Leave one of them out.")
        together.train_together(Workspace.here(), plan, name)
        return
    if on == address.SKY or dry_run:
        typer.echo(following.sky_task(Workspace.here(), plan, name, on, dry_run))
        return
    on = address.checked(on) if on else ""
    if options["foreground"]:
        following.train_in_foreground(Workspace.here(), plan, name, on)
        return
    dataset = open_dataset(Workspace.here(), plan.dataset)  # a name that is not there is said here, not in a run's log
    _tell_mixed_numbers(dataset)
    clips = trainable(dataset)
    general_set.check(plan, clips, Workspace.here())
    moves = moves_at_start(dataset.in_splits(*SIDES), clips)
    for note in filter(None, (moves, shortage(clips), *before_start.check(plan, clips))):
        typer.echo(f"Note: {note}")
    address.require_ray() if on else _tell_needs(plan, clips)
    begin = starting.in_turn if queue else starting.at_once
    folder = begin(Workspace.here(), plan, name, typer.echo, on)
    if not (options["detach"] or queue):
        following.follow(folder, typer.echo)


def _tell_mixed_numbers(dataset: Dataset) -> None:
    """Say where labels write numbers in two ways."""
    from studio.data.labels.mixed_numbers import numbers_in_two_ways
    from studio.data.utterance import SIDES

    if dataset.kind == "speech" and (mixed := numbers_in_two_ways(clip.text for clip in dataset.in_splits(*SIDES))):
        remedy = f"`studio label {dataset.name} --numbers {mixed.common} --apply` writes all in one way."
        typer.echo(f"{mixed.what} {remedy}")


def asked_for(options: Mapping[str, Any]) -> settings.TrainConfig:
    """The settings that the flags of `train` come to. Raises StudioError.

    A run that was started from elsewhere is only named: its settings are in its folder.
    """
    file, preset = options["config"], options["preset"]
    chosen = {
        key: value for key, value in options.items() if key in settings.TrainConfig.model_fields and value is not None
    }
    if options.get("language"):
        chosen["model"] = settings.in_language(chosen.get("model") or _model_before(options), options["language"])
    if options["foreground"]:
        if not options["name"]:
            raise ConfigError("--foreground trains a run that has a name.", "Add --name, or leave --foreground out.")
        names_none = not file and preset == settings.BALANCED and chosen.keys() == {"dataset"}
        if names_none and (kept := RunFolder(Workspace.here().run(options["name"])).settings()):
            return kept
    if options["like"]:
        if file:
            raise ConfigError("--like and --config exclude each other.", "Leave one of them out.")
        return settings.TrainConfig.checked(**_as_in(options["like"]) | chosen)
    if file:
        return settings.from_file(file, **chosen)
    from studio.models.before_start import usual_targets

    model = chosen.setdefault("model", _usual_model(options["dataset"]))
    targets = usual_targets(model, lambda: not options.get("on") and _on_cpu(chosen.get("device", "auto")))
    return settings.preset(preset, **{"targets": targets} | chosen)


def _usual_model(dataset: str) -> str:
    """The model where none is named: the bundled one for a dataset of typing, else the usual one."""
    from studio.evaluation.evaluate import open_dataset
    from studio.models.catalogue import default_model

    try:
        kind = open_dataset(Workspace.here(), dataset).kind
    except StudioError:  # starting says what is wrong
        kind = "speech"
    return settings.TYPING_STARTER if kind == "typing" else default_model()


def _on_cpu(device: str) -> bool:
    """Whether `device` means the CPU here, as far as can be known without loading torch."""
    from studio.models import is_cpu_build

    return device == "cpu" or (device == "auto" and is_cpu_build())


def _model_before(options: Mapping[str, Any]) -> str:
    """The model where no flag names one: of the run that this one is like, of the settings file, or the usual one."""
    from studio.models.catalogue import default_model

    if options["like"]:
        return str(_as_in(options["like"])["model"])
    if options["config"]:
        return settings.from_file(options["config"], dataset=options["dataset"]).model
    return default_model()


def _as_in(run: str) -> dict[str, Any]:
    from studio.runs import editing

    return editing.settings_of(Workspace.here(), run).model_dump()


def _tell_needs(plan: settings.TrainConfig, clips: Sequence[Example]) -> None:
    """Say what memory and time the run is going to take, where that is known."""
    import psutil

    from studio.evaluation import general_set
    from studio.models.memory import estimate
    from studio.models.training_time import expected

    on_cpu = _on_cpu(plan.device)
    seconds, texts = [clip.duration for clip in clips], [clip.text for clip in clips]
    if needed := estimate(plan, seconds, plan.device, texts):
        typer.echo(needed.as_text(None if plan.device.startswith("cuda") else psutil.virtual_memory().available))
    workspace = Workspace.here()
    if time := expected(workspace, plan, clips, general_set.measuring(plan, workspace), on_cpu=on_cpu):
        typer.echo(time.as_text(plan.max_steps))


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
    found.append(
        parameter("preset", Annotated[str, flag(f"Where the settings start from: {presets}.")], settings.BALANCED)
    )
    recipes = ", ".join(settings.RECIPES)
    text = f"A JSON file of settings to start from instead, or a recipe: {recipes}."
    found.append(parameter("config", Annotated[str | None, flag(text, show_default=False)], None))
    found.append(parameter("like", Annotated[str, flag("A run whose settings to start from instead.")], ""))
    for name, info in settings.knobs():
        kind = info.annotation if info.annotation in (int, float, bool) else str
        text = f"{info.description} [default: {info.default}]"
        found.append(parameter(name, Annotated[kind | None, flag(text, show_default=False)], None))
    found.append(parameter("language", Language, ""))
    found.append(parameter("name", Annotated[str | None, flag("A name for the run.")], None))
    on = "Where: a Ray cluster (http://host:8265, ray://host:10001), or sky [default: this machine]"
    found.append(parameter("on", Annotated[str, flag(on, show_default=False)], ""))
    dry_run = "With --on sky: write the task for SkyPilot and stop."
    found.append(parameter("dry_run", Annotated[bool, flag(dry_run)], False))
    found.append(parameter("detach", Annotated[bool, flag("Return at once; the run goes on.")], False))
    waits = "Return at once; if another run is going on, this one waits for it."
    found.append(parameter("queue", Annotated[bool, typer.Option("--queue", help=waits)], False))
    found.append(parameter("foreground", Annotated[bool, flag("Train in this process.", hidden=True)], False))
    return inspect.Signature(found, return_annotation=None)


def _register_train() -> None:
    signature = _train_signature()
    train.__signature__ = signature  # type: ignore[attr-defined]
    train.__annotations__ = {name: item.annotation for name, item in signature.parameters.items()}
    app.command()(train)


_register_train()


@app.command()
def runs(
    empty_trash: Annotated[bool, typer.Option("--empty-trash", help="Delete the deleted runs for good.")] = False,
    as_json: AsJson = False,
    csv: CsvFile = None,
) -> None:
    """List the runs, newest first."""
    from studio.cli.rendering import csv_file
    from studio.cli.rendering import follow as following
    from studio.runs import listing, trash
    from studio.runs import queue as waiting_line

    workspace = Workspace.here()
    if empty_trash:
        typer.echo(f"Deleted for good: {', '.join(trash.empty_trash(workspace)) or 'nothing; the trash is empty'}.")
        return
    waiting_line.look_after(workspace)
    if not csv_file.leaves_stdout(lambda: listing.to_pandas(workspace), csv):
        return
    found, waiting = listing.runs(workspace), waiting_line.waiting(workspace)
    typer.echo(json.dumps([item.model_dump() for item in found], indent=2) if as_json else following.table(found))
    if waiting and not as_json:
        typer.echo(f"Waiting: {', '.join(run.name for run in waiting)}. `studio queue` moves or cancels them.")


@app.command()
def run(
    name: RunName,
    rename: Annotated[str, typer.Option(metavar="NEW", help="Give it another name.")] = "",
    note: Annotated[str | None, typer.Option(help="Save this note about it; an empty text removes the note.")] = None,
    strength: Annotated[
        float | None, typer.Option(help="Weaken its adapter: 1 is as trained; towards 0 it is more like the base.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a run's settings and note; rename it, write a note, change the strength of its adapter."""
    from studio.cli.rendering import keeping as rendering
    from studio.models import strength as strengths
    from studio.models.adapters import find_adapter
    from studio.runs import editing, listing

    workspace = Workspace.here()
    if note is not None:
        editing.write_note(listing.existing(workspace, name), note)
    if strength is not None:
        strengths.change(find_adapter(listing.existing(workspace, name).path, workspace), strength)
        typer.echo(f"The adapter acts at {strength:.0%} of its strength now. {strengths.MEASURED_BEFORE}")
    if rename:
        name = editing.rename(workspace, name, rename).name
        typer.echo(f"The run is called {name} now.")
    elif note is not None or strength is not None:
        return
    elif as_json:
        typer.echo(editing.settings_of(workspace, name).model_dump_json(indent=2))
    else:
        typer.echo(rendering.run(workspace, name))


@app.command()
def queue(
    move: Annotated[str, typer.Option(metavar="RUN", help="Put this one in another place: the first, or --to.")] = "",
    to: Annotated[int, typer.Option(min=1, help="The place that --move puts it in.")] = 1,
    cancel: Annotated[str, typer.Option(metavar="RUN", help="Take this one out.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the runs that wait their turn (`studio train --queue`); move or cancel one."""
    from studio.cli.rendering import starting
    from studio.runs import queue as waiting_line

    workspace = Workspace.here()
    if cancel:
        waiting_line.cancel(workspace, cancel)
    if move:
        waiting_line.move(workspace, move, to)
    waiting_line.look_after(workspace)
    typer.echo(starting.waiting_as_json(workspace) if as_json else starting.waiting_as_text(workspace))


@app.command()
def stop(
    run: RunName,
    discard: Annotated[
        bool, typer.Option("--discard", help="Throw away what was learnt instead of saving it.")
    ] = False,
) -> None:
    """Stop a run: it keeps its best state so far, scores it and writes its report."""
    from studio.runs import control, listing

    control.stop(listing.existing(Workspace.here(), run), "discard" if discard else "save")
    then = "discarded" if discard else "saved and scored"
    typer.echo(f"{run} will stop after its current step. What it has learnt will be {then}.")


@app.command()
def resume(run: RunName, detach: Annotated[bool, typer.Option("--detach", help="Return at once.")] = False) -> None:
    """Go on with a run that was killed or interrupted, from its last checkpoint."""
    from studio.cli.rendering import follow as following
    from studio.cli.rendering import together
    from studio.runs import control, listing
    from studio.runs.metadata import RunRecord
    from studio.train import ranks

    folder = listing.existing(Workspace.here(), run)
    if ranks.are_launched():
        together.train_together(Workspace.here(), RunRecord.read(folder).config, run)
        return
    control.resume(folder)
    if not detach:
        following.follow(folder, typer.echo)


@app.command()
def report(run: RunName, html: HtmlFile = None, as_json: AsJson = False, normaliser: AnyNormaliser = None) -> None:
    """Say whether a run is better, how sure that is, what it got worse at, and what to do next."""
    from studio.reports import answers, run_page
    from studio.reports.cut_offs import CutOffReport
    from studio.reports.result import result_of
    from studio.runs import listing

    folder = listing.existing(Workspace.here(), run)
    result = result_of(folder, normaliser)
    if as_json:
        verdict = {"answers": [answer.model_dump() for answer in answers.answers(result)], "alarm": result.alarm}
        typer.echo(json.dumps(verdict | result.model_dump(mode="json"), indent=2, ensure_ascii=False))
    else:
        typer.echo(answers.as_text(result))
        if cut_offs := CutOffReport.read(folder):
            typer.echo(f"\n{cut_offs.as_text()}")
    if html:
        write_atomically(html, run_page.as_html(result))


@app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(help="Two or more runs; the others are measured against the first.")],
    html: HtmlFile = None,
    as_json: AsJson = False,
    csv: CsvFile = None,
    normaliser: AnyNormaliser = None,
) -> None:
    """Compare runs: one table, their curves, and only the settings that differ."""
    from studio.cli.rendering import csv_file
    from studio.reports import comparison
    from studio.runs import listing

    found = comparison.compare_runs([listing.existing(Workspace.here(), run) for run in runs], normaliser)
    if csv_file.leaves_stdout(found.to_pandas, csv):
        typer.echo(found.model_dump_json(indent=2) if as_json else comparison.as_text(found))
    if html:
        write_atomically(html, comparison.as_html(found))


@app.command()
def curve(run: RunName, as_json: AsJson = False, normaliser: AnyNormaliser = None) -> None:
    """Train on a quarter and on half of a run's clips, and say what more clips would bring."""
    from studio.cli.rendering.curve import complete
    from studio.reports.learning_curve import as_text

    found = complete(Workspace.here(), run, normaliser)
    typer.echo(found.model_dump_json(indent=2) if as_json else as_text(found))

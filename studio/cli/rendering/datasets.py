"""Import and export in the terminal: what would come in, what came in, and what did not, with its reason."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import typer
from pydantic import BaseModel

from studio.data.formats.base import SkipGroup
from studio.data.formats.plan import ImportPlan
from studio.data.import_export.exporting import ExportReport, export_data
from studio.data.import_export.importing import ImportReport, import_data
from studio.data.import_export.previewing import Preview, preview
from studio.data.manifest import Dataset
from studio.data.store import lines
from studio.data.store.task_reports import save
from studio.data.view.query import Selection
from studio.errors import ConfigError, DataError, DiskError
from studio.runs.folder import FOLDER_VARIABLE
from studio.runs.tasks import reporting
from studio.text import counted
from studio.workspace import Workspace

SHOWN = 20  # reasons in the terminal


def mapping(pairs: list[str]) -> dict[str, str]:
    """`["text=sentence"]` as field to column. Raises ConfigError."""
    found: list[tuple[str, str]] = []
    for pair in pairs:
        name, equals, column = pair.partition("=")
        if not (name.strip() and equals):
            raise ConfigError(f"--map {pair} is not FIELD=COLUMN.", "For instance: --map text=sentence")
        found.append((name.strip(), column.strip()))
    return once_each("--map", found)


def once_each(flag: str, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """`pairs` as a mapping. Raises ConfigError where `flag` gives a name two values."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            what = f"{flag} {name}={value} contradicts {flag} {name}={found[name]}."
            raise ConfigError(what, "Leave one of them out.")
    return found


def given(dataset: str, paths: list[Path]) -> list[Path]:
    """`paths`, where `dataset` can be a dataset's name: it is easily forgotten. Raises ConfigError."""
    is_path = Path(dataset).is_file() or any(mark in dataset for mark in ("/", "\\", "~"))
    named = [dataset, *map(str, paths)] if is_path or not paths else []
    if named and (is_path or Path(dataset).exists()):
        what = f"The dataset's name comes first, and then what to import; “{dataset}” is what is to be imported."
        raise ConfigError(what, f"For example: studio import my-voice {' '.join(named)}")
    if not paths:
        raise ConfigError("Nothing to import was named.", f"Name it: studio import {dataset} FOLDER")
    return paths


def look(workspace: Workspace, name: str, plan: ImportPlan, as_json: bool) -> None:
    """Print what an import would do; nothing is written. Raises StudioError."""
    folder = workspace.dataset(name)
    found = preview(plan, Dataset(folder) if folder.is_dir() else None)
    typer.echo(found.model_dump_json(indent=2) if as_json else as_text(found))
    end_where_nothing_is_done(found.clips + found.already)


def take_in(workspace: Workspace, name: str, plan: ImportPlan, link: bool, as_json: bool) -> None:
    """Import, show progress, and print the report. Raises StudioError."""
    dataset = Dataset(workspace.dataset(name))
    with reporting() as tell:
        report = import_data(dataset, plan, link=link, tell=tell)
        if not as_json:
            tell.note(report.sentence())
        keep(dataset, "import", report)
    if as_json or report.skipped:
        typer.echo(report.model_dump_json(indent=2) if as_json else report_text(report))
    end_where_nothing_is_done(report.added + report.already)


def keep(dataset: Dataset, task: str, report: BaseModel) -> None:
    """Keep `report` for the page. What it reports is done, also where the dataset's own disk takes nothing."""
    if not dataset.folder.is_dir():  # nothing came in: there is no dataset
        return
    try:
        save(dataset.folder, task, report)
    except DiskError as error:
        typer.echo(f"The page will not show this report: {error.what}", err=True)


def end_where_nothing_is_done(clips: int) -> None:
    """Exit code 1 where every row was refused. As a task of the page the verb has done its work: the report says it."""
    if not clips and FOLDER_VARIABLE not in os.environ:
        raise typer.Exit(1)


def give_out(
    workspace: Workspace,
    name: str,
    out: Path,
    format: str,
    query: str,
    listed: Path | None,
    portable: bool,
    escape: bool | None,
    as_json: bool,
) -> None:
    """Export, show progress, and print the report. Raises StudioError."""
    dataset = Dataset.open(workspace.dataset(name))
    with reporting() as tell:
        ids = chosen(dataset, query, listed)
        report = export_data(dataset, format, out, ids, portable=portable, escape=escape, tell=tell)
        if not as_json:
            tell.note(report.sentence())
        keep(dataset, "export-data", report)
    if as_json or report.skipped:
        typer.echo(report.model_dump_json(indent=2) if as_json else report_text(report))


def chosen(dataset: Dataset, query: str, listed: Path | None) -> list[str] | None:
    """The ids of the clips that match `query`, or that the file `listed` has; None for all. Raises StudioError."""
    if listed is not None:
        return listed_ids(dataset, listed)
    if not query:
        return None
    found = dataset.resolve(Selection(ids=None, query=query))
    if not found:
        raise DataError(f"No clip matches “{query}”.", "Try it in the Review tab first.")
    return found


def listed_ids(dataset: Dataset, listed: Path) -> list[str]:
    """The ids in the file `listed`. Raises DataError where the dataset lacks one, or the file is empty or missing."""
    if not os.path.lexists(listed):
        raise DataError(f"There is no file {listed}.", "Check the path: it should list the clips' ids, one a line.")
    ids = lines.read_bytes(listed).decode("utf-8", "replace").split()
    if not ids:
        raise DataError(f"{listed} lists no clip.", "Write the clips' ids into it, one a line.")
    known = {clip.id for clip in dataset.examples()}
    if unknown := [clip for clip in ids if clip not in known]:
        more = f" and {counted(len(unknown) - 1, 'other')}" if len(unknown) > 1 else ""
        what = f"{dataset.name} has no clip “{unknown[0][:60]}”{more}, which {listed} lists."
        raise DataError(what, "Remove them from the list, or choose the dataset that has them.")
    return ids


def as_text(found: Preview) -> str:
    """A preview for people."""
    lines = [f"{found.title} ({found.format})", ""]
    if found.columns:
        lines += [f"  {column.name} → {column.field or 'kept as it is'}" for column in found.columns] + [""]
    lines += [f"  {row.name}: {row.text or '(no label)'}" for row in found.first]
    splits = ", ".join(f"{count} {split}" for split, count in found.splits.items())
    length = f"{found.minutes:.1f} min ({splits or 'none'})"
    lines += ["", f"{found.clips:,} of {counted(found.rows, 'row')} would come in: {length}."]
    lines += found.notes
    lines += [f"{counted(found.already, 'clip is', 'clips are')} there already."] if found.already else []
    lines += (
        [f"{counted(found.skipped, 'row')} would be skipped:", *reasons_text(found.reasons)] if found.skipped else []
    )
    return "\n".join(lines)


def report_text(report: ImportReport | ExportReport) -> str:
    """The reasons of a report; its sentence was printed already."""
    return "\n".join(reasons_text(report.reasons))


def reasons_text(groups: list[SkipGroup]) -> list[str]:
    """A line for each reason, the most frequent first."""
    rows = [f"  {group.count} × {group.reason} ({', '.join(group.examples)})" for group in groups[:SHOWN]]
    return rows + ([f"  and {counted(len(groups) - SHOWN, 'other reason')}"] if len(groups) > SHOWN else [])

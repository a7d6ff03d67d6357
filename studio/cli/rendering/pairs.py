"""Import and export of typing pairs in the terminal."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import typer

from studio.cli.rendering import datasets
from studio.config import Kind
from studio.data.formats.base import Refused
from studio.data.formats.plan import ImportPlan
from studio.data.manifest import Dataset
from studio.data.pair_files import reading
from studio.data.pair_files.exporting import export_pairs
from studio.data.pair_files.importing import import_pairs
from studio.runs.tasks import reporting
from studio.workspace import Workspace

SHOWN = 5  # rows of a preview


def are_meant(workspace: Workspace, name: str, plan: ImportPlan, kind: Kind | None) -> bool:
    """Whether an import into the dataset `name` is one of pairs: by the dataset, by `kind`, or by what is imported.

    Raises DataError where the dataset is of another kind than `kind`.
    """
    dataset = Dataset(workspace.dataset(name))
    if dataset.manifest.exists():
        dataset.must_be(kind or dataset.kind)
        return dataset.kind == "typing"
    return kind == "typing" or (kind is None and all(map(reading.holds_pairs, plan.paths)))


def take_in(workspace: Workspace, name: str, plan: ImportPlan, *, dry_run: bool, as_json: bool) -> None:
    """Import pairs, show progress, and print the report; or only the first rows. Raises StudioError."""
    dataset = Dataset(workspace.dataset(name))
    if dry_run:
        for path in plan.paths:
            for row in islice(reading.rows(path, plan.reading), SHOWN):
                said = f"{row.what} {row.remedy}" if isinstance(row, Refused) else f"{row.typed} → {row.text}"
                typer.echo(f"{row.name}: {said}")
        return
    with reporting() as tell:
        report = import_pairs(dataset, plan.paths, plan.reading, tell)
        if not as_json:
            tell.note(report.sentence())
        datasets.keep(dataset, "import", report)
    if as_json or report.skipped:
        text = "\n".join(datasets.reasons_text(report.reasons))
        typer.echo(report.model_dump_json(indent=2) if as_json else text)
    datasets.end_where_nothing_is_done(report.added + report.already)


def give_out(
    workspace: Workspace, name: str, out: Path, format: str, query: str, listed: Path | None, as_json: bool
) -> None:
    """Export pairs, and print the report. Raises StudioError."""
    dataset = Dataset.open(workspace.dataset(name))
    report = export_pairs(dataset, format, out, datasets.chosen(dataset, query, listed))
    typer.echo(report.model_dump_json(indent=2) if as_json else report.sentence())

"""How often a run's model would cut a caller off, and pause heads that do so less."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from studio.cli.app import AsJson, Device, RunName, app
from studio.workspace import Workspace


@app.command("cut-offs")
def cut_offs(
    run: RunName,
    head: Annotated[int, typer.Option(help="Of a Kyutai model: the pause head, 0 to 3 (0.5, 1, 2, 3 s).")] = 2,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Of a Kyutai model: the probability at which a client ends the turn.")
    ] = 0.5,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Count the held-out numbers in which a listening program would have cut the speaker off, before and after."""
    from studio.inference.cut_offs import measure
    from studio.reports.markdown import write_report
    from studio.runs import listing

    workspace = Workspace.here()
    folder = listing.existing(workspace, run)
    report = measure(workspace, folder, head, threshold, device)
    write_report(folder)
    typer.echo(report.model_dump_json(indent=2) if as_json else report.as_text())


@app.command("tune-pauses")
def tune_pauses(run: RunName, device: Device = "auto", as_json: AsJson = False) -> None:
    """Train the pause heads of a Kyutai run on its clips: they wait for a whole number. Its text stays the same."""
    from studio.runs import listing, tasks
    from studio.train.pause_heads import train

    workspace = Workspace.here()
    folder = listing.existing(workspace, run)
    with tasks.reporting(" clips") as tell:
        report = train(workspace, folder, device, partial(tell, "reading"))
    typer.echo(json.dumps(asdict(report), indent=2) if as_json else report.as_text())
    typer.echo(f"Count the cut-offs again: studio cut-offs {run}", err=True)

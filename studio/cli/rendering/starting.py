"""A run that begins, at once or in its turn; and the runs that wait."""

from __future__ import annotations

import json
from collections.abc import Sequence

from studio.cli.rendering.follow import Say
from studio.config import TrainConfig
from studio.errors import BusyError
from studio.runs import control, queue
from studio.runs.folder import RunFolder
from studio.workspace import Workspace


def at_once(workspace: Workspace, config: TrainConfig, name: str | None, say: Say, on: str) -> RunFolder:
    """Start a run that will be followed. Raises BusyError, which says how to wait, and as `start`."""
    try:
        folder = control.start_training(workspace, config, name, on)
    except BusyError as error:
        raise BusyError(error.what, "Add --queue to wait for it, or end it with `studio stop`.") from error
    say(f"Run {folder.name} has started.")
    return folder


def in_turn(workspace: Workspace, config: TrainConfig, name: str | None, say: Say, on: str) -> RunFolder:
    """Start a run, or let it wait behind the others, and say which. Raises as `studio.runs.queue.submit`."""
    place = queue.submit(workspace, config, name, on)
    run = place.folder.name
    if place.position:
        say(f"Run {run} waits in place {place.position}; it starts by itself. `studio queue` lists the queue.")
    else:
        say(f"Run {run} has started. `studio runs` shows its state.")
    return place.folder


def waiting_as_text(workspace: Workspace) -> str:
    """What is going on, and what waits for it, a line each."""
    going, runs = control.active(workspace), queue.waiting(workspace)
    if not runs:
        return (
            "No runs are waiting. `studio train DATASET --queue` starts one, or lets it wait while another is going on."
        )
    first = [f"{going.name} is going on."] if going else []
    return "\n".join([*first, *_rows(runs)])


def waiting_as_json(workspace: Workspace) -> str:
    """The runs that wait, the next one first."""
    runs = queue.waiting(workspace)
    found = [{"name": run.name, **run.job.about, "settings": run.settings} for run in runs]
    return json.dumps(found, indent=2, ensure_ascii=False)


def _rows(runs: Sequence[queue.Waiting]) -> list[str]:
    width = max(len(run.name) for run in runs)
    return [
        f"{place:>3}  {run.name.ljust(width)}  {run.job.about['model']} on {run.job.about['dataset']}"
        + (f"  {run.settings}" if run.settings else "")
        for place, run in enumerate(runs, 1)
    ]

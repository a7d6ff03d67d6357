"""A run in the terminal: its events as lines, Ctrl-C as stop-and-save."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from studio import events, jobs
from studio.config import TrainConfig
from studio.errors import ConfigError, JobError
from studio.run_folder import RunFolder
from studio.train.ranks import Alone
from studio.workspace import Workspace

Say = Callable[[str], object]

POLL_SECONDS = 0.2  # a person does not notice; a file's size costs nothing to ask
PROGRESS_EVERY = 10  # steps between two lines


def follow(folder: RunFolder, say: Say) -> None:
    """Print a run's events until it ends.

    The first Ctrl-C asks it to stop and save and goes on following; the second leaves it to itself.
    Raises JobError where the run failed.
    """
    position, asked = 0, False
    while True:
        try:
            position = _catch_up(folder, position, say)
            if (state := jobs.state(folder)).is_over:
                _catch_up(folder, position, say)
                if state.status == "failed":
                    raise JobError(f"The run {folder.name} failed.", f"{folder.log} has the details.")
                if state.status == "finished" and folder.tuned.is_file():
                    say(verdict_on(folder))
                return
            time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            if asked:
                say(f"The run goes on by itself: `studio runs` lists it, `studio stop {folder.name}` stops it.")
                return
            asked = True
            jobs.stop(folder, "save")
            say("Stopping after this step, then saving and scoring. Ctrl-C once more to leave it to itself.")


def verdict_on(folder: RunFolder) -> str:
    """What the held-out clips say about a finished run, and its alarms where tuning made them worse."""
    from studio.results.result import result_of

    result = result_of(folder)
    return " ".join([result.verdict.sentence, *([result.alarm] if result.worse_alarms else [])])


def train_in_foreground(workspace: Workspace, config: TrainConfig, name: str, on: str) -> None:
    """Train here, or on the cluster at `on`. Raises StudioError where it fails."""
    if on:
        train_there(workspace, config, name, on)
    else:
        train_here(workspace, config, name)


def train_here(workspace: Workspace, config: TrainConfig, name: str, ranks: Alone | None = None) -> None:
    """Train in this process, its events going to the run's log: what a job runs inside its supervisor.

    A run that has begun already goes on from its last checkpoint. With `ranks` other processes share its steps.
    Raises StudioError where it fails.
    """
    from studio.train.finetune import run

    folder = RunFolder(workspace.run(name))
    folder.path.mkdir(parents=True, exist_ok=True)
    with folder.events.open("a", encoding="utf-8") as log:
        for event in run(config, folder, resume=folder.config.is_file(), ranks=ranks):
            events.write(log, event)
            if text := line(event):
                print(text, flush=True)


def train_there(workspace: Workspace, config: TrainConfig, name: str, address: str) -> None:
    """Train on the cluster at `address`, its story going to the run's log: what a job runs inside its supervisor.

    A run that has begun already is taken up, or goes on from its last checkpoint. Raises StudioError where it fails.
    """
    from studio.cluster import follower
    from studio.cluster.ray_jobs import RayCluster

    folder = RunFolder(workspace.run(name))
    folder.path.mkdir(parents=True, exist_ok=True)
    with folder.events.open("a", encoding="utf-8") as log:
        for event in follower.run(config, folder, lambda: RayCluster(address), print_at_once):
            events.write(log, event)
            if text := line(event):
                print_at_once(text)


def sky_task(workspace: Workspace, config: TrainConfig, name: str | None, on: str, dry_run: bool) -> str:
    """Write a task for SkyPilot; what it says, and where it lies. Raises ConfigError where that was not asked for."""
    from studio.cluster import address, sky

    if on != address.SKY:
        raise ConfigError("--dry-run only goes with --on sky.", "Leave it out, or add --on sky.")
    if not dry_run:
        raise ConfigError(
            "The studio starts no machines that cost money.",
            "Add --dry-run: it writes a task file, which `sky launch` starts.",
        )
    path = sky.write_task(workspace, config, name)
    return f"{path.read_text()}# Written to {path}."


def print_at_once(text: str) -> None:
    """Print `text` where a log is followed."""
    print(text, flush=True)


def _catch_up(folder: RunFolder, position: int, say: Say) -> int:
    """Say what came after byte `position` of the log; returns the new position."""
    for end, event in events.read(folder.events, position):
        position = end
        if text := line(event):
            say(text)
    return position


def line(event: events.Event) -> str | None:
    """What a person reads of `event` in a terminal, if anything."""
    match event:
        case events.Started():
            return _plan(event)
        case events.StepDone(step=step) if step % PROGRESS_EVERY == 0:
            speed = f"{event.clips_per_second:.1f} clips/s  {event.seconds:.0f} s"
            return f"step {step:>5}  loss {event.loss:.3f}  {speed}"
        case events.Evaluated(step=step, split=split):
            star = "  ← best so far" if event.best else ""
            known = "" if event.general_wer is None else f"; general WER {event.general_wer:.1%}"
            return (
                f"step {step:>5}  {split} WER {event.wer:.1%}, CER {event.cer:.1%} ({event.clips} clips){known}{star}"
            )
        case events.Warned():
            return f"Note: {event.message}"
        case events.Stopped():
            return f"Stopped at step {event.step}: {event.reason}."
        case events.Failed():
            return f"Failed: {event.message} {event.remedy}".rstrip()
        case events.Finished():
            change = f"WER {percent(event.wer_before)} → {percent(event.wer_after)} on the held-out clips"
            return f"Finished in {event.seconds:.0f} s: {change}."
    return None


def _plan(event: events.Started) -> str:
    clips = f"{event.train_clips} clips to learn from ({event.train_seconds / 60:.1f} min), "
    clips += f"{event.validation_clips} to validate, {event.test_clips} to test"
    parameters = f"{event.trainable_parameters:,} of {event.total_parameters:,} parameters are trained"
    resumed = f" It goes on from step {event.resumed_from}." if event.resumed_from else ""
    device = f"{event.processes} × {event.device}" if event.processes > 1 else event.device
    return f"{event.model} on {device}: {clips}; {parameters}.{resumed}"


def percent(rate: float | None) -> str:
    """A rate as a person reads it; a dash where there is none."""
    return "–" if rate is None else f"{rate:.1%}"


def table(runs: Sequence[jobs.RunSummary]) -> str:
    """The runs, a line each."""
    if not runs:
        return "No runs yet. Record some clips (`studio record`), then `studio train <dataset>`."
    rows = [("RUN", "STATE", "MODEL", "DATASET", "WER BEFORE", "AFTER")]
    rows += [
        (run.name, run.status, run.model, run.dataset, percent(run.wer_before), percent(run.wer_after)) for run in runs
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def fetch(model: str, say: Say) -> None:
    """Download `model` from the Hub, with progress. Raises ModelError."""
    from studio.models import fetch as download

    shown = -1

    def progress(done: int, total: int) -> None:
        nonlocal shown
        percentage = 100 * done // max(total, 1)
        if percentage != shown:
            shown = percentage
            say(f"{percentage:>3} %  {done / 1e6:.0f} of {total / 1e6:.0f} MB")

    say(f"{model} is in {download(model, progress)}.")

"""A run in the terminal: its events as lines, Ctrl-C as stop-and-save."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psutil

from studio.config import TrainConfig
from studio.errors import ConfigError, JobError
from studio.progress import OnProgress
from studio.runs import control, events, listing
from studio.runs.folder import RunFolder
from studio.text import counted
from studio.train.ranks import SingleProcess
from studio.workspace import Workspace

Say = Callable[[str], object]

POLL_SECONDS = 0.2  # a person does not notice; a file's size costs nothing to ask
_TOO_LITTLE = 100_000  # bytes: not even a run's log goes on with so few
_BY_SIGNAL = 128  # added to a signal's number: the exit code that shells use
PROGRESS_EVERY = 10  # steps between two lines


class Terminated(KeyboardInterrupt):
    """SIGTERM: what a service manager or a closing session sends in place of Ctrl-C."""


def follow(folder: RunFolder, say: Say) -> None:
    """Print a run's events until it ends.

    The first Ctrl-C or SIGTERM asks it to stop and save and goes on following; the second leaves it to itself. Either
    way the process then ends with 130 or 143. Raises JobError where the run left no result.
    """
    position, asked_by = 0, 0
    with _sigterm_as_ctrl_c():
        while True:
            try:
                position = _catch_up(folder, position, say)
                if (state := control.state(folder)).is_over:
                    _catch_up(folder, position, say)
                    break
                time.sleep(POLL_SECONDS)
            except KeyboardInterrupt as request:
                number = signal.SIGTERM if isinstance(request, Terminated) else signal.SIGINT
                if asked_by:
                    say(f"The run continues by itself: `studio runs` lists it, `studio stop {folder.name}` stops it.")
                    raise SystemExit(_BY_SIGNAL + number) from None
                asked_by = number
                _ask_to_save(folder, say)
    if folder.done.is_file() and folder.tuned.is_file():
        say(verdict_on(folder))
    if asked_by:
        raise SystemExit(_BY_SIGNAL + asked_by)
    _check_result(folder, state)


def _ask_to_save(folder: RunFolder, say: Say) -> None:
    try:
        control.stop(folder, "save")
    except JobError:
        return  # it has just ended by itself
    say("Stopping after this step, then saving and scoring. Ctrl-C once more to leave it to itself.")


def _check_result(folder: RunFolder, state: control.JobState) -> None:
    """Raises JobError unless the run is whole: its adapter saved, scored and reported."""
    if folder.done.is_file():
        return
    if not folder.path.is_dir():
        what = f"{folder.path} is gone: the workspace was moved or unmounted while the run was going."
        raise JobError(what, f"Put it back, then continue: studio resume {folder.name}")
    if psutil.disk_usage(str(folder.path)).free < _TOO_LITTLE:
        what = f"The disk is full: the run {folder.name} could not go on."
        raise JobError(what, f"Free some space, then continue: studio resume {folder.name}")
    match state.status:
        case "failed":
            raise JobError(f"The run {folder.name} failed.", f"{folder.log} has the details.")
        case "stopped":
            raise JobError(f"The run {folder.name} was stopped and left no result.", "Start a new run.")
    what = f"The run {folder.name} ended before it was done: its process was killed, or could not write."
    raise JobError(what, f"Continue from its last checkpoint: studio resume {folder.name}")


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Within the block SIGTERM raises Terminated (in the main thread: Python allows it nowhere else)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def raise_it(*_: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, raise_it)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def verdict_on(folder: RunFolder) -> str:
    """What the held-out clips say about a finished run, and its alarms where tuning made them worse."""
    from studio.reports.result import result_of

    result = result_of(folder)
    return " ".join([result.verdict.sentence, *([result.alarm] if result.worse_alarms else [])])


def train_in_foreground(workspace: Workspace, config: TrainConfig, name: str, on: str) -> None:
    """Train here, or on the cluster at `on`. Raises StudioError where it fails."""
    if on:
        train_there(workspace, config, name, on)
    else:
        train_here(workspace, config, name)


def train_here(workspace: Workspace, config: TrainConfig, name: str, ranks: SingleProcess | None = None) -> None:
    """Train in this process, its events going to the run's log: what a job runs inside its supervisor.

    A run that has begun already goes on from its last checkpoint. With `ranks` other processes share its steps.
    Raises StudioError where it fails, SystemExit where SIGTERM ended it.
    """
    from studio.train.finetune import run

    folder = RunFolder(workspace.run(name))
    event = None
    with events.appending(folder.events) as write:
        for event in run(config, folder, workspace, resume=folder.has_begun, ranks=ranks):
            write(event)
            if text := line(event):
                print(text, flush=True)
    if isinstance(event, events.Stopped) and event.reason == "interrupted":
        raise SystemExit(_BY_SIGNAL + signal.SIGTERM)


def train_there(workspace: Workspace, config: TrainConfig, name: str, address: str) -> None:
    """Train on the cluster at `address`, its story going to the run's log: what a job runs inside its supervisor.

    A run that has begun is followed again, or resumes from its last checkpoint. Raises StudioError where it fails.
    """
    from studio.cluster import follower
    from studio.cluster.ray_jobs import RayCluster

    folder = RunFolder(workspace.run(name))
    with events.appending(folder.events) as write:
        for event in follower.run(config, folder, workspace, lambda: RayCluster(address), print_at_once):
            write(event)
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
            rates = [f"WER {event.wer:.1%}", f"CER {event.cer:.1%}"]
            scores = ", ".join(rates[::-1] if event.unit == "character" else rates)
            return f"step {step:>5}  {split} {scores} ({counted(event.clips, 'clip')}){known}{star}"
        case events.Warned():
            return f"Note: {event.message}"
        case events.Stopped():
            return f"Stopped at step {event.step}: {event.reason}."
        case events.Failed():
            return f"Failed: {event.message} {event.remedy}".rstrip()
        case events.Finished():
            of_words = f"WER {percent(event.wer_before)} → {percent(event.wer_after)}"
            of_characters = f"CER {percent(event.cer_before)} → {percent(event.cer_after)}"
            change = f"{of_characters if event.unit == 'character' else of_words} on the held-out clips"
            return f"Finished in {event.seconds:.0f} s: {change}."
    return None


def _plan(event: events.Started) -> str:
    clips = f"{counted(event.train_clips, 'clip')} to learn from ({event.train_seconds / 60:.1f} min), "
    clips += f"{event.validation_clips} to validate, {event.test_clips} to test"
    parameters = f"{event.trainable_parameters:,} of {event.total_parameters:,} parameters are trained"
    resumed = f" It goes on from step {event.resumed_from}." if event.resumed_from else ""
    device = f"{event.processes} × {event.device}" if event.processes > 1 else event.device
    return f"{event.model} on {device}: {clips}; {parameters}.{resumed}"


def percent(rate: float | None) -> str:
    """A rate as a person reads it; a dash where there is none."""
    return "–" if rate is None else f"{rate:.1%}"


def table(runs: Sequence[listing.RunSummary]) -> str:
    """The runs, a line each."""
    if not runs:
        return "No runs yet. Record some clips (`studio record`), then `studio train <dataset>`."
    rows = [("RUN", "STATE", "MODEL", "DATASET", "ERRORS BEFORE", "AFTER", "")]
    rows += [
        (run.name, run.status, run.model, run.dataset, percent(run.before), percent(run.after), run.rate)
        for run in runs
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def megabytes(say: Say) -> OnProgress:
    """Says how many bytes are done, once for each percent."""
    shown = -1

    def progress(done: int, total: int) -> None:
        nonlocal shown
        percentage = 100 * done // max(total, 1)
        if percentage != shown:
            shown = percentage
            say(f"{percentage:>3} %  {done / 1e6:.0f} of {total / 1e6:.0f} MB")

    return progress


def fetch(model: str, say: Say) -> None:
    """Download `model`, with progress, and say where it came from. Raises ModelError."""
    from studio.models import fetch as download
    from studio.models.makers_package import PACKAGE, is_packaged

    folder = download(model, megabytes(say))
    if is_packaged(folder):
        say(f"The Hub cannot be reached: {model} came out of its makers' package {PACKAGE} instead.")
        say("Its weights have 8 bits there, made fp32 again: a little worse than the Hub's.")
    say(f"{model} is in {folder}.")

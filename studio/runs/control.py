"""Start, watch, stop and resume a run that goes on without us."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

import psutil
from pydantic import BaseModel, ConfigDict

from studio.config import TrainConfig
from studio.errors import DiskError, JobError
from studio.runs import processes, ready
from studio.runs.ending import last_events, last_word, mend, was_stopped
from studio.runs.events import Failed, Finished, Stopped
from studio.runs.folder import JobFolder, RunFolder, StopRequest
from studio.runs.processes import Job
from studio.workspace import Workspace, disk_errors

Status = Literal["none", "running", "stopping", "stopped", "interrupted", "failed", "finished"]
_POLL = 0.05  # seconds
_ORPHAN_GRACE = 10.0  # seconds for a trainer without supervisor to write its checkpoint


class JobState(BaseModel):
    """The state of a run, read from its folder and from the system, never remembered."""

    model_config = ConfigDict(frozen=True)

    status: Status
    pid: int | None = None  # of the process that works
    started_at: float | None = None  # seconds since the epoch; the last start, of a resumed run
    ended_at: float | None = None

    @property
    def is_over(self) -> bool:
        return self.status not in ("running", "stopping")


def state(folder: JobFolder) -> JobState:
    """The state of the run in `folder`."""
    job = Job.read(folder)
    if job is None:
        return JobState(status=_ended(folder, None))
    orphan = job.child is not None and job.ended_at is None and job.child.process() is not None
    if processes.holder(folder.path.parent) == folder.name:
        status: Status = "stopping" if folder.stop_request() else "running"
    else:
        status = "stopping" if orphan else _ended(folder, job)
    pid = job.child.pid if job.child else None
    return JobState(status=status, pid=pid, started_at=job.started_at, ended_at=job.ended_at)


def _ended(folder: JobFolder, job: Job | None) -> Status:
    word = last_word(last_events(folder, job.events_offset if job else 0))
    exited_well = job is not None and job.exit_code == 0
    match word:
        case Finished():
            return "stopped" if was_stopped(folder) else "finished"
        case Failed():
            return "failed"
        case Stopped(reason="discard"):
            return "stopped"
        case Stopped(reason="stop and save" | "early stop") if exited_well:
            return "stopped"
        case None if exited_well:
            return "finished"
        case None if job is None:
            return "none"
    return "interrupted"


def active(workspace: Workspace) -> RunFolder | None:
    """The run that is going on now, if any."""
    name = processes.holder(workspace.outputs)
    return RunFolder(workspace.outputs / name) if name else None


def latest(outputs: Path) -> JobFolder | None:
    """The run in `outputs` that was started last, if any, going on or not."""
    folder = JobFolder(outputs / processes.last_claimed(outputs))
    return folder if folder.job.is_file() else None


def start(folder: JobFolder, command: list[str], about: Mapping[str, str] | None = None) -> None:
    """Run `command` under a supervisor of its own, which writes down in `folder` how it goes.

    `command` is a whole argument list; `about` is what a list of runs shows of it. Returns once the supervisor
    is up. A workspace has one active run at a time: raises BusyError, naming it, where there is another; DiskError.
    """
    with processes.claim(folder.path.parent) as lock:
        start_holding(lock, folder, Job(command=command, folder=str(Path.cwd()), about=dict(about or {})))


def start_holding(lock: int, folder: JobFolder, job: Job) -> None:
    """Start `job` in `folder` as `start` does, for a caller who holds the right to run: the descriptor `lock`."""
    with disk_errors(folder.path):
        folder.path.mkdir(exist_ok=True)
    _launch(folder, job, lock)


def start_training(workspace: Workspace, config: TrainConfig, name: str | None = None, on: str = "") -> RunFolder:
    """Start a fine-tune in a fresh folder, called `name` or after its dataset (`numbers-0001`).

    With `on`, the address of a cluster, the process that is started here follows the run that goes on there.
    Raises BusyError where a run is going on, JobError where `name` is taken, ConfigError where it cannot be a name,
    DiskError.
    """
    with processes.claim(workspace.outputs) as lock, laid_out(workspace, config, name) as folder:
        _launch(folder, training(config, folder.name, on), lock)
    return folder


def training(config: TrainConfig, name: str, on: str = "") -> Job:
    """The job that fine-tunes by `config`, as the run `name`: here, or on the cluster at `on`.

    Its command names no setting: the trainer reads them in the run's folder, where `laid_out` wrote them.
    """
    where = ["--on", on] if on else []
    command = [sys.executable, "-m", "studio", "train", *where, "--name", name, "--foreground", "--", config.dataset]
    about = {"model": config.model, "dataset": Path(config.dataset).name}
    return Job(command=command, folder=str(Path.cwd()), about=about)


def resume(folder: RunFolder) -> None:
    """Start the same command again; a training goes on from its last checkpoint.

    Raises JobError where a run is going on, or where there is nothing to go on with.
    """
    with processes.claim(folder.path.parent) as lock:
        job = Job.read(folder)
        if job is None:
            raise JobError(f"The run “{folder.name}” was not started from here.", "Start a new run.")
        if folder.done.is_file() or _ended(folder, job) == "finished":
            raise JobError(f"The run “{folder.name}” has finished.", "Start a new run.")
        _launch(folder, Job(command=_by_name(job.command, folder.name), folder=job.folder, about=job.about), lock)


def _by_name(command: list[str], name: str) -> list[str]:
    """`command` with the run's own name, which may have been renamed since."""
    if "--name" not in command:
        return command
    place = command.index("--name") + 1
    return [*command[:place], name, *command[place + 1 :]]


def stop(folder: JobFolder, how: StopRequest) -> None:
    """Ask the run to end: `save` keeps and scores what it learnt, `discard` does not. Returns at once.

    Raises JobError where it is not going on.
    """
    if how not in get_args(StopRequest):
        raise JobError(f"A run cannot be stopped by “{how}”.", "Use save or discard.")
    if processes.holder(folder.path.parent) == folder.name:
        folder.request_stop(how)
    elif not _sweep_orphan(folder):
        raise JobError(f"The run “{folder.name}” is not going on.")


def training_folder(workspace: Workspace, config: TrainConfig, name: str | None = None) -> RunFolder:
    """The folder of the run `name` where it has begun; else a fresh one. Raises JobError, ConfigError, DiskError."""
    begun = RunFolder(workspace.run(name)) if name else None
    if begun and (begun.has_begun or begun.job.is_file()):
        return begun
    with laid_out(workspace, config, name) as folder:
        return folder


@contextmanager
def laid_out(workspace: Workspace, config: TrainConfig, name: str | None) -> Iterator[RunFolder]:
    """A fresh folder with the run's settings in it; removed again where the disk refuses something within the block.

    Raises JobError, ConfigError, DiskError.
    """
    folder = fresh_folder(workspace, config.dataset, name)
    try:
        folder.keep_settings(
            config.model_copy(
                update={name: workspace.lasting_dataset(getattr(config, name)) for name in ("dataset", "replay")}
            )
        )
        yield folder
    except (DiskError, OSError):
        shutil.rmtree(folder.path, ignore_errors=True)
        raise


def fresh_folder(workspace: Workspace, dataset: str, name: str | None) -> RunFolder:
    """A new empty folder for a run, called `name` or after its dataset. Raises JobError, ConfigError, DiskError."""
    if name is None:
        stem = re.sub(r"[^\w\-]+", "-", Path(dataset).name).strip("-_")[:48] or "run"
        taken = [path.name for path in workspace.outputs.glob(f"{stem}-*")]
        taken += [path.name for path in workspace.outputs.glob(f".trash/*/{stem}-*")]
        numbers = [int(found[1]) for other in taken if (found := re.search(r"-(\d{4,9})$", other))]
        name = f"{stem}-{max(numbers, default=0) + 1:04d}"
    folder = RunFolder(workspace.run(name))
    if folder.path.exists():
        raise JobError(f"There is a run “{name}” already.", "Choose another name, or resume that run.")
    with disk_errors(folder.path):
        folder.path.mkdir(parents=True)
    return folder


def _launch(folder: JobFolder, job: Job, lock: int) -> None:
    if previous := processes.last_claimed(folder.path.parent):
        _sweep_orphan(JobFolder(folder.path.parent / previous))
    folder.clear_stop_request()  # before it can be asked anew: who reads the name may stop the run
    with disk_errors(folder.events):
        processes.sign(lock, folder.name)
        offset = mend(folder.events)
    job.model_copy(update={"events_offset": offset}).write(folder)
    with disk_errors(folder.log), folder.log.open("ab") as log:
        if job.is_training and ready.shared().hand_over(folder, lock, log.fileno()):
            return
        launched = subprocess.run(
            [sys.executable, "-m", "studio.runs.supervisor", str(folder.path)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[lock], start_new_session=True,
        )  # fmt: skip
    if launched.returncode:
        raise JobError(f"The run “{folder.name}” could not be started.", f"{folder.log} says why.")


def _sweep_orphan(folder: JobFolder) -> bool:
    """End a trainer whose supervisor was killed; whether there was one. Never another process of the same number."""
    job = Job.read(folder)
    process = job.child.process() if job and job.child and job.ended_at is None else None
    if process is None:
        return False
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return True
    end(family, _ORPHAN_GRACE)
    return True


def end(processes: list[psutil.Process], grace: float) -> None:
    """Ask `processes` to end, and after `grace` seconds kill those that have not. Numbers used again are spared."""
    for process in processes:
        _signal(process, kill=False)
    for process in (alive := _still_alive(processes, grace)):
        _signal(process, kill=True)
    _still_alive(alive, grace)


def _still_alive(processes: list[psutil.Process], grace: float) -> list[psutil.Process]:
    """Those of `processes` that have not ended after `grace` seconds; children of ours are reaped."""
    deadline = time.monotonic() + grace
    while True:
        _, alive = psutil.wait_procs(processes, timeout=_POLL)
        alive = [process for process in alive if not _is_zombie(process)]
        if not alive or time.monotonic() > deadline:
            return alive


def _is_zombie(process: psutil.Process) -> bool:
    """Whether it has ended and its parent has not asked how: in a container perhaps none ever will."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:
        return

"""A run that several processes share: what each of them does whom `accelerate launch -m studio train …` started."""

from __future__ import annotations

import signal

from studio.cli.rendering.follow import train_here
from studio.config import TrainConfig
from studio.errors import JobError
from studio.evaluation.evaluate import open_dataset
from studio.models import pick_device
from studio.runs import control, foreground
from studio.runs.ending import append, is_final, last_events, last_word
from studio.runs.events import Failed
from studio.runs.folder import RunFolder
from studio.train.ranks import DistributedProcess
from studio.workspace import Workspace

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def train_together(workspace: Workspace, config: TrainConfig, name: str | None) -> None:
    """Lead the run, or follow the process that does. A run `name` that has begun goes on from its last checkpoint.

    Raises StudioError: in the leader what the run failed of, in the others JobError where the leader is gone.
    """
    ranks = DistributedProcess(pick_device(config.device))
    if ranks.rank:
        _follow(ranks, workspace)
    else:
        with ranks.leading():
            _lead(ranks, workspace, config, name)


def _lead(ranks: DistributedProcess, workspace: Workspace, config: TrainConfig, name: str | None) -> None:
    """As a run under a supervisor: the page shows it and can stop it, and `studio resume` takes it up alone."""
    signal.signal(signal.SIGINT, lambda *_: signal.raise_signal(signal.SIGTERM))  # Ctrl-C writes a checkpoint
    open_dataset(workspace, config.dataset)  # a name that is not there is said before a folder is made
    folder = control.training_folder(workspace, config, name)
    job = control.training(config, folder.name)
    with foreground.in_foreground(folder, job.command, job.about):
        ranks.send(folder.name)
        train_here(workspace, config, folder.name, ranks)


def _follow(ranks: DistributedProcess, workspace: Workspace) -> None:
    """Until the leader is done. A launcher that is stopped signals every process: the leader alone decides how."""
    from studio.train.follower import follow

    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    name: str | None = ranks.receive()
    if name is None:
        return
    try:
        follow(ranks, workspace)
    except JobError as error:
        if ranks.rank == 1:
            _speak_for_the_leader(RunFolder(workspace.outputs / name), error)
        raise


def _speak_for_the_leader(folder: RunFolder, error: JobError) -> None:
    """Write why the run ended, where a leader that was killed no longer could."""
    if folder.events.is_file() and not is_final(last_word(last_events(folder)), 1):
        append(folder, Failed(message=error.what, remedy=error.remedy))

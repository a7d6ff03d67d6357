"""`python -m studio.cluster.worker` on a cluster, in the folder that `package.py` describes: runs it, and reports.

The run is the same as at home, in a workspace of its own that vanishes with it. SIGINT asks it to stop and save;
SIGTERM, of a machine that is taken away, makes it write a checkpoint, which then goes home.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from studio.cluster.frames import Sender
from studio.cluster.package import SentJob
from studio.config import TrainConfig
from studio.errors import ModelError, StudioError
from studio.runs.events import CheckpointSaved, Evaluated, Event, Failed, Finished, Started, Stopped
from studio.runs.folder import RunFolder
from studio.train.progress import Progress
from studio.workspace import ENVIRONMENT_VARIABLE, Workspace

RATE = 250_000  # bytes a second that checkpoints may take on average: a gigabyte of log in an hour at the most


class EventSender:
    """Sends home what happens in a run's folder, each file before the event that speaks of it."""

    def __init__(self, folder: RunFolder, sender: Sender, now: Callable[[], float] = time.monotonic) -> None:
        self.folder, self.sender, self._now = folder, sender, now
        self._sent: dict[Path, tuple[int, int]] = {}  # files: their time (ns) and size when they were sent
        self._checkpoints = {path.name for path in folder.checkpoints.glob("step-*")}  # what came from home is there
        self._next_checkpoint = now()

    def tell(self, event: Event) -> None:
        """Pass `event` on, with what belongs to it. A checkpoint that is not due yet is passed over in silence."""
        match event:
            case CheckpointSaved():
                if self._now() < self._next_checkpoint:
                    return
                self._send_checkpoints()
            case Stopped(reason="interrupted"):
                return self._send_checkpoints()  # the run goes on elsewhere: at home it has not stopped
            case Started() | Evaluated(split="test"):
                self._send_files()
            case Finished():
                self._send_results()
        self.sender.event(event)

    def _send_files(self) -> None:
        own = self.folder
        for path in (own.config, own.manifest, own.general, own.baseline, own.general_baseline, own.short_baseline):
            self._send_file(path)

    def _send_file(self, path: Path) -> None:
        if not path.is_file():
            return
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        if self._sent.get(path) != stamp:
            self.sender.file(self.folder.path, path)
            self._sent[path] = stamp

    def _send_checkpoints(self) -> None:
        """The newest checkpoint, and the best, which a resume needs as well."""
        found = sorted(self.folder.checkpoints.glob("step-*"), key=lambda path: int(path.name[5:]))
        if not found:
            return
        kept = [path for path in found if path == found[-1] or path.name == _best(found[-1])]
        for path in kept:
            if path.name not in self._checkpoints:
                self.sender.folder(self.folder.path, path, keep=[each.name for each in kept])
                self._checkpoints.add(path.name)
        size = sum(path.stat().st_size for path in found[-1].iterdir())
        self._next_checkpoint = self._now() + size / RATE

    def _send_results(self) -> None:
        own = self.folder
        self._send_checkpoints()
        for folder in (own.adapter, own.processor):
            self.sender.folder(own.path, folder)
        self._send_files()
        for path in (
            own.heldout_manifest,
            own.short_manifest,
            own.tuned,
            own.general_tuned,
            own.short_tuned,
            own.report,
        ):
            self._send_file(path)
        self._send_file(own.done)


def _best(checkpoint: Path) -> str:
    """The name of the best checkpoint so far, which `checkpoint` knows; empty where none was scored."""
    progress = Progress.model_validate(json.loads((checkpoint / "state.json").read_text())["progress"])
    return f"step-{progress.best.step:06d}" if progress.best else ""


def run(job: SentJob, sent: Path, root: Path, sender: Sender) -> None:
    """Run `job`, of which the clips and what was done before lie in `sent`, in the workspace `root`.

    Raises StudioError, which was reported before.
    """
    from studio.train import finetune

    (root / "recordings").symlink_to(sent / "recordings")
    folder = RunFolder(root / "outputs" / job.run)
    shutil.copytree(sent / "run", folder.path) if (sent / "run").is_dir() else folder.path.mkdir(parents=True)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # Ray blocks it in what it starts
    signal.signal(signal.SIGINT, lambda *_: folder.request_stop("save"))
    teller = EventSender(folder, sender)
    try:
        _fetch_model(job.config)
    except StudioError as error:
        sender.event(Failed(message=error.what, remedy=error.remedy))
        raise
    for event in finetune.run(job.config, folder, Workspace(root), resume=folder.has_begun):
        teller.tell(event)


def _fetch_model(config: TrainConfig) -> None:
    """Have a model of the Hub on this machine's disk. Raises ModelError, DiskError."""
    from studio.models import fetch
    from studio.models.catalogue import locate

    try:
        locate(config.model)
    except ModelError:
        fetch(config.model)


def _write(line: bytes) -> None:
    os.write(sys.stdout.fileno(), line)


def main() -> None:
    """Run the job that lies in the current folder."""
    sent = Path.cwd()
    job = SentJob.model_validate_json((sent / "job.json").read_bytes())
    with tempfile.TemporaryDirectory(prefix="studio-") as root:
        os.environ[ENVIRONMENT_VARIABLE] = root
        try:
            run(job, sent, Path(root).resolve(), Sender(_write))
        except StudioError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()

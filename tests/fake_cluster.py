"""A cluster without Ray: each job is a process here, in a folder of its own that holds nothing but what was sent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from studio.cluster.follower import ClusterJobState
from studio.config import TrainConfig
from studio.errors import JobError, UnreachableError

MOMENT = 0.02  # seconds


@dataclass
class FakeCluster:
    """What the follower knows as a cluster; `place` keeps each job's folder and log."""

    place: Path
    address: str = "http://fake:8265"
    jobs: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    silent: int = 0  # calls that are not answered, from now on

    def submit(self, archive: Path, run: str, config: TrainConfig) -> str:
        job = f"job-{len(self.jobs) + 1}"
        folder = self.place / job
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "STUDIO"))}
        with (self.place / f"{job}.log").open("wb") as log:
            command = [sys.executable, "-m", "studio.cluster.worker"]
            self.jobs[job] = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
        return job

    def tail(self, job: str) -> Iterator[str]:
        self._answer()
        with (self.place / f"{job}.log").open() as log:
            while True:
                has_ended = self.jobs[job].poll() is not None
                if piece := log.read(20_000):
                    yield piece
                elif has_ended:
                    return
                else:
                    yield ""
                    time.sleep(MOMENT)

    def standing(self, job: str) -> ClusterJobState:
        self._answer()
        if job not in self.jobs:
            raise JobError(f"There is no job {job}.")
        code = self.jobs[job].poll()
        state = "running" if code is None else "ended"
        return ClusterJobState(
            state=state, is_lost=code is not None and code < 0, message="The machine 10.0.0.7 was lost."
        )

    def stop(self, job: str) -> None:
        self._answer()
        self.jobs[job].send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Lose the machine of the last job."""
        list(self.jobs.values())[-1].kill()

    def close(self) -> None:
        """Leave nothing running."""
        for process in self.jobs.values():
            process.kill()
            process.wait()

    def _answer(self) -> None:
        if self.silent:
            self.silent -= 1
            raise UnreachableError("No cluster answers.")

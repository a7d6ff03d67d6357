"""`studio ui` in seconds instead of minutes: every training is the fake trainer, every download waits for a file.

The fake trainer's words stand in `words.txt` of the workspace; a download is over once `arrived` stands there too, and
its model then counts as on disk.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from fake_trainer import SCRIPT

from studio import cli
from studio.cluster import address
from studio.config import TrainConfig
from studio.models import ModelCard
from studio.runs import control
from studio.runs.folder import RunFolder
from studio.runs.processes import Job
from studio.ui import base_models, train_form
from studio.workspace import Workspace

FETCH = """
import pathlib, sys, time
print(" 45 %  50 of 112 MB", flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.05)
"""


def main() -> None:
    """The command line, with what it starts replaced."""
    launch, catalogue = control._launch, base_models.catalogue

    def launching(folder: RunFolder, job: Job, lock: int) -> None:
        root = Workspace.here().root
        words = (root / "words.txt").read_text().split()
        is_download = "fetch" in job.command
        command = ["-c", FETCH, str(root / "arrived")] if is_download else [SCRIPT, str(folder.path), *words]
        launch(folder, job.model_copy(update={"command": [sys.executable, *command]}), lock)

    def offered() -> list[ModelCard]:
        fetched = train_form.download(Workspace.here())
        is_here = fetched is not None and fetched.status == "finished"
        return [dataclasses.replace(card, state="on disk") if is_here and card.id == fetched.model else card
                for card in catalogue()]  # fmt: skip

    def training(config: TrainConfig, name: str, on: str = "") -> Job:
        """For runs that wait: they are started by another process."""
        words = (Workspace.here().root / "words.txt").read_text().split()
        command = [sys.executable, SCRIPT, str(Workspace.here().run(name)), *words]
        return real(config, name, on).model_copy(update={"command": command})

    real = control.training
    address.is_ray_here = lambda: True
    control._launch, control.training, base_models.catalogue = launching, training, offered
    cli.main()


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parent))
    main()

"""A task for SkyPilot (docs.skypilot.co, “SkyPilot YAML”), which rents machines of RunPod, Lambda, AWS and others.

Only written: the studio starts nothing that costs money. The field names are those of SkyPilot 0.9 and later.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

from studio.cluster import package
from studio.cluster.package import SentJob
from studio.config import ECHO, STARTER, TrainConfig
from studio.models.folders import written_whole
from studio.runs import control
from studio.runs.folder import RunFolder
from studio.workspace import Workspace, write_atomically

ACCELERATORS = ("L4:1", "A10:1", "A10G:1", "RTX4090:1", "A40:1")  # 22 GB and more; the cheapest that is free is taken
_IDLE = 60  # minutes from the end of the run until the machine is given back, results and all
_NOT_THERE = (
    "gradio",
    "sounddevice",
    "librosa",
    "pandas",
)  # page, microphone, snippets, tables


def write_task(workspace: Workspace, config: TrainConfig, name: str | None) -> Path:
    """Write `outputs/.sky/<name>/`: `task.yaml`, and `workdir/` with all that the run needs. The task's path.

    Raises ConfigError, DataError, DiskError.
    """
    folder = RunFolder(workspace.run(name or f"{Path(config.dataset).name[:56]}-sky"))
    place = workspace.outputs / ".sky" / folder.name
    with tempfile.TemporaryDirectory(prefix="studio-") as temporary, written_whole(place / "workdir") as workdir:
        archive = Path(temporary) / "run.zip"
        package.pack(config, folder, workspace, archive)
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(workdir)
        job = SentJob.model_validate_json((workdir / "job.json").read_bytes())
        shutil.rmtree(workdir / "run", ignore_errors=True)
        RunFolder(workdir / "outputs" / job.run).keep_settings(job.config)
    path = place / "task.yaml"
    write_atomically(path, task(job, place / "workdir", path))
    return path


def task(job: SentJob, workdir: Path, path: Path) -> str:
    """The task that runs `job`, whose files lie in `workdir`, as the YAML of the file `path`."""
    name = re.sub(r"[^a-z0-9-]+", "-", job.run.lower()).strip("-")
    name = name if name[:1].isalpha() else f"run-{name}".rstrip("-")
    wanted = "" if job.config.device == "cpu" else f"  accelerators: {{{', '.join(ACCELERATORS)}}}\n"
    run = shlex.join(["python", *control.training(job.config, job.run).command[1:]])
    return (
        f"{_notes(name, job.run, path)}"
        f"name: {name}\n"
        f"workdir: {json.dumps(str(workdir))}\n"
        "resources:\n"
        "  # infra: runpod    # or lambda, aws, gcp, k8s …; left out, the cheapest of those that `sky check` finds\n"
        f"{wanted}"
        "  autostop:\n"
        f"    idle_minutes: {_IDLE}\n"
        "    down: true\n"
        "setup: |\n"
        f"{_indented(setup(job.config))}"
        "run: |\n"
        f"{_indented([run])}"
    )


def setup(config: TrainConfig) -> list[str]:
    """The commands that make a bare machine ready."""
    lines = [f"pip install {shlex.join(requirements())}"]
    if config.model not in (STARTER, ECHO) and not Path(config.model).is_dir():
        lines.append(shlex.join(["python", "-m", "studio", "fetch", config.model]))
    return lines


def requirements() -> list[str]:
    """What this package needs to train, in the versions that it says itself."""
    everything = [line for line in metadata.requires("speech-studio") or [] if ";" not in line]
    return sorted(line for line in everything if re.split(r"[<>=!~ \[]", line)[0] not in _NOT_THERE)


def _indented(lines: list[str]) -> str:
    return "".join(f"  {line}\n" for line in lines)


def _notes(name: str, run: str, path: Path) -> str:
    return (
        f"# Start:  sky launch -c {name} {shlex.quote(str(path))}\n"
        f"# Fetch:  rsync -Paz {name}:sky_workdir/outputs/{shlex.quote(run)} {shlex.quote(str(path.parents[2]))}/\n"
        f"# End:    sky down {name}    (by itself {_IDLE} minutes after the run, so fetch before)\n"
    )

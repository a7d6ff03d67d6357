"""What lies in the folder of a job, and in `outputs/<run>/`, named once; the note by which a job is asked to stop."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from studio.config import TrainConfig, in_language, split_language
from studio.errors import JobError
from studio.workspace import Workspace, disk_errors, write_atomically

StopRequest = Literal["save", "discard"]

FOLDER_VARIABLE = "STUDIO_JOB"  # the folder that a supervised command writes its events to


@dataclass(frozen=True, slots=True)
class JobFolder:
    """One supervised job on disk: a training, a merge, a search for wrong labels. `DONE` is written last of all."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "stdout.log"

    @property
    def job(self) -> Path:
        return self.path / "job.json"

    @property
    def done(self) -> Path:
        return self.path / "DONE"

    @property
    def _stop(self) -> Path:
        return self.path / "stop.request"

    def request_stop(self, how: StopRequest) -> None:
        """Ask the job to stop at the next place where it can, and to save or to discard what it did."""
        write_atomically(self._stop, how)

    def stop_request(self) -> StopRequest | None:
        """What was asked of this job, if anything."""
        try:
            word = self._stop.read_text().strip()
        except FileNotFoundError:
            return None
        return cast(StopRequest, word) if word in ("save", "discard") else None

    def clear_stop_request(self) -> None:
        """Forget the request, when the job starts or resumes."""
        self._stop.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class RunFolder(JobFolder):
    """One run on disk. `DONE` means that the rest is whole."""

    @property
    def config(self) -> Path:
        """The settings, from when the run is asked for; once it has begun, what they came to as well."""
        return self.path / "config.json"

    @property
    def has_begun(self) -> bool:
        """Whether its settings and its clips are settled: it can be resumed, or has ended."""
        return self.config.is_file() and self.manifest.is_file()

    def keep_settings(self, config: TrainConfig) -> None:
        """Write down what the run is to do: whoever trains reads it here. Raises DiskError."""
        write_atomically(self.config, config.model_dump_json(indent=2) + "\n")

    def settings(self) -> TrainConfig | None:
        """The settings that the run was asked for with; None where no file has them. Raises JobError, ConfigError."""
        try:
            found = json.loads(self.config.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise JobError(f"{self.config} cannot be read.", "Start a new run.") from error
        if not isinstance(found, dict):
            raise JobError(f"{self.config} has no settings.", "Start a new run.")
        kept = {name: found[name] for name in TrainConfig.model_fields if name in found}
        if isinstance(model := kept.get("model"), str):
            kept["model"] = model_moved_along(self, model)
        return TrainConfig.checked(**kept)

    @property
    def manifest(self) -> Path:
        """The clips that the run uses, as they were when it began: the dataset may change meanwhile."""
        return self.path / "manifest.jsonl"

    @property
    def general(self) -> Path:
        """The clips of the general set that the run uses, if any: see `studio.train.general`."""
        return self.path / "general.jsonl"

    @property
    def cluster(self) -> Path:
        """Of a run on a cluster: which job it is there, and how much of it is home."""
        return self.path / "cluster.json"

    @property
    def adapter(self) -> Path:
        return self.path / "lora_adapter"

    @property
    def merged(self) -> Path:
        return self.path / "merged"

    @property
    def exports(self) -> Path:
        """A folder for each target and precision that the run was exported to."""
        return self.path / "exports"

    def exporting(self, target: str, precision: str) -> JobFolder:
        """Where the log of the last export to a target lies: in the run, so that it can go on during a training.

        Each has a folder of its own, since of the jobs in one folder only one works at a time.
        """
        name = f"{target}-{precision}"
        return JobFolder(self.path / "exporting" / name / name)

    @property
    def export_jobs(self) -> list[JobFolder]:
        """Each export that was ever started as a job."""
        return [JobFolder(path.parent) for path in self.path.glob("exporting/*/*/job.json")]

    @property
    def processor(self) -> Path:
        return self.path / "processor"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def baseline(self) -> Path:
        return self.path / "heldout_baseline.json"

    @property
    def tuned(self) -> Path:
        return self.path / "heldout_tuned.json"

    @property
    def general_baseline(self) -> Path:
        return self.path / "general_baseline.json"

    @property
    def general_tuned(self) -> Path:
        return self.path / "general_tuned.json"

    @property
    def heldout_manifest(self) -> Path:
        """The test clips, where the short ones are scored by themselves too."""
        return self.path / "heldout.jsonl"

    @property
    def short_manifest(self) -> Path:
        return self.path / "short.jsonl"

    @property
    def short_baseline(self) -> Path:
        return self.path / "short_baseline.json"

    @property
    def short_tuned(self) -> Path:
        return self.path / "short_tuned.json"

    @property
    def curve(self) -> Path:
        """The learning curve: a job of its own, and a run for each smaller share of the clips."""
        return self.path / "curve"

    def point(self, share: int) -> RunFolder:
        """The run on `share` percent of this run's training clips; of all of them it is this one."""
        return self if share == 100 else RunFolder(self.curve / f"{share:03d}")

    @property
    def readings(self) -> Path:
        """What was read so far of the clips that measure, until the run is done: see `studio.evaluation.cache`."""
        return self.path / "readings"

    @property
    def report(self) -> Path:
        return self.path / "report.md"

    @property
    def note(self) -> Path:
        """What a person wrote down about the run."""
        return self.path / "note.txt"

    def discard_learnt(self) -> None:
        """Remove what was learnt; settings, the base model's score and events stay. Raises DiskError."""
        with disk_errors(self.path, "discard"):
            for folder in (self.checkpoints, self.adapter, self.processor, self.readings):
                if folder.exists():
                    shutil.rmtree(folder)
            for file in (self.tuned, self.general_tuned, self.short_tuned, self.report):
                file.unlink(missing_ok=True)


def model_moved_along(folder: RunFolder, source: str) -> str:
    """The model `source` of the run in `folder`, where the workspace with both of them may have been moved."""
    name, language = split_language(source)
    return in_language(Workspace(folder.path.parent.parent).moved_along(name), language)

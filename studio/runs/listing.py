"""Every run of a workspace at a glance."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from studio.config import TrainConfig
from studio.errors import JobError, StudioError
from studio.runs import queue
from studio.runs.control import Status, state
from studio.runs.ending import last_events, last_step
from studio.runs.events import Finished
from studio.runs.folder import RunFolder
from studio.runs.processes import Job
from studio.workspace import Workspace

if TYPE_CHECKING:
    from pandas import DataFrame

_RESULTS = ("best_step", "cer_before", "cer_after", "peak_memory")
_SETTINGS = tuple(name for name in TrainConfig.model_fields if name not in ("model", "dataset"))


class RunSummary(BaseModel):
    """One line of the list of runs."""

    model_config = ConfigDict(frozen=True)

    name: str
    status: Status
    model: str
    dataset: str
    wer_before: float | None  # 0..1 and beyond
    wer_after: float | None
    before: float | None  # the rate that the verdict goes by: of words, or of characters where `rate` says so
    after: float | None
    rate: Literal["WER", "CER"]
    step: int  # the last one done
    started_at: float  # seconds since the epoch
    seconds: float | None  # wall time
    note: str = ""


def existing(workspace: Workspace, name: str) -> RunFolder:
    """The run called `name`. Raises JobError where there is none yet, ConfigError where it cannot be a name."""
    folder = RunFolder(workspace.run(name))
    if not _is_run(folder):
        if any(run.name == name for run in queue.waiting(workspace)):
            raise JobError(f"The run “{name}” waits its turn.", f"To cancel it: studio queue --cancel {name}")
        raise JobError(f"There is no run “{name}”.", "`studio runs` lists them.")
    return folder


def runs(workspace: Workspace) -> list[RunSummary]:
    """Every run of the workspace, newest first. Reads a few kilobytes of each."""
    if not workspace.outputs.is_dir():
        return []
    folders = [RunFolder(path) for path in workspace.outputs.iterdir() if not path.name.startswith(".")]
    found = []
    for folder in folders:
        with suppress(FileNotFoundError):  # deleted meanwhile
            found += [_summary(folder)] if _is_run(folder) else []
    return sorted(found, key=lambda run: (run.started_at, run.name), reverse=True)


def to_pandas(workspace: Workspace) -> DataFrame:
    """A row a run, newest first: results (rates 0..1, seconds, bytes), then every setting. Raises DiskError."""
    from pandas import DataFrame, to_datetime

    names = [*RunSummary.model_fields, *_RESULTS, *_SETTINGS]
    found = runs(workspace)
    frame = DataFrame([_cells(RunFolder(workspace.run(run.name)), run) for run in found], columns=names)
    frame["started_at"] = to_datetime(frame["started_at"], unit="s", utc=True)
    return frame


def _cells(folder: RunFolder, run: RunSummary) -> dict[str, Any]:
    result = next((event for event in reversed(last_events(folder)) if isinstance(event, Finished)), None)
    settings: TrainConfig | None = None
    with suppress(StudioError):  # settings that cannot be read leave their cells empty
        settings = folder.settings()
    return {
        **(settings.model_dump(include=set(_SETTINGS)) if settings else {}),
        **(result.model_dump(include=set(_RESULTS)) if result else {}),
        **run.model_dump(),
    }


def _is_run(folder: RunFolder) -> bool:
    """Whether it was started; a run that waits has its settings alone, which do not name it yet."""
    if folder.job.is_file():
        return True
    settings = _configured(folder)
    return folder.config.is_file() and ("run" in settings or "dataset" not in settings)


def _summary(folder: RunFolder) -> RunSummary:
    job, stands, events = Job.read(folder), state(folder), last_events(folder)
    about = job.about if job and job.about else _configured(folder)
    result = next((event for event in reversed(events) if isinstance(event, Finished)), None)
    before, after = _rates(result) if result else (None, None)
    return RunSummary(
        name=folder.name,
        status=stands.status,
        model=about.get("model", ""),
        dataset=about.get("dataset", ""),
        wer_before=result.wer_before if result else None,
        wer_after=result.wer_after if result else None,
        before=before,
        after=after,
        rate="CER" if result and result.unit == "character" else "WER",
        step=result.step if result else last_step(events),
        started_at=job.started_at if job else folder.config.stat().st_mtime,
        seconds=result.seconds if result else _lasted(job, stands.is_over),
        note=note(folder),
    )


def note(folder: RunFolder) -> str:
    """What a person wrote about the run; empty without a note."""
    try:
        return folder.note.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _rates(result: Finished) -> tuple[float | None, float | None]:
    if result.unit == "character":
        return result.cer_before, result.cer_after
    return result.wer_before, result.wer_after


def _lasted(job: Job | None, is_over: bool) -> float | None:
    if job is None:
        return None
    end = job.ended_at if is_over else time.time()
    return end - job.started_at if end else None


def _configured(folder: RunFolder) -> dict[str, Any]:
    """Model and dataset of a run that was not started as a job."""
    try:
        values = json.loads(folder.config.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return {**values, "dataset": Path(values["dataset"]).name} if "dataset" in values else {}

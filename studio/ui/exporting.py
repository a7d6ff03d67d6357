"""What a run has to give, for the Export tab, and a merge that outlives whoever started it, for tools."""

from __future__ import annotations

import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from studio.errors import StudioError
from studio.export.merged import MergeReport
from studio.export.snippets import adapter_snippet, merged_snippet
from studio.runs import control
from studio.runs.ending import last_events
from studio.runs.events import Failed
from studio.runs.folder import JobFolder, RunFolder
from studio.workspace import Workspace

Status = Literal["none", "working", "done", "stale", "failed"]


class ExportTarget(BaseModel):
    """One folder that can be used without the studio."""

    model_config = ConfigDict(frozen=True)

    path: str
    size: int  # bytes
    files: list[str]
    snippet: str  # Python; empty where it cannot be written
    trouble: str = ""  # why not


class Merge(BaseModel):
    """The state of a run's merged model."""

    model_config = ConfigDict(frozen=True)

    status: Status
    stage: str = ""  # of a merge that goes on, in words
    trouble: str = ""  # why it failed
    clips: int = 0  # compared with model and adapter
    max_difference: float = 0.0  # of any logit
    target: ExportTarget | None = None  # what was merged last


class Exports(BaseModel):
    """What a run has to give."""

    model_config = ConfigDict(frozen=True)

    adapter: ExportTarget
    merge: Merge
    command: str  # merges from the command line
    serve: str  # lets other programs use the run


def exports(folder: RunFolder) -> Exports:
    """What the finished run in `folder` has to give."""
    workspace = Workspace(folder.path.parent.parent)
    return Exports(
        adapter=_target(folder.adapter, adapter_snippet),
        merge=_merge(folder),
        command=workspace.command("merge", folder.name),
        serve=workspace.command("serve", folder.name),
    )


def start_merge(workspace: Workspace, folder: RunFolder) -> None:
    """Merge in a process of its own; one that goes on already is left alone. Raises JobError, DiskError."""
    job = _job(folder)
    if control.state(job).is_over:
        command = [sys.executable, "-m", "studio", "--workspace", str(workspace.root), "merge", folder.name]
        job.log.unlink(missing_ok=True)
        control.start(job, command)


def zipped(folder: Path, name: str) -> Path:
    """The files of `folder` in a new zip file, under `name`; who asked for it deletes it."""
    with (
        tempfile.NamedTemporaryFile(prefix="studio-", suffix=".zip", delete=False) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        for path in _files(folder):
            archive.write(path, f"{name}/{path.name}")
    return Path(file.name)


def _job(folder: RunFolder) -> JobFolder:
    """Where the merge's own log lies: a job folder within the run, so that it can run during a training."""
    return JobFolder(folder.path / "merging")


def _merge(folder: RunFolder) -> Merge:
    job = _job(folder)
    report = MergeReport.read(folder.merged)
    target = _target(folder.merged, merged_snippet) if report else None
    state = control.state(job)
    if not state.is_over:
        return Merge(status="working", stage=_stage(job), target=target)
    if state.status in ("failed", "interrupted", "stopped") and not _was_mended(folder, state.ended_at):
        return Merge(status="failed", trouble=_trouble(job), target=target)
    if report is None:
        return Merge(status="none")
    return Merge(
        status="stale" if _is_older(folder.merged, folder.adapter) else "done",
        clips=report.clips,
        max_difference=report.max_difference,
        target=target,
    )


def _target(folder: Path, snippet: Callable[[Path], str]) -> ExportTarget:
    files = _files(folder)
    lines, trouble = "", ""
    try:
        lines = snippet(folder)
    except StudioError as error:
        trouble = str(error)
    return ExportTarget(
        path=str(folder),
        size=sum(path.stat().st_size for path in files),
        files=[path.name for path in files],
        snippet=lines,
        trouble=trouble,
    )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.is_symlink())


def _was_mended(folder: RunFolder, failed_at: float | None) -> bool:
    """Whether the command line merged it after the page could not."""
    made = folder.merged / "config.json"
    return made.is_file() and made.stat().st_mtime > (failed_at or 0)


def _is_older(merged: Path, adapter: Path) -> bool:
    """Whether the run was resumed since, and its adapter written anew."""
    written = (adapter / "adapter_model.safetensors").stat().st_mtime
    return (merged / "config.json").stat().st_mtime < written


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _stage(job: JobFolder) -> str:
    said = _last_line(job.log)
    return said if said.endswith("…") else "Finishing …" if said else "Starting …"


def _trouble(job: JobFolder) -> str:
    """What the merge said last: its own sentence, or how its process ended."""
    said = _last_line(job.log)
    if said and not said.endswith("…"):
        return said
    failed = [event for event in last_events(job) if isinstance(event, Failed)]
    return failed[-1].message if failed else "The merge was interrupted."

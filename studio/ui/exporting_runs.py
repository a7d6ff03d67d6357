"""Where a run is to be used: the targets that take its model, finished exports with their figures, and their jobs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict

from studio.errors import BusyError
from studio.evaluation.significance import Verdict
from studio.export.gate import REPORT, ExportReport, OtherText, Stage
from studio.export.targets import FP32, TARGETS, target_named
from studio.export.uses import Use, uses_of
from studio.models.adapters import base_note
from studio.runs import control
from studio.runs.folder import JobFolder, RunFolder
from studio.runs.tasks import TaskState
from studio.ui import tasks
from studio.workspace import Workspace


class PrecisionChoice(BaseModel):
    """A precision of a target."""

    model_config = ConfigDict(frozen=True)

    name: str
    share: float  # of the size in fp32, about


class TargetChoice(BaseModel):
    """A target that takes the run's model."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    precisions: list[PrecisionChoice]  # the first is the default
    install: str  # the line that installs what is missing; empty where nothing is


class FinishedExport(BaseModel):
    """An export that was kept, and its four figures."""

    model_config = ConfigDict(frozen=True)

    target: str
    title: str
    precision: str
    path: str
    is_stale: bool  # the run was trained further since
    stages: list[Stage]
    clips: int  # whose texts were compared
    noun: str  # what one of them is called
    others: list[OtherText]  # those of them that are written differently
    errors: str  # in a few words
    verdict: Verdict | None  # None where there is no word to count errors in
    size: int  # bytes
    model_size: int  # bytes, of the merged model in fp32
    speed: float  # seconds
    each: str  # for what: a second of sound, or a text
    digits: int  # of the speed, that say something
    pytorch_speed: float
    threads: int
    uses: list[Use]


class RunExports(BaseModel):
    """All of it."""

    model_config = ConfigDict(frozen=True)

    targets: list[TargetChoice]
    finished: list[FinishedExport]
    tasks: list[TaskState]  # the jobs that go on or wait, and the last of all; the oldest first


def router(find: Callable[[str], RunFolder], workspace: Workspace) -> APIRouter:
    """Routes below a run's; `…/tasks/…` are as the routes of tasks. `find` gives the folder of a finished run."""
    routes = APIRouter(prefix="/{run}/targets")

    @routes.get("")
    def show(run: str) -> RunExports:
        return exports_of(find(run))

    @routes.post("/{target}/{precision}")
    def start(run: str, target: str, precision: str) -> TaskState:
        return start_export(workspace, find(run), target, precision)

    def task(run: str, name: str) -> JobFolder:
        for job in find(run).export_jobs:
            if job.name == name:
                return job
        raise HTTPException(404, f"“{run}” was not exported to “{name}”.")

    tasks.offer(routes, "/tasks/{name}", task)
    return routes


def exports_of(run: RunFolder) -> RunExports:
    """The targets for the run in the folder `run`, and what it was exported to."""
    family = base_note(run.adapter).get("family")
    choices = [
        TargetChoice(
            name=target.name,
            title=target.title,
            precisions=[
                PrecisionChoice(name=name, share=kept.size / FP32.size) for name, kept in target.precisions.items()
            ],
            install=target.install,
        )
        for target in TARGETS.values()
        if family in target.families
    ]
    folders = sorted(run.exports.iterdir()) if run.exports.is_dir() else []
    reports = [
        report for folder in folders if not folder.name.startswith(".") and (report := ExportReport.read(folder))
    ]
    return RunExports(
        targets=choices,
        finished=[_row(run, report) for report in reports if report.target in TARGETS],
        tasks=_shown([TaskState.of(job) for job in run.export_jobs]),
    )


def start_export(workspace: Workspace, run: RunFolder, target: str, precision: str) -> TaskState:
    """Export in a process of its own, which waits as long as another export of the run works: each takes all cores.

    Raises ConfigError, also where packages are missing; BusyError where this very export works or waits; DiskError.
    """
    chosen = target_named(target)
    chosen.checked(str(base_note(run.adapter).get("family")), precision)
    chosen.exporter()
    job, words = run.exporting(target, precision), ["export", run.name, "--to", target, "--precision", precision]
    command = [sys.executable, "-m", "studio", "--workspace", str(workspace.root), *words, "--wait"]
    try:
        control.start(job, command, {"what": f"Exporting to {target}, {precision}"})
    except BusyError:
        raise BusyError(
            f"The export to {target}, {precision} is still going.", "Wait until it has finished, or cancel it."
        ) from None
    return TaskState.of(job)


def _shown(found: Sequence[TaskState]) -> list[TaskState]:
    ordered = sorted(found, key=lambda task: task.started_at or 0.0)
    return [task for task in ordered if task.status in ("running", "stopping") or task is ordered[-1]]


def _row(run: RunFolder, report: ExportReport) -> FinishedExport:
    made = (report.folder / REPORT).stat().st_mtime
    return FinishedExport(
        target=report.target,
        title=TARGETS[report.target].title,
        precision=report.precision,
        path=str(report.folder),
        is_stale=made < (run.adapter / "adapter_model.safetensors").stat().st_mtime,
        stages=report.stages,
        clips=report.clips,
        noun=report.noun,
        others=report.others,
        errors=report.rows()["errors"],
        verdict=report.wer.verdict if report.wer else None,
        size=report.size,
        model_size=report.model_size,
        speed=report.speed.exported,
        each=report.each,
        digits=3 if report.typing else 2,
        pytorch_speed=report.speed.pytorch,
        threads=report.speed.threads,
        uses=uses_of(report),
    )

"""`studio check`: measures what is missing, and prints what a person should look at."""

from __future__ import annotations

import os

from studio.data.manifest import Dataset
from studio.data.quality import check
from studio.data.quality.check import Report
from studio.runs import tasks
from studio.runs.folder import FOLDER_VARIABLE
from studio.text import counted
from studio.workspace import Workspace

SHOWN = 50  # clips that the text lists; JSON has all of them
LABEL = 44  # characters of a label


def run(workspace: Workspace, name: str, *, again: bool) -> Report:
    """Measure the dataset `name`, telling how far it is, and report. Raises DataError or DiskError.

    Ctrl-C, or Cancel on the page, leaves what was measured until then.
    """
    dataset = Dataset.open(workspace.dataset(name))
    with tasks.reporting() as tell:
        unreadable = check.measure_missing(dataset, lambda done, total: tell("checking", done, total), again=again)
        found = check.report(dataset)
        report = found.model_copy(update={"problems": [*found.problems, *unreadable]})
        if tell.folder:
            tell.note(_summary(report))
    return report


def exit_code(report: Report) -> int:
    """1 where something asks for a person; as a task of the page the verb has done its work either way."""
    return 0 if report.is_sound or FOLDER_VARIABLE in os.environ else 1


def as_text(report: Report) -> str:
    """The report for a terminal."""
    lines = [_summary(report)]
    lines += [f"  {count.clips:>6,}  {count.name} ({count.verdict})" for count in report.counts]
    if report.trim_clips:
        trim = f"{counted(report.trim_clips, 'clip')}: {report.trim_seconds:,.1f} s in all."
        lines.append(f"Silence could be trimmed from {trim}")
    lines += [""] if report.doubtful else []
    for clip in report.doubtful[:SHOWN]:
        label = clip.text if len(clip.text) <= LABEL else clip.text[: LABEL - 1] + "…"
        reasons = " ".join(f"{one.what} {one.remedy}" for one in clip.findings if one.verdict != "note")
        lines.append(f"{clip.verdict}: {clip.id} “{label}” {reasons}")
    if len(report.doubtful) > SHOWN:
        lines.append(f"… and {len(report.doubtful) - SHOWN:,} more: --json lists them all.")
    return "\n".join([*lines, *([""] if report.problems else []), *report.problems])


def _summary(report: Report) -> str:
    counts = report.verdicts
    if report.kind == "typing":
        return f"{counted(report.clips, 'pair')}: {counts['fine']:,} fine, {counts['look']:,} to look at."
    return (
        f"{counted(report.clips, 'clip')}: {counts['fine']:,} fine, {counts['look']:,} to look at, "
        f"{counts['re-record']:,} to record again."
    )

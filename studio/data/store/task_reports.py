"""The last report of a task of a dataset, for the page: `.tasks/<task>/report.json`."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from studio.workspace import write_atomically


def save(folder: Path, task: str, report: BaseModel) -> None:
    """Keep the report of `task` in the dataset `folder`. Raises DiskError."""
    write_atomically(report_path(folder, task), report.model_dump_json())


def report_path(folder: Path, task: str) -> Path:
    """Where it lies; it need not be there."""
    return folder / ".tasks" / task / "report.json"

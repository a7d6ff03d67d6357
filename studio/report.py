"""`report.md`: what a run did, for a person."""

from __future__ import annotations

from studio.events import Finished
from studio.run_folder import RunFolder


def write_report(folder: RunFolder, finished: Finished) -> None:
    folder.report.write_text("")

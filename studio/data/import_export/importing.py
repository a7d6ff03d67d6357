"""Take speech data that exists already into a dataset: copied or linked, never moved; whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from studio.audio.recording import Recording
from studio.data.formats.base import ImportRow, Reasons, Refused, SkipGroup
from studio.data.formats.noted import SeveralTracks
from studio.data.formats.plan import ImportPlan, opened
from studio.data.import_export.previewing import label_of, length_of, notes, wave_of
from studio.data.manifest import Dataset, Utterance
from studio.errors import DataError, StudioError, printable
from studio.text import counted
from studio.workspace import is_disk_full

if TYPE_CHECKING:
    from studio.data.import_export.intake import Intake

Tell = Callable[[Any, int, int], None]
"""`tell("importing", done, total)`: receives the progress, and may raise to cancel."""


class ImportReport(BaseModel):
    """What came in, and what did not, each with its reason."""

    model_config = ConfigDict(frozen=True)

    added: int
    linked: int  # of the added; they share their file with the original
    already: int  # were in the dataset before, with the same samples
    unlabelled: int = 0  # of the added; they wait for their labels
    moved: int = 0  # of the added; not in the split that the source states, since their sentence is in another
    minutes: float  # of the added
    skipped: int
    reasons: list[SkipGroup]
    listed: list[tuple[str, str]]  # (row, reason), the first 1,000
    notes: list[str] = []  # what a person should know of the added
    action: str = ""  # in the history: undoing it takes the whole import back out

    def sentence(self) -> str:
        """The report in one line."""
        parts = [f"{counted(self.added, 'clip')} added ({self.minutes:.1f} min)"]
        parts += [f"{counted(self.already, 'was', 'were')} there already"] if self.already else []
        parts += [f"{self.skipped} skipped"] if self.skipped else []
        return " ".join([", ".join(parts) + ".", *self.notes])


def import_data(
    dataset: Dataset, plan: ImportPlan, *, link: bool = False, tell: Tell = lambda *_: None
) -> ImportReport:
    """Import `plan` into `dataset`: all that can come in, or, if it is cancelled or killed, nothing.

    With `link` a clip shares its file with the original where the disk can do that (a hard link): it takes no space,
    either may be moved or deleted, but what is changed within the original changes the clip. Parts of files, sound
    inside Parquet and what is in zip files are copied all the same. A dataset that is not there yet is begun
    by its first clip: where none comes in there is none.
    Raises DataError where nothing can be read.
    """
    with opened(plan) as found:
        tell("checking", 0, 1)
        total = found.count()
        names = ", ".join(printable(path.name) for path in plan.paths[:2]) + (" …" if len(plan.paths) > 2 else "")
        with dataset.intake(f"Clips from {names}") as intake:
            taking = _Taking(intake, link)
            for number, (part, row) in enumerate(found.rows(), 1):
                taking.take(row, is_passing=part is None or part.is_passing)
                tell("importing", number, max(total, number))
            intake.what = f"{counted(taking.added, 'clip')} imported from {names}"
    return taking.report(found.notes())


class _Taking:
    """Takes rows in, and counts what became of them."""

    def __init__(self, intake: Intake, link: bool) -> None:
        self.intake, self.link = intake, link
        self.reasons, self.tracks = Reasons(), SeveralTracks()
        self.added = self.linked = self.already = self.unlabelled = 0
        self.total = 0.0  # seconds

    def take(self, row: ImportRow | Refused, *, is_passing: bool) -> None:
        if isinstance(row, Refused):
            self.reasons.add(row)
            return
        try:
            clip = self._add(row, self.link and not is_passing)
        except StudioError as error:
            if error.__cause__ and is_disk_full(error.__cause__):
                raise  # no row after it could come in either
            self.reasons.add(Refused(row.name, error.what, error.remedy))
            return
        if clip is not None:
            self.added += 1
            self.tracks.look(row)
            self.total += clip.duration

    def _add(self, row: ImportRow, link: bool) -> Utterance | None:
        length_of(row)
        recording = Recording.of(wave_of(row))
        if recording.sha256 in self.intake:
            if self.intake.has_added(recording.sha256):
                raise DataError("The same recording came twice.", "Its first label is kept; leave the other out.")
            self.already += 1
            return None
        original = row.audio if link and isinstance(row.audio, Path) and not row.is_part else None
        clip = self.intake.add(
            recording,
            text=label_of(row),
            prompt=row.prompt,
            speaker=row.speaker,
            session=row.session,
            split=row.split,
            words=row.words,
            extra=row.extra,
            link=original,
        )
        self.linked += original is not None
        self.unlabelled += not clip.text
        return clip

    def report(self, noted: list[str]) -> ImportReport:
        """What became of the rows; the intake has ended."""
        return ImportReport(
            added=self.added,
            linked=self.linked,
            already=self.already,
            unlabelled=self.unlabelled,
            moved=self.intake.moved,
            notes=[*noted, *self.tracks.sentences(), *notes(self.unlabelled, self.intake.moved)],
            minutes=round(self.total / 60, 2),
            skipped=self.reasons.total,
            reasons=self.reasons.groups(),
            listed=self.reasons.listed,
            action=self.intake.action,
        )

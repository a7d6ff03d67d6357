"""Take speech data that exists already into a dataset: copied or linked, never moved; whole or not at all."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from studio.audio import MAX_SECONDS, MIN_SECONDS, Waveform, read
from studio.data import formats
from studio.data.formats.archive import unpack
from studio.data.formats.base import Column, Format, Group, Reading, Reasons, Refused, Row
from studio.data.formats.measured import seconds
from studio.data.manifest import Dataset, Utterance
from studio.data.quality import fingerprint
from studio.errors import DataError, StudioError

if TYPE_CHECKING:
    from studio.data.intake import Intake

FIRST = 8  # rows that a preview shows
Tell = Callable[[Any, int, int], None]
"""`tell("importing", done, total)`: hears how far it is, and may raise to cancel."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Shown(_Frozen):
    """One row as it would come in."""

    name: str
    text: str
    speaker: str
    split: str
    seconds: float | None


class Preview(_Frozen):
    """What an import would do."""

    format: str
    title: str
    columns: list[Column]
    first: list[Shown]
    rows: int  # in all
    clips: int  # that would come in, as far as was looked
    already: int  # of those looked at, in the dataset with the same samples
    checked: int  # rows whose sound was opened; the others are counted by their lines
    minutes: float  # of the clips
    speakers: int
    splits: dict[str, int]
    skipped: int
    reasons: list[Group]


class ImportReport(_Frozen):
    """What came in, and what did not, each with its reason."""

    added: int
    linked: int  # of the added; they share their file with the original
    already: int  # were in the dataset before, with the same samples
    minutes: float  # of the added
    skipped: int
    reasons: list[Group]
    listed: list[tuple[str, str]]  # (row, reason), the first 1,000
    action: str = ""  # in the history: undoing it takes the whole import back out

    def sentence(self) -> str:
        """The report in one line."""
        parts = [f"{_clips(self.added)} added ({self.minutes:.1f} min)"]
        parts += [f"{self.already} were there already"] if self.already else []
        parts += [f"{self.skipped} skipped"] if self.skipped else []
        return ", ".join(parts) + "."


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be imported, and how it is to be read."""

    paths: Sequence[Path]
    format: str = "auto"
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the paths, with its format."""

    path: Path
    format: Format
    is_passing: bool  # unpacked for now: what lies in it cannot be linked to


@dataclass(slots=True)
class _Parts:
    parts: list[_Part]
    refused: list[Refused]
    reading: Reading

    def rows(self) -> Iterator[tuple[_Part | None, Row | Refused]]:
        """Every row; a path that cannot be read at all is a refusal beside others, and an error alone."""
        yield from ((None, refused) for refused in self.refused)
        for part in self.parts:
            try:
                for row in part.format.rows(part.path, self.reading):
                    yield part, row
            except StudioError as error:
                if len(self.parts) == 1:
                    raise
                yield part, Refused(part.path.name, error.what, error.remedy)

    def count(self) -> int:
        return len(self.refused) + sum(part.format.count(part.path, self.reading) for part in self.parts)


@contextmanager
def _opened(plan: Plan) -> Iterator[_Parts]:
    """The paths of `plan`, zip files unpacked for as long as the block lasts. Raises DataError."""
    with tempfile.TemporaryDirectory(prefix="studio-import-") as scratch:
        parts: list[_Part] = []
        refused: list[Refused] = []
        for number, path in enumerate(plan.paths):
            is_zip = path.suffix.lower() == ".zip" and path.is_file()
            try:
                if is_zip:
                    refused += unpack(path, folder := Path(scratch) / str(number))
                    path = folder
                path = _descended(path)
                chosen = formats.recognise(path) if plan.format == "auto" else formats.find(plan.format)
            except StudioError as error:
                if len(plan.paths) == 1 or plan.format not in ("auto", *formats.FORMATS):
                    raise
                if path.suffix.lower() != ".txt":  # a label, if anything: read beside its clip
                    refused.append(Refused(path.name, error.what, error.remedy))
                continue
            parts.append(_Part(path, chosen, is_zip))
        yield _Parts(parts, refused, plan.reading)


def _descended(path: Path) -> Path:
    """The folder in a folder that holds nothing else, as archives have it."""
    while path.is_dir():
        inner = [each for each in path.iterdir() if not each.name.startswith((".", "__MACOSX"))]
        if len(inner) != 1 or not inner[0].is_dir() or inner[0].is_symlink():
            break
        path = inner[0]
    return path


def preview(plan: Plan, known: Collection[str] = (), limit: float | None = None) -> Preview:
    """What importing `plan` would do; sounds are opened for `limit` seconds at most, the other rows only counted.

    `known` are the fingerprints (`audio_sha256`) of the dataset's clips. Raises DataError where nothing can be read.
    """
    began, tally, reasons = time.monotonic(), Counter[str](), Reasons()
    first: list[Shown] = []
    speakers: set[str] = set()
    splits: Counter[str] = Counter()
    total = 0.0
    with _opened(plan) as opened:
        for _, row in opened.rows():
            tally["rows"] += 1
            is_looked_at = limit is None or time.monotonic() - began < limit
            checked = _checked(row, known) if is_looked_at else row
            tally["checked"] += is_looked_at
            if isinstance(checked, Refused):
                reasons.add(checked)
                continue
            if checked is None:
                tally["already"] += 1
                continue
            assert isinstance(row, Row)
            length = checked if isinstance(checked, float) else row.declared
            total += length or 0.0
            speakers |= {row.speaker} if row.speaker and len(speakers) < 10_000 else set()
            splits[row.split or "by sentence"] += 1
            if len(first) < FIRST:
                shown = round(length, 2) if length is not None else None
                first.append(
                    Shown(name=row.name, text=row.text, speaker=row.speaker, split=row.split or "", seconds=shown)
                )
        chosen = opened.parts[0] if opened.parts else None
        columns = chosen.format.columns(chosen.path, plan.reading) if chosen else []
    return Preview(
        format=chosen.format.name if chosen else "",
        title=chosen.format.title if chosen else "",
        columns=columns,
        first=first,
        rows=tally["rows"],
        clips=splits.total(),
        already=tally["already"],
        checked=tally["checked"],
        minutes=round(total / 60, 2),
        speakers=len(speakers),
        splits=dict(splits),
        skipped=reasons.total,
        reasons=reasons.groups(),
    )


def _checked(row: Row | Refused, known: Collection[str]) -> float | Refused | None:
    """The length of a row that would come in, in seconds; None where it is there already; or why it would not."""
    if isinstance(row, Refused):
        return row
    try:
        if not row.text:
            raise DataError("It has no label.", "Write what is said beside it.")
        length = _length(row)
        if known and fingerprint(_wave(row)) in known:
            return None
    except StudioError as error:
        return Refused(row.name, error.what, error.remedy)
    return length


def _length(row: Row) -> float:
    """Seconds of the part that is meant. Raises DataError where it cannot be a clip."""
    whole = seconds(row.audio)
    length = min(whole - row.start, row.duration or whole) if row.is_part else whole
    if length < MIN_SECONDS:
        raise DataError(f"It lasts {max(length, 0):.2f} s: nothing can be said in that time.", "Leave it out.")
    if length > MAX_SECONDS:
        what = f"It lasts {length:.0f} s; a clip may last {MAX_SECONDS:.0f} s at most."
        raise DataError(what, "Cut it into sentences, or give the start and end of each.")
    return length


def _wave(row: Row) -> Waveform:
    return read(row.audio, offset=row.start, duration=row.duration)


def import_data(dataset: Dataset, plan: Plan, *, link: bool = False, tell: Tell = lambda *_: None) -> ImportReport:
    """Import `plan` into `dataset`: all that can come in, or, if it is cancelled or killed, nothing.

    With `link` a clip shares its file with the original where the disk can do that (a hard link): it takes no space,
    either may be moved or deleted, but what is changed within the original changes the clip. Parts of files, sound
    inside Parquet and what is in zip files are copied all the same. A dataset that is not there yet is begun.
    Raises DataError where nothing can be read.
    """
    with _opened(plan) as opened:
        tell("reading", 0, 1)
        total = opened.count()
        names = ", ".join(path.name for path in plan.paths[:2]) + (" …" if len(plan.paths) > 2 else "")
        with Dataset.create(dataset.folder).intake(f"Clips from {names}") as intake:
            taking = _Taking(intake, link)
            for number, (part, row) in enumerate(opened.rows(), 1):
                taking.take(row, is_passing=part is None or part.is_passing)
                tell("importing", number, max(total, number))
            intake.what = f"{_clips(taking.added)} imported from {names}"
    return taking.report(_action(dataset, intake.what) if taking.added else "")


def _action(dataset: Dataset, what: str) -> str:
    return next((action.id for action in dataset.history(10) if action.what == what), "")


class _Taking:
    """Takes rows in, and counts what became of them."""

    def __init__(self, intake: Intake, link: bool) -> None:
        self.intake, self.link = intake, link
        self.reasons = Reasons()
        self.added = self.linked = self.already = 0
        self.total = 0.0  # seconds
        self._now: set[bytes] = set()  # fingerprints of this import

    def take(self, row: Row | Refused, *, is_passing: bool) -> None:
        if isinstance(row, Refused):
            self.reasons.add(row)
            return
        try:
            clip = self._add(row, self.link and not is_passing)
        except StudioError as error:
            self.reasons.add(Refused(row.name, error.what, error.remedy))
            return
        if clip is not None:
            self.added += 1
            self.total += clip.duration

    def _add(self, row: Row, link: bool) -> Utterance | None:
        if not row.text:
            raise DataError("It has no label.", "Write what is said beside it.")
        _length(row)
        wave = _wave(row)
        samples = fingerprint(wave)
        if samples in self.intake:
            if bytes.fromhex(samples) in self._now:
                raise DataError("The same recording came twice.", "Its first label is kept; leave the other out.")
            self.already += 1
            return None
        is_linked = link and isinstance(row.audio, Path) and not row.is_part
        clip = self.intake.add(
            row.audio if is_linked else wave,
            text=row.text,
            prompt=row.prompt,
            speaker=row.speaker,
            session=row.session,
            split=row.split,
            words=row.words,
            extra=row.extra,
            link=is_linked,
        )
        self._now.add(bytes.fromhex(samples))
        self.linked += is_linked
        return clip

    def report(self, action: str) -> ImportReport:
        return ImportReport(
            added=self.added,
            linked=self.linked,
            already=self.already,
            minutes=round(self.total / 60, 2),
            skipped=self.reasons.total,
            reasons=self.reasons.groups(),
            listed=self.reasons.listed,
            action=action,
        )


def _clips(count: int) -> str:
    return f"{count} {'clip' if count == 1 else 'clips'}"

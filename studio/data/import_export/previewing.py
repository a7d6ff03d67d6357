"""What an import would do: the first rows, what each column becomes, how much would come in, and what would not."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator

from pydantic import BaseModel, ConfigDict

from studio import audio
from studio.audio import MAX_SECONDS, MIN_SECONDS, Waveform, read
from studio.audio.recording import fingerprint
from studio.data import word_times
from studio.data.formats.base import Column, ImportRow, Reasons, Refused, SkipGroup
from studio.data.formats.noted import SeveralTracks
from studio.data.formats.plan import ImportPart, ImportPlan, Parts, opened
from studio.data.splits.grouping import SplitIndex, sentence_of
from studio.data.splits.import_assignment import misplaced
from studio.data.store.files import Store
from studio.data.utterance import checked_label
from studio.errors import DataError, StudioError
from studio.text import counted

FIRST = 8  # rows that are shown
MOST_SPEAKERS = 10_000  # that are counted separately


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
    unlabelled: int  # of the clips: they would wait for their labels
    moved: int  # of the clips, not in the split that the source states: their sentence, by its label, is elsewhere
    notes: list[str]  # what a person should know of these
    checked: int  # rows whose sound was opened; the others are counted by their lines
    minutes: float  # of the clips
    speakers: int
    splits: dict[str, int]
    skipped: int
    reasons: list[SkipGroup]


def preview(plan: ImportPlan, into: Store | None = None, limit: float | None = None) -> Preview:
    """What importing `plan` would do; sounds are opened for `limit` seconds at most, the other rows only counted.

    `into` is the dataset, where there is one already. Raises DataError where nothing can be read.
    """
    began, looking = time.monotonic(), _Looking(into)
    with opened(plan) as found:
        chosen = found.parts[0] if found.parts else None
        columns = chosen.format.columns(chosen.path, plan.reading) if chosen else []
        for _, row in _rows(found, columns):
            looking.at(row, is_opened=limit is None or time.monotonic() - began < limit)
        noted = found.notes()
    name, title = (chosen.format.name, chosen.format.title) if chosen else ("", "")
    return looking.preview(name, title, columns, noted)


class _Looking:
    """Looks at rows, and counts what would become of them."""

    def __init__(self, into: Store | None) -> None:
        now = into.look() if into else None
        self.known = {clip.given_hash for clip in now.clips} - {""} if now else set()
        self.kept = now.index() if now else SplitIndex()
        self.sides = self.kept.shifted((), ())
        self.first: list[Shown] = []
        self.speakers: set[str] = set()
        self.splits: Counter[str] = Counter()
        self.reasons = Reasons()
        self.tracks = SeveralTracks()
        self.rows = self.already = self.unlabelled = self.opened = 0
        self.total = 0.0  # seconds

    def at(self, row: ImportRow | Refused, *, is_opened: bool) -> None:
        self.rows += 1
        self.opened += is_opened
        checked = _checked(row, self.known) if is_opened else row
        if isinstance(checked, Refused):
            self.reasons.add(checked)
        elif checked is None:
            self.already += 1
        elif isinstance(row, ImportRow):
            self._coming(row, checked if isinstance(checked, float) else row.declared)
            if is_opened:
                self.tracks.look(row)

    def _coming(self, row: ImportRow, length: float | None) -> None:
        self.total += length or 0.0
        self.speakers |= {row.speaker} if row.speaker and len(self.speakers) < MOST_SPEAKERS else set()
        self.unlabelled += row.text is None
        split = row.split or "" if row.text is not None else "unused"
        self.splits[split or "by sentence"] += 1
        if row.text is not None:
            side = row.split or self.sides.split_for(row.text, "import", row.prompt)
            self.sides.count(sentence_of(row.text, ""), side, 1)
        if len(self.first) < FIRST:
            seconds = round(length, 2) if length is not None else None
            self.first.append(
                Shown(name=row.name, text=row.text or "", speaker=row.speaker, split=split, seconds=seconds)
            )

    def preview(self, format: str, title: str, columns: list[Column], noted: list[str]) -> Preview:
        moved = misplaced(self.sides, self.kept)
        return Preview(
            format=format,
            title=title,
            columns=columns,
            first=self.first,
            rows=self.rows,
            clips=self.splits.total(),
            already=self.already,
            unlabelled=self.unlabelled,
            moved=moved,
            notes=[*noted, *self.tracks.sentences(), *notes(self.unlabelled, moved)],
            checked=self.opened,
            minutes=round(self.total / 60, 2),
            speakers=len(self.speakers),
            splits=dict(self.splits),
            skipped=self.reasons.total,
            reasons=self.reasons.groups(),
        )


def notes(unlabelled: int, moved: int) -> list[str]:
    """What a person should know of clips that come in."""
    found = []
    if unlabelled:
        found.append(
            f"{counted(unlabelled, 'clip has', 'clips have')} no label: set aside, to be labelled by you or by a model "
            "(Labels in the Review tab, or studio label --prelabel); until then they neither train nor measure."
        )
    if moved:
        found.append(
            f"{counted(moved, 'clip')} will be in a different split from the source's, so that no sentence is in two: "
            "clips already here stay where they are; of the new ones, test comes first, then validation."
        )
    return found


def _rows(found: Parts, columns: list[Column]) -> Iterator[tuple[ImportPart | None, ImportRow | Refused]]:
    """Every row; a table of which no column names the sounds is one refusal, so that the columns can be chosen."""
    try:
        yield from found.rows()
    except DataError as error:
        if not columns or any(column.field == "audio" for column in columns):
            raise
        yield None, Refused(found.parts[0].path.name, error.what, error.remedy)


def _checked(row: ImportRow | Refused, known: Collection[str]) -> float | Refused | None:
    """The length of a row that would come in, in seconds; None where it is there already; or why it would not."""
    if isinstance(row, Refused):
        return row
    try:
        label, length = label_of(row), length_of(row)
        if row.words and label:
            word_times.checked(word_times.one_by_one(row.words), label, length)
        if known and fingerprint(wave_of(row)) in known:
            return None
    except StudioError as error:
        return Refused(row.name, error.what, error.remedy)
    return length


def label_of(row: ImportRow) -> str | None:
    """What is said; None where it may be written down later. Raises DataError where nothing, or too much, is said."""
    if row.text == "":
        remedy = "Add its text, or import the sound files alone and label them afterwards."
        raise DataError("It has no label.", remedy)
    return None if row.text is None else checked_label(row.text)


def length_of(row: ImportRow) -> float:
    """Seconds of the part that is meant. Raises DataError where it cannot be a clip."""
    whole = audio.length(row.audio)
    length = min(whole - row.start, row.duration or whole) if row.is_part else whole
    if length < MIN_SECONDS:
        raise DataError(f"It lasts {max(length, 0):.2f} s, which is too short for speech.", "Leave it out.")
    if length > MAX_SECONDS:
        what = f"It lasts {length:.0f} s; a clip may last {MAX_SECONDS:.0f} s at most."
        raise DataError(what, "Cut it into sentences, or give the start and end of each.")
    return length


def wave_of(row: ImportRow) -> Waveform:
    """The sound of the part that is meant. Raises AudioError or DiskError."""
    return read(row.audio, offset=row.start, duration=row.duration)

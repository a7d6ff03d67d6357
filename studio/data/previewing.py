"""What an import would do: the first rows, what each column becomes, how much would come in, and what would not."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection

from pydantic import BaseModel, ConfigDict

from studio.audio import MAX_SECONDS, MIN_SECONDS, Waveform, read
from studio.data.formats.base import Column, Group, Reasons, Refused, Row
from studio.data.formats.measured import seconds
from studio.data.formats.plan import Plan, opened
from studio.data.quality import fingerprint
from studio.errors import DataError, StudioError

FIRST = 8  # rows that are shown


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


def preview(plan: Plan, known: Collection[str] = (), limit: float | None = None) -> Preview:
    """What importing `plan` would do; sounds are opened for `limit` seconds at most, the other rows only counted.

    `known` are the fingerprints (`audio_sha256`) of the dataset's clips. Raises DataError where nothing can be read.
    """
    began, tally, reasons = time.monotonic(), Counter[str](), Reasons()
    first: list[Shown] = []
    speakers: set[str] = set()
    splits: Counter[str] = Counter()
    total = 0.0
    with opened(plan) as found:
        for _, row in found.rows():
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
        chosen = found.parts[0] if found.parts else None
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
        length = length_of(row)
        if known and fingerprint(wave_of(row)) in known:
            return None
    except StudioError as error:
        return Refused(row.name, error.what, error.remedy)
    return length


def length_of(row: Row) -> float:
    """Seconds of the part that is meant. Raises DataError where it cannot be a clip."""
    whole = seconds(row.audio)
    length = min(whole - row.start, row.duration or whole) if row.is_part else whole
    if length < MIN_SECONDS:
        raise DataError(f"It lasts {max(length, 0):.2f} s: nothing can be said in that time.", "Leave it out.")
    if length > MAX_SECONDS:
        what = f"It lasts {length:.0f} s; a clip may last {MAX_SECONDS:.0f} s at most."
        raise DataError(what, "Cut it into sentences, or give the start and end of each.")
    return length


def wave_of(row: Row) -> Waveform:
    """The sound of the part that is meant. Raises AudioError or DiskError."""
    return read(row.audio, offset=row.start, duration=row.duration)

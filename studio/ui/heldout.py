"""The held-out clips of a run, before and after, as the Test tab shows them: the worst first, by pages."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from studio.errors import JobError
from studio.evaluate import Evaluation, ScoredClip
from studio.metrics import Edit, Score, diff, score
from studio.run_folder import RunFolder
from studio.text import NORMALISERS
from studio.verdict import change, sentence

ROWS = 50  # on one page of the table


class Reading(BaseModel):
    """What one model wrote for one clip, word by word against the reference."""

    model_config = ConfigDict(frozen=True)

    edits: list[Edit]  # of the texts as they were compared
    errors: int  # words


class HeldOutRow(BaseModel):
    """One clip of the test split."""

    model_config = ConfigDict(frozen=True)

    id: str
    seconds: float  # of audio
    reference: str
    before: Reading | None
    after: Reading


class HeldOutPage(BaseModel):
    """A page of the table, and the totals over all of it."""

    model_config = ConfigDict(frozen=True)

    before: Score | None
    after: Score
    verdict: str  # better, worse or neither, with the interval; empty where the two cannot be compared
    is_better: bool | None  # None where no difference is shown
    is_same_test: bool  # before and after were scored on the same clips with the same labels
    page: int  # counted from 0
    pages: int
    rows: list[HeldOutRow]
    skipped: list[str]


def held_out(folder: RunFolder, page: int) -> HeldOutPage:
    """Page `page` of the run's held-out clips. Raises JobError where the run has not scored them."""
    before, after = Evaluation.read(folder.baseline), Evaluation.read(folder.tuned)
    if after is None:
        raise JobError(
            f"The run “{folder.name}” has no held-out results.",
            "They are written when a run ends: train again.",
        )
    earlier = {row.id: row for row in before.rows} if before else {}
    worst_first = sorted(after.rows, key=lambda row: (-row.wer, -_wer(earlier.get(row.id)), row.id))
    pages = max(1, -(-len(worst_first) // ROWS))
    page = min(max(page, 0), pages - 1)
    shown = worst_first[page * ROWS : (page + 1) * ROWS]
    found = change(before, after) if before else None
    return HeldOutPage(
        before=before.score if before else None,
        after=after.score,
        verdict=sentence(found) if found else "",
        is_better={"better": True, "worse": False}.get(found.verdict) if found else None,
        is_same_test=before is None or before.test_set_hash == after.test_set_hash,
        page=page,
        pages=pages,
        rows=[_row(earlier.get(row.id), row, after.score.normaliser) for row in shown],
        skipped=after.skipped,
    )


def _wer(row: ScoredClip | None) -> float:
    return row.wer if row else 0.0


def _row(before: ScoredClip | None, after: ScoredClip, normaliser: str) -> HeldOutRow:
    return HeldOutRow(
        id=after.id,
        seconds=after.seconds,
        reference=after.reference,
        before=_reading(before, normaliser) if before else None,
        after=_reading(after, normaliser),
    )


def _reading(row: ScoredClip, normaliser: str) -> Reading:
    normal = NORMALISERS[normaliser]
    counted = score([row.reference], [row.hypothesis], normaliser)
    return Reading(
        edits=diff(normal(row.reference), normal(row.hypothesis)),
        errors=counted.substitutions + counted.deletions + counted.insertions,
    )

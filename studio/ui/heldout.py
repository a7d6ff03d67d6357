"""The held-out clips of a run, before and after, as the Test tab shows them: the answers, and where it is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from studio.config import Normaliser
from studio.evaluation import typing_figures
from studio.evaluation.error_analysis import ClipResult, ConditionGroup, ConfidenceBin, Confusion, WordResult
from studio.evaluation.learning_curve import SHARES
from studio.evaluation.verdict import Outcome
from studio.reports import run_page
from studio.reports.answers import Answer, State, answers, figures
from studio.reports.result import RunResult, result_of
from studio.reports.tiles import Tile, tiles
from studio.runs import listing
from studio.runs.folder import RunFolder
from studio.text import COMPARED, Convention
from studio.text.metrics import Score, Unit
from studio.ui import learning
from studio.workspace import Workspace

ROWS = 50  # on one page of the table
MOST_WORDS, MOST_CONFUSIONS = 200, 50
Short = Annotated[str, StringConstraints(max_length=300)]

SORTS: Mapping[str, Callable[[ClipResult], float | str]] = MappingProxyType(
    {
        "after": lambda clip: clip.after.errors,
        "before": lambda clip: clip.before.errors if clip.before else 0,
        "change": lambda clip: clip.after.errors - (clip.before.errors if clip.before else 0),
        "reference": lambda clip: clip.reference.casefold(),
        "seconds": lambda clip: clip.seconds,
        "confidence": lambda clip: 1.0 if clip.after.confidence is None else clip.after.confidence,
        "surety": lambda clip: 1.0 if clip.after.least_sure is None else clip.after.least_sure,
    }
)
SHOWS: Mapping[str, Callable[[ClipResult], bool]] = MappingProxyType(
    {
        "all": lambda clip: True,
        "wrong": lambda clip: clip.after.errors > 0,
        "worse": lambda clip: clip.outcome == "worse",
        "better": lambda clip: clip.outcome == "better",
    }
)
"""Which clips are shown."""


class ClipQuery(BaseModel):
    """Which clips, in which order."""

    normaliser: Normaliser | None = None  # the run's own
    show: Annotated[str, StringConstraints(pattern="^(all|wrong|worse|better)$")] = "all"
    text: Short = ""  # in the reference, or in what was written
    word: Short = ""  # of the reference, as it was compared
    said: Short | None = None  # this and the next: a confusion
    written: Short | None = None
    dot: Annotated[str, StringConstraints(pattern=r"^(\d{1,3}-\d{1,3}-(better|worse|same))?$")] = ""  # as `Dot` has it
    sort: Annotated[str, StringConstraints(pattern="^-?(after|before|change|reference|seconds|confidence|surety)$")] = (
        "-after"
    )
    page: int = Field(0, ge=0)  # counted from 0


class Dot(BaseModel):
    """Clips with the same accuracy before and the same after, in percent, of which the same became."""

    model_config = ConfigDict(frozen=True)

    before: int
    after: int
    outcome: Outcome
    clips: int


class HeldOut(BaseModel):
    """A run's held-out clips as a whole."""

    model_config = ConfigDict(frozen=True)

    normaliser: str
    normalisers: dict[str, str]  # each in words
    after: Score
    unit: Unit  # what errors are counted in
    tiles: list[Tile]
    typing: list[tuple[str, str, str]]  # what only typing is measured by: its name, before and after
    answers: list[Answer]
    words: list[WordResult]  # the wrong ones
    confusions: list[Confusion]
    groups: list[ConditionGroup]
    sureties: list[ConfidenceBin]
    dots: list[Dot]
    missed: int  # words
    convention: Convention  # by which the references write numbers
    skipped: list[str]
    unwritable: list[str]  # clips whose label the model cannot write


class VerdictSummary(BaseModel):
    """The verdict on a run, as the Train tab shows it when the run is over."""

    model_config = ConfigDict(frozen=True)

    headline: str
    detail: str
    alarm: str  # empty where nothing got worse
    state: State


class ClipPage(BaseModel):
    """A page of the table."""

    model_config = ConfigDict(frozen=True)

    rows: list[ClipResult]
    found: int  # clips in all that match
    page: int  # counted from 0
    pages: int


def router(workspace: Workspace) -> APIRouter:
    """What the tab's scripts ask about held-out clips: runs by name, clips by id."""
    routes = APIRouter()

    def result(run: str, normaliser: str | None) -> RunResult:
        return finished_result(listing.existing(workspace, run), normaliser)

    @routes.get("/heldout/{run}")
    def totals(run: str, normaliser: Normaliser | None = None) -> HeldOut:
        return held_out(result(run, normaliser))

    @routes.get("/heldout/{run}/clips")
    def clips(run: str, wanted: Annotated[ClipQuery, Query()]) -> ClipPage:
        return clip_page(result(run, wanted.normaliser), wanted)

    @routes.get("/heldout/{run}/verdict")
    def verdict(run: str) -> VerdictSummary:
        return in_short(result(run, None))

    @routes.get("/report/{run}")
    def report(run: str, normaliser: Normaliser | None = None) -> Response:
        page = run_page.as_html(result(run, normaliser))
        return Response(page, media_type="text/html", headers=saved_as(f"{run}.html"))

    routes.include_router(learning.router(workspace))
    return routes


def saved_as(name: str) -> dict[str, str]:
    """The headers of a page that is saved, not shown: a report is no part of the studio."""
    from urllib.parse import quote

    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}", "Cache-Control": "no-store"}


def finished_result(folder: RunFolder, normaliser: str | None = None) -> RunResult:
    """The result of the run, worked out once for as long as its files stay. Raises JobError."""
    smaller = (folder.point(share).done for share in SHARES[:-1])
    paths = (folder.tuned, folder.baseline, folder.general_tuned, folder.done, *smaller)
    return _result(folder, tuple(path.stat().st_mtime_ns if path.is_file() else 0 for path in paths), normaliser)


@lru_cache(maxsize=8)
def _result(folder: RunFolder, _version: tuple[int, ...], normaliser: str | None) -> RunResult:
    return result_of(folder, normaliser)


def held_out(result: RunResult) -> HeldOut:
    """The totals above the table."""
    found = result.mistakes
    dots = Counter(dot_of(clip) for clip in found.clips)
    return HeldOut(
        normaliser=result.normaliser,
        normalisers=dict(COMPARED),
        after=result.after.score,
        unit=result.unit,
        tiles=tiles(result),
        typing=[(*figure,) for figure in typing_figures.figures(result.before.typing, result.after.typing)],
        answers=answers(result),
        words=[word for word in found.words if word.right_after < word.said][:MOST_WORDS],
        confusions=found.confusions[:MOST_CONFUSIONS],
        groups=found.groups,
        sureties=found.sureties,
        dots=[
            Dot(before=before, after=after, outcome=outcome, clips=clips)
            for (before, after, outcome), clips in sorted(dots.items())
        ],
        missed=len(result.missed),
        convention="digits" if any(char.isdigit() for clip in found.clips for char in clip.reference) else "words",
        skipped=result.left_out,
        unwritable=result.unwritable,
    )


def in_short(result: RunResult) -> VerdictSummary:
    """The verdict in a few sentences."""
    found = result.verdict
    return VerdictSummary(
        headline=found.headline,
        detail=f"{figures(result)} {found.how_much} {found.changed}".strip() if found.change else found.how_much,
        alarm=result.alarm if result.worse_alarms else "",
        state="bad" if result.worse_alarms else found.state,
    )


def clip_page(result: RunResult, wanted: ClipQuery) -> ClipPage:
    """The page of clips that is `wanted`; beyond the last page, the last."""
    rows = [clip for clip in result.mistakes.clips if _matches(clip, wanted)]
    rows.sort(key=lambda clip: clip.id)
    name, is_down = wanted.sort.removeprefix("-"), wanted.sort.startswith("-")
    rows.sort(key=lambda clip: SORTS["before"](clip), reverse=True)  # of equals, those that were worse before
    rows.sort(key=SORTS[name], reverse=is_down)
    pages = max(1, -(-len(rows) // ROWS))
    page = min(wanted.page, pages - 1)
    return ClipPage(rows=rows[page * ROWS : (page + 1) * ROWS], found=len(rows), page=page, pages=pages)


def dot_of(clip: ClipResult) -> tuple[int, int, Outcome]:
    """Accuracy before and after, percent, and what became of the clip."""
    before, after = clip.accuracies
    return round(100 * before), round(100 * after), clip.outcome


def _matches(clip: ClipResult, wanted: ClipQuery) -> bool:
    if not SHOWS[wanted.show](clip):
        return False
    if wanted.word and wanted.word not in clip.compared.split():
        return False
    if wanted.said is not None and (wanted.said, wanted.written or "") not in clip.after.confusions:
        return False
    if wanted.dot and wanted.dot != "{}-{}-{}".format(*dot_of(clip)):
        return False
    return not wanted.text or wanted.text.casefold() in _all_text(clip)


def _all_text(clip: ClipResult) -> str:
    written = " ".join(edit.hypothesis for edit in clip.after.edits if edit.hypothesis)
    return f"{clip.reference}\n{written}".casefold()

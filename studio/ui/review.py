"""The Review tab: every clip of a dataset, fifty a page, found by what a person types and summed up in tiles.

What is done to clips goes through `studio.ui.clips`; the dialogs that its toolbar opens have routes of their own.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from studio.audio import edges
from studio.data import word_times
from studio.data.manifest import Dataset
from studio.data.quality import Quality
from studio.data.store import asr_results
from studio.data.utterance import Example, Utterance
from studio.data.view.pair_rows import PairRow
from studio.data.view.query import SPEECH
from studio.data.view.rows import ClipRow
from studio.data.view.summary import Summary, Words
from studio.data.view.table import PAGE, Found, Table
from studio.data.view.views import row_of
from studio.errors import DataError
from studio.ui import assets
from studio.ui.page import Page
from studio.workspace import Workspace

WORDS = 40  # of the vocabulary, each of the most frequent and of the rare ones
MOST_NAMES = 50  # speakers or sessions that are offered while a person types


class Doubt(BaseModel):
    """How likely a label is wrong, as a person decided after they listened."""

    suspicion: float = Field(ge=0, le=1)
    reason: str = Field("", max_length=1000)


def build(page: Page) -> None:
    """Put the tab's components into the page."""
    assets.room("review/review", "st-review")
    assets.room("typing/pairs", "st-pairs")  # in its place where the dataset holds typing


def router(workspace: Workspace) -> APIRouter:
    """Pages of clips, and what they have in common."""
    routes = APIRouter(prefix="/studio/review")

    def table(name: str) -> Table | None:
        dataset = Dataset.open(workspace.dataset(name)) if workspace.dataset(name).is_dir() else None
        return Table.of(dataset) if dataset and dataset.kind == "speech" else None

    @routes.get("/{name}")
    def listed(name: str, first: int = 0, query: str = "", sort: str = "-created", trash: bool = False) -> JSONResponse:
        nothing = JSONResponse(_page(Found(total=0, clips=0, first=0, rows=[]), {}))
        if not workspace.dataset(name).is_dir():
            return nothing
        dataset = Dataset.open(workspace.dataset(name))
        if dataset.kind != "speech":  # its pairs have a list of their own: studio.ui.typing
            return nothing
        if trash:
            return JSONResponse(thrown_away(dataset, first, query))
        found = Table.of(dataset).find(query, sort, first)
        return JSONResponse(_page(found, {row.id: dataset.get(row.id) for row in found.rows}))

    @routes.get("/{name}/summary")
    def summary(name: str, query: str = "") -> Summary | None:
        found = table(name)
        return found.summary(query) if found else None

    @routes.get("/{name}/words")
    def words(name: str, query: str = "") -> Words | None:
        found = table(name)
        return found.words(query, WORDS) if found else None

    @routes.get("/{name}/fields")
    def fields(name: str) -> list[dict[str, Any]]:
        return known_fields(table(name))

    @routes.post("/{name}/{clip_id}/doubt")
    def doubt(name: str, clip_id: str, doubt: Doubt) -> dict[str, Any]:
        return decide(Dataset.open(workspace.dataset(name)), clip_id, doubt)

    return routes


def known_fields(table: Table | None) -> list[dict[str, Any]]:
    """What a filter can ask for, with its unit and the values that are offered."""
    language = table.view.language if table else SPEECH
    listed = [
        {"name": name, "kind": column.kind, "unit": column.unit, "what": column.what, "values": column.choices}
        for name, column in language.fields.items()
    ]
    for field in listed:
        if table and field["name"] in ("speaker", "session"):
            field["values"] = sorted(set(table.texts(field["name"])) - {""})[:MOST_NAMES]
    flags = "; ".join(f"has {name}: {what[0].lower()}{what[1:]}" for name, what in language.flags.items())
    return [*listed, {"name": "has", "kind": "flag", "unit": "", "what": flags, "values": list(language.flags)}]


def decide(dataset: Dataset, id: str, doubt: Doubt) -> dict[str, Any]:
    """Put a person's doubt in the place of the model's. Raises DataError where no model checked the label as it is."""
    clip = dataset.get(id)
    reading = asr_results.read(dataset).get(id)
    if reading is None or reading.stale_for(clip):
        raise DataError("No model has checked this label.", "Press Labels, then look for wrong labels.")
    asr_results.append(dataset, [reading.model_copy(update=doubt.model_dump())])
    return {"id": id}


def thrown_away(dataset: Dataset, first: int, query: str) -> dict[str, Any]:
    """A page of the trash, what was thrown away last first; `query` are words that a label holds."""
    words = query.casefold().split()
    clips = [clip for clip in reversed(dataset.trashed()) if all(word in clip.text.casefold() for word in words)]
    start = max(0, min(first, len(clips) - 1))
    shown = clips[start : start + PAGE]
    page = _page(
        Found(total=len(clips), clips=len(clips), first=start, rows=[row_of(clip, None).shown([]) for clip in shown]),
        {},
    )
    for row, clip in zip(page["rows"], shown, strict=True):
        row |= {"trashed": True, "samples": clip.given_hash[:16]}
    return page


def _page(found: Found, clips: dict[str, Example]) -> dict[str, Any]:
    """What the script lays out."""
    rows = [row.model_dump() | (_more(row, clips[row.id]) if clips else {}) for row in found.rows]
    return {"total": found.total, "clips": found.clips, "first": found.first, "size": PAGE, "rows": rows}


def _more(row: ClipRow | PairRow, clip: Example) -> dict[str, Any]:
    """What only the page needs: what trimming would take off, the word diff, word times, and a name for the samples."""
    if isinstance(row, PairRow) or not isinstance(clip, Utterance):
        return {}
    figures = Quality.known(clip.quality)
    return {
        "trim": edges.offered(figures, clip.duration) if figures else 0,
        "edits": _diff(row.text, row.heard),
        "samples": clip.audio_sha256[:16],
        "timed": word_times.timed(clip),
        "timed_by": clip.words_from,
    }


def _diff(label: str, heard: str | None) -> list[dict[str, Any]]:
    """How the transcript differs from the label; empty where it does not, or there is none."""
    if heard is None or heard == label:
        return []
    from studio.evaluation.word_diff import compared

    return [edit.model_dump() for edit in compared(label, heard)]

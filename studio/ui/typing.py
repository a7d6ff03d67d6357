"""Typing in the page: prompts that are typed, pairs that are looked through, a sentence that is corrected as it rests.

Each tab holds a room for recordings and one for typing, of which the dataset's kind shows one. The scripts are in
`assets/typing/`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, StringConstraints

from studio.data import prompts
from studio.data.manifest import Dataset
from studio.data.pair import LONGEST_SIDE, Pair, checked_typed
from studio.data.pair_files.exporting import Format, written
from studio.data.pair_files.importing import PairImportReport, import_pairs
from studio.data.utterance import Split
from studio.data.view.pair_rows import PairRow
from studio.data.view.table import Table
from studio.errors import ConfigError
from studio.evaluation.word_diff import compared
from studio.inference import worker
from studio.inference.worker import Worker
from studio.models.base import Hypothesis
from studio.models.registry import kind_of
from studio.text.metrics import Edit
from studio.ui import base_models, hearing
from studio.ui.hearing import ModelSelection
from studio.ui.heldout import saved_as
from studio.web.uploads import safe_parts
from studio.workspace import Workspace, disk_errors

Side = Annotated[str, StringConstraints(max_length=LONGEST_SIDE + 1)]
PAGE = 50  # rows
LATEST = 10  # pairs that the Record tab lists


class OwnPrompts(BaseModel):
    """A person's own sentences, one a line; none: the phrases again."""

    text: str = Field(max_length=1_000_000)


class Typed(BaseModel):
    """A prompt as it was typed."""

    typed: Side
    text: Side  # what was meant
    prompt: Side = ""
    seconds: float = Field(0.0, ge=0, allow_inf_nan=False)  # from the first key to the last
    backspaces: int = Field(0, ge=0)
    key_times: list[float] | None = Field(None, max_length=10 * LONGEST_SIDE)  # only where the person agreed


class PairEdit(BaseModel):
    """What a person changed in a pair, and what the page showed before."""

    typed: Side | None = None
    text: Side | None = None
    split: Split | None = None
    was: dict[str, str] | None = None


class ToMend(BaseModel):
    """A text to correct, by a run or by a model alone."""

    text: Side = ""
    run: str = ""
    model: str = ""


class Mended(BaseModel):
    """A text before and after, word by word."""

    model: str
    before: Hypothesis  # by the base model
    after: Hypothesis | None  # with the run's adapter; None without a run
    edits_before: list[Edit]  # that make it of what was typed
    edits_after: list[Edit]


class Correction(BaseModel):
    """A sentence of the Test tab, and what was meant."""

    typed: Side
    text: Side


class PairPage(BaseModel):
    """Some of the pairs that were found."""

    total: int
    pairs: int  # in the dataset
    first: int
    rows: list[PairRow]


def router(workspace: Workspace, recogniser: Worker | None = None) -> APIRouter:
    """What the scripts ask for; by default all tabs share the process that holds a model."""
    routes = APIRouter(prefix="/studio/typing")
    reader = recogniser or worker.shared()

    def dataset(name: str) -> Dataset:
        found = Dataset.open(workspace.dataset(name))
        found.must_be("typing")
        return found

    @routes.get("/{name}/cards")
    def cards(name: str) -> dict[str, Any]:
        return cards_of(dataset(name))

    @routes.post("/{name}/own")
    def own(name: str, own: OwnPrompts) -> dict[str, Any]:
        prompts.save(dataset(name), prompts.own(own.text))
        return cards_of(dataset(name))

    @routes.post("/{name}/pairs")
    def save(name: str, typed: Typed) -> dict[str, Any]:
        pair = dataset(name).add_pair(
            typed.typed,
            typed.text,
            prompt=typed.prompt,
            duration=typed.seconds,
            key_times=typed.key_times,
            backspaces=typed.backspaces,
        )
        return shown(pair)

    @routes.post("/{name}/keep")
    def keep(name: str, correction: Correction) -> dict[str, Any]:
        pair = dataset(name).add_pair(correction.typed, correction.text, source="live")
        aside = " set aside, since the test split has this sentence" if pair.split == "unused" else " to learn from"
        return shown(pair) | {"said": f"Kept in “{name}”{aside}."}

    routes.include_router(_reviewing(dataset))
    routes.include_router(_mending(workspace, reader))
    return routes


def _reviewing(dataset: Callable[[str], Dataset]) -> APIRouter:
    """The pairs of a dataset: listed, changed, taken in and given out."""
    routes = APIRouter()

    @routes.get("/{name}/pairs")
    def listed(name: str, query: str = "", sort: str = "-created", first: int = 0) -> PairPage:
        found = Table.of(dataset(name)).find(query, sort, first, PAGE)
        rows = [row for row in found.rows if isinstance(row, PairRow)]
        return PairPage(total=found.total, pairs=found.clips, first=found.first, rows=rows)

    @routes.post("/{name}/pairs/{pair_id}")
    def edit(name: str, pair_id: str, change: PairEdit) -> PairRow:
        fields = change.model_dump(include={"typed", "text", "split"}, exclude_none=True)
        dataset(name).edit(pair_id, change.was, **fields)
        row = Table.of(dataset(name)).get(pair_id)
        assert isinstance(row, PairRow)
        return row

    @routes.post("/{name}/import")
    def take_in(name: str, file: UploadFile) -> PairImportReport:
        with tempfile.TemporaryDirectory(prefix="studio-import-") as scratch:
            path = Path(scratch) / (safe_parts(file.filename or "") or ["pairs"])[-1]
            with disk_errors(path), path.open("xb") as stream:
                shutil.copyfileobj(file.file, stream)
            return import_pairs(dataset(name), [path])

    @routes.get("/{name}/export/{format}")
    def give_out(name: str, format: Format) -> StreamingResponse:
        whole = [pair for pair in dataset(name).pairs() if pair.typed.strip() and pair.text.strip()]
        kind = "application/jsonl" if format == "jsonl" else "text/tab-separated-values"
        headers = saved_as(f"{name}.{format}")
        return StreamingResponse(written(whole, format), media_type=kind, headers=headers)

    return routes


def _mending(workspace: Workspace, reader: Worker) -> APIRouter:
    routes = APIRouter()

    @routes.get("/runs")
    def runs() -> list[dict[str, str]]:
        found = hearing.testable_runs(workspace)
        return [{"name": run.name, "model": run.model} for run in found if kind_of(run.model) == "typing"]

    @routes.post("/prepare")
    def prepare(asked: ToMend) -> dict[str, str]:
        who = _chosen(workspace, asked)
        reader.prepare(who.model, tuple(who.adapters.values()))
        return {"model": who.model}

    @routes.post("/mend")
    def mend(asked: ToMend) -> Mended:
        return mended(workspace, reader, asked)

    return routes


def _chosen(workspace: Workspace, asked: ToMend) -> ModelSelection:
    who = hearing.choose(workspace, [asked.run] if asked.run else [], asked.model)
    if kind_of(who.model) != "typing":
        known = ", ".join(base_models.of_kind(workspace, "typing")) or "none on this disk yet"
        raise ConfigError(f"The model {who.model} takes sound, not typed text.", f"Typing models: {known}.")
    return who


def mended(workspace: Workspace, reader: Worker, asked: ToMend) -> Mended:
    """The text of `asked`, corrected by `reader`. Raises ConfigError, DataError, JobError, ModelError."""
    who = _chosen(workspace, asked)
    typed = checked_typed(asked.text)
    before, *after = reader.correct_each(typed, who.model, tuple(who.adapters.values()))
    return Mended(
        model=who.model,
        before=before,
        after=after[0] if after else None,
        edits_before=hearing.joined(compared(typed, before.text, "exact")),
        edits_after=hearing.joined(compared(typed, after[0].text, "exact")) if after else [],
    )


def cards_of(dataset: Dataset) -> dict[str, Any]:
    """Every prompt with the pair that was typed of it last, and the latest pairs."""
    pairs = dataset.pairs()
    last = {pair.prompt: pair for pair in pairs if pair.prompt}
    cards = prompts.load(dataset) or prompts.phrases()
    return {
        "cards": [{"text": card.text, "pair": shown(last[card.text]) if card.text in last else None} for card in cards],
        "latest": [shown(pair) for pair in reversed(pairs[-LATEST:])],
    }


def shown(pair: Pair) -> dict[str, Any]:
    """What a script receives of a pair."""
    return pair.model_dump(include={"id", "typed", "text", "prompt", "duration", "backspaces", "split"})

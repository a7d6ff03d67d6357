"""What to record next: the dialog in which a person sees what is missed, lists terms, and has sentences chosen."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from studio.data import prompts
from studio.data.manifest import Dataset
from studio.evaluation.reading_list import missed_words, read_next
from studio.text import Convention
from studio.ui import assets
from studio.ui.page import Page
from studio.workspace import Workspace

SHOWN = 24  # missed words


class PromptOptions(BaseModel):
    """How many sentences, with which terms of one's own."""

    terms: str = Field("", max_length=100_000)  # one a line, or separated by commas
    count: int = Field(20, ge=1, le=200)
    convention: Convention = "words"
    run: str = ""  # whose misses count; the newest of the dataset, where none is named


def build(page: Page) -> None:
    """Put the dialog into the page."""
    assets.room("record/needs", "st-needs")


def router(workspace: Workspace) -> APIRouter:
    """What is known of a dataset's needs, and the cards chosen by them."""
    routes = APIRouter(prefix="/studio")

    @routes.get("/needs/{name}")
    def needs(name: str, run: str = "") -> dict[str, Any]:
        dataset = Dataset(workspace.dataset(name))
        missed = missed_words(workspace, dataset, run)
        rows = [
            {"word": word, "times": min(found.times, found.clips), "clips": found.clips}
            for word, found in missed.items()
        ]
        return {"terms": prompts.load_terms(dataset), "missed": rows[:SHOWN], "more": max(0, len(rows) - SHOWN)}

    @routes.post("/needs/{name}")
    def choose(name: str, wish: PromptOptions) -> dict[str, int]:
        dataset = Dataset.create(workspace.dataset(name))
        prompts.save_terms(dataset, prompts.parse_terms(wish.terms))
        chosen = read_next(workspace, dataset, count=wish.count, convention=wish.convention, run=wish.run)
        prompts.save(dataset, chosen)
        return {"chosen": len(chosen)}

    return routes

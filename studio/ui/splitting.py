"""The Splits dialog: how a dataset is split, shown before it is done."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from studio.data.manifest import Dataset
from studio.data.splits import plans
from studio.data.splits.plans import SplitPlan, SplitRequest
from studio.ui import assets
from studio.ui.page import Page
from studio.workspace import Workspace


class Approved(BaseModel):
    """A request, and the name of its plan as the person saw it."""

    request: SplitRequest
    plan: str


def build(page: Page) -> None:
    """Put the dialog into the page."""
    assets.room("review/splits", "st-splits")


def router(workspace: Workspace) -> APIRouter:
    """The plan, and its carrying out."""
    routes = APIRouter(prefix="/studio/split")

    @routes.get("/{name}/speakers")
    def speakers(name: str) -> dict[str, list[str]]:
        clips = Dataset(workspace.dataset(name)).examples()  # before the first clip there are none
        return {
            "speakers": sorted({clip.speaker for clip in clips} - {""}),
            "sessions": sorted({clip.session for clip in clips} - {""}),
        }

    @routes.post("/{name}/preview")
    def preview(name: str, request: SplitRequest) -> dict[str, Any]:
        return _shown(plans.plan(Dataset.open(workspace.dataset(name)), request))

    @routes.post("/{name}/apply")
    def apply(name: str, approved: Approved) -> dict[str, Any]:
        return _shown(plans.apply(Dataset.open(workspace.dataset(name)), approved.request, approved.plan))

    return routes


def _shown(plan: SplitPlan) -> dict[str, Any]:
    """What the page receives: the number of moves, and the first of them."""
    shown = plan.model_dump() | {"count": len(plan.moves)}
    return shown | {"moves": shown["moves"][: plans.SHOWN]}

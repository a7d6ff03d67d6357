"""The dialog in which runs are laid side by side: one table, their curves, and the settings that differ."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from studio.config import Normaliser
from studio.reports import comparison
from studio.reports.comparison import RunComparison
from studio.runs import listing
from studio.ui import assets
from studio.ui.heldout import saved_as
from studio.ui.page import Page
from studio.workspace import Workspace

Runs = Annotated[list[str], Query(alias="run", max_length=comparison.MOST)]


def build(page: Page) -> None:
    """Put the dialog into the page."""
    assets.room("results/compare", "st-compare")


def router(workspace: Workspace) -> APIRouter:
    """The comparison as the dialog draws it, and as a page to keep."""
    routes = APIRouter(prefix="/studio/compare")

    def compare(runs: list[str], normaliser: str | None) -> RunComparison:
        return comparison.compare_runs([listing.existing(workspace, run) for run in runs], normaliser)

    @routes.get("/runs")
    def compared(runs: Runs, normaliser: Normaliser | None = None) -> dict[str, Any]:
        found = compare(runs, normaliser)
        table = {"head": comparison.HEAD, "cells": [comparison.cells(run) for run in found.runs]}
        return {"headline": comparison.headline(found), "table": table, **found.model_dump(mode="json")}

    @routes.get("/page")
    def saved(runs: Runs, normaliser: Normaliser | None = None) -> Response:
        page = comparison.as_html(compare(runs, normaliser))
        return Response(page, media_type="text/html", headers=saved_as("runs-compared.html"))

    return routes

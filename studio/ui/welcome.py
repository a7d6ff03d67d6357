"""A few lines for who opens an empty studio: what it is for, where recordings stay, where to begin."""

from __future__ import annotations

from fastapi import APIRouter

from studio.data.store.files import Store
from studio.ui import assets
from studio.workspace import Workspace


def build() -> None:
    """Put the lines above the tabs; the script shows them where there has never been a clip."""
    assets.room("welcome", "st-welcome")


def router(workspace: Workspace) -> APIRouter:
    """What the script asks for."""
    routes = APIRouter(prefix="/studio")

    @routes.get("/welcome")
    def welcome() -> dict[str, bool]:
        return {"is_new": is_new(workspace)}

    return routes


def is_new(workspace: Workspace) -> bool:
    """Whether no dataset has a clip, nor had one that is in the trash now."""
    stores = [Store(workspace.dataset(name)) for name in workspace.datasets()]
    kept = [file for store in stores for file in (store.manifest, store.trash_list)]
    return not any(file.is_file() and file.stat().st_size for file in kept)

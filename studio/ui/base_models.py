"""Which base models the page offers: the catalogue, those that a person has added, those of runs and merged runs.

A client names a model of this list and never a path. A folder or a Hub id enters the list through `add`, which looks
at it by the rules of `--model`; nothing is downloaded by that.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from fastapi import APIRouter
from pydantic import BaseModel, ValidationError

from studio.config import ECHO, STARTER, TYPING_STARTER, Kind, in_language, split_language
from studio.errors import ModelError
from studio.models.catalogue import ModelCard, catalogue, default_model, fetched, is_hub_id, locate, stored_numbers
from studio.models.claims import read_object
from studio.models.language import check_language, languages
from studio.models.pretrained import check_weights
from studio.models.registry import check, kind_of
from studio.runs import listing
from studio.runs.folder import RunFolder
from studio.workspace import Workspace, disk_errors, write_atomically

_LONGEST = 1000  # characters of a path


class ModelSource(BaseModel):
    """A folder on the studio's computer, or an id on the Hub."""

    source: str


class _Added(BaseModel):
    sources: list[str] = []


def router(workspace: Workspace) -> APIRouter:
    """Routes that lengthen and shorten the list."""
    routes = APIRouter(prefix="/studio/models")

    @routes.post("/add")
    def lengthen(wanted: ModelSource) -> dict[str, str]:
        return {"id": add(workspace, wanted.source)}

    @routes.post("/forget")
    def shorten(wanted: ModelSource) -> None:
        forget(workspace, wanted.source)

    return routes


def offered(workspace: Workspace) -> list[ModelCard]:
    """Every model of the picker: what can be used at once comes first, then what is a download away."""
    listed = catalogue()
    names = {card.id for card in listed}
    more = dict.fromkeys([*added(workspace), *_of_runs(workspace)])
    cards = listed + [card for source in more if source not in names and (card := _card(source))]
    return sorted(cards, key=lambda card: card.state == "download")


def of_kind(workspace: Workspace, kind: Kind) -> list[str]:
    """The names of the offered models that take sound, or typed text; what is bundled comes first."""
    found = [card.id for card in offered(workspace) if kind_of(card.id) == kind]
    first = default_model() if kind == "speech" else TYPING_STARTER
    return sorted(found, key=lambda name: name != first)


def known(workspace: Workspace, source: str) -> str:
    """`source` if the page offers it. Raises ModelError otherwise, and where its folder is no longer a model."""
    if source == ECHO or source in {card.id for card in catalogue()}:
        return source
    is_offered = source in added(workspace) or source in _of_runs(workspace)
    card = _card(source) if is_offered else None
    if card is None:
        raise ModelError(
            f"The page does not offer the model “{source[:80]}”.", "Choose one from the list, or add it there."
        )
    if card.state != "download":
        check(locate(source))
    return source


def add(workspace: Workspace, source: str) -> str:
    """Offer the model in the folder `source`, or of that Hub id, from now on; its name in the list.

    Raises ModelError where it is neither, or holds no model that the studio can train; and DiskError.
    """
    source = source.strip()
    if not source or len(source) > _LONGEST or not source.isprintable():
        raise ModelError("This is neither a folder nor a Hub id.", "Enter the folder’s full path, or owner/name.")
    name = _checked(source)
    if name not in {card.id for card in offered(workspace)}:
        _write(workspace, [*added(workspace), name])
    return name


def forget(workspace: Workspace, source: str) -> None:
    """Take an added model off the list; its files stay. Raises DiskError."""
    _write(workspace, [name for name in added(workspace) if name != source])


def _checked(source: str) -> str:
    """What `source` is called from every folder; a Hub id that is not on this disk is not asked for."""
    name, language = split_language(source)
    try:
        folder = locate(name)
    except ModelError:
        if is_hub_id(name) and name[0].isalnum():
            return source
        raise
    if check(folder).name != ECHO:  # it needs none
        check_weights(folder)
    check_language(folder, language)
    is_named = name in (STARTER, TYPING_STARTER, ECHO) or (is_hub_id(name) and fetched(name) == folder)
    return source if is_named else in_language(str(folder), language)


def languages_of(card: ModelCard) -> list[str]:
    """The codes among which a person can choose for this model; none before it is on this disk, and for most."""
    with suppress(ModelError):  # its files went away meanwhile
        return languages(locate(card.id)) if card.state == "on disk" else []
    return []


def _of_runs(workspace: Workspace) -> list[str]:
    """What this workspace's runs were trained on, and what they were merged into: a base for the next."""
    runs = listing.runs(workspace)
    merged = (RunFolder(workspace.run(run.name)).merged for run in runs)
    return [*(run.model for run in runs), *(str(folder) for folder in merged if (folder / "config.json").is_file())]


def _card(source: str) -> ModelCard | None:
    """A line of the picker; None for a folder that is gone."""
    name, language = split_language(source)
    if language:
        base = next((card for card in catalogue() if card.id == name), None) or _card(name)
        return base and replace(base, id=source, title=f"{base.title.partition(', ')[0]} ({language})")
    try:
        folder = locate(source)
        family = str(read_object(folder / "config.json").get("model_type", ""))
    except ModelError:
        return ModelCard(source, source, "", 0, "download", 0) if is_hub_id(source) else None
    is_merged = folder == RunFolder(folder.parent).merged and RunFolder(folder.parent).config.is_file()
    title = f"{folder.parent.name}, merged" if is_merged else folder.name
    title = source if is_hub_id(source) or source == ECHO else title
    return ModelCard(source, title, family, stored_numbers(folder), "on disk", 0)


def added(workspace: Workspace) -> list[str]:
    """What a person added, in order."""
    try:
        return _Added.model_validate_json(_file(workspace).read_bytes()).sources
    except (FileNotFoundError, ValidationError):
        return []


def _write(workspace: Workspace, sources: list[str]) -> None:
    path = _file(workspace)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, _Added(sources=sources).model_dump_json(indent=1) + "\n")


def _file(workspace: Workspace) -> Path:
    return workspace.outputs / ".models.json"

"""Which models there are, where they lie, and what a download would cost. Cheap: no torch, no network."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from studio.errors import ModelError

STARTER = "starter"
_PACKAGE = Path(__file__).resolve().parent.parent
_BUNDLED = {STARTER: _PACKAGE / "starter" / "model", "echo": _PACKAGE / "models" / "echo_model"}

State = Literal["bundled", "on disk", "download"]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One line of the model picker."""

    id: str  # what `load` takes
    title: str
    family: str  # transformers' `model_type`
    parameters: int
    state: State
    download_bytes: int  # of the whole model; 0 where it is bundled


@dataclass(frozen=True, slots=True)
class _Published:
    id: str
    title: str
    family: str
    parameters: int
    weights: int  # numbers stored on the Hub: untied embeddings count twice


_PUBLISHED = (
    # Parameters: counted from the published shapes (transformers' classes on the meta device).
    _Published("UsefulSensors/moonshine-tiny", "Moonshine tiny", "moonshine", 27_100_000, 27_100_000),
    _Published("UsefulSensors/moonshine-base", "Moonshine base", "moonshine", 61_500_000, 61_500_000),
)


def catalogue() -> list[ModelCard]:
    """Every model that the picker offers: the bundled one first, then the published ones by size."""
    raise NotImplementedError


def locate(source: str | Path) -> Path:
    """The folder in which the model `source` lies: bundled, a folder, or a snapshot in the Hub's cache.

    Raises ModelError that says how to fetch it, or what was probably meant.
    """
    name = str(source)
    if name in _BUNDLED:
        return _BUNDLED[name]
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder.resolve()
    raise ModelError(f"There is no model “{name}” on this disk.", _hint(name))


def _hint(name: str) -> str:
    ids = [STARTER, *(model.id for model in _PUBLISHED)]
    near = difflib.get_close_matches(name, ids, 1)
    return f"Did you mean “{near[0]}”?" if near else f"Give a model folder, or one of {', '.join(ids)}."

"""Whose typing an adapter was trained on: their habits and words, in the adapter's folder and on its model.

A merged model has its own in its folder. Which of several counts follows the adapter that the model reads with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from studio.errors import ModelError
from studio.models.active_adapter import BASE, in_use
from studio.models.encoder_decoder import base_of
from studio.typing.typist import Typist
from studio.workspace import disk_errors

FILE = "typist.json"
_KEPT = "typists"  # on transformers' own model: by the adapter's name


def of(model: Any) -> Typist | None:
    """Whose typing `model`, a PeftModel or not, corrects as it is now; None: no one's in particular."""
    found: dict[str, Typist] = getattr(base_of(model), _KEPT, {})
    return found.get(in_use(model)) or found.get(BASE)


def meet(model: Any, typist: Typist | None, adapter: str = "default") -> None:
    """Let `adapter` of `model`, `BASE` for its own weights, be that of `typist`."""
    base = base_of(model)
    found = {name: each for name, each in getattr(base, _KEPT, {}).items() if name != adapter}
    setattr(base, _KEPT, found | ({adapter: typist} if typist else {}))


def read(folder: Path) -> Typist | None:
    """Who is in the folder of an adapter or a model; None where no one is. Raises ModelError, DiskError."""
    path = folder / FILE
    if not path.is_file():
        return None
    with disk_errors(path, "read"):
        content = path.read_bytes()
    try:
        return Typist.model_validate_json(content)
    except ValidationError as error:
        raise ModelError(f"{path} is broken.", "Copy the folder again, or train again.") from error


def write(typist: Typist | None, folder: Path) -> None:
    """Put `typist` into `folder`."""
    if typist:
        (folder / FILE).write_text(typist.model_dump_json(indent=1) + "\n", encoding="utf-8")

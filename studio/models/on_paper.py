"""A model known by its files' settings, tokenizer and names of layers: what can be checked before it is loaded."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from studio.config import split_language
from studio.errors import ModelError
from studio.models.base import Recogniser
from studio.models.catalogue import WEIGHTS, locate
from studio.models.claims import check_model, header, read_object
from studio.models.encoder_decoder import EncoderDecoder
from studio.models.registry import family_of

Shape = tuple[int, ...] | None  # of a layer's weight; None for what holds other layers, or where it is not known


def on_paper(source: str) -> Recogniser | None:
    """The model `source` without its weights: its family can count the tokens of a text with it, as with a whole one.

    None where its files do not say that, or its family has no limit. Raises ModelError where they cannot be what they
    should be, or it is not on this disk.
    """
    folder = locate(source)
    family = family_of(folder)
    check_model(folder)
    nothing = dict.fromkeys(("decoder_start_token_id", "bos_token_id", "eos_token_id"))
    config, written = nothing | read_object(folder / "config.json"), folder / "generation_config.json"
    if not isinstance(family, EncoderDecoder) or family.positions not in config:
        return None
    if not (folder / "tokenizer.json").is_file():
        return None
    generation = config | (read_object(written) if written.is_file() else {})
    model = SimpleNamespace(config=SimpleNamespace(**config), generation_config=SimpleNamespace(**generation))
    family.settle(model, folder, split_language(source)[1])
    processor = SimpleNamespace(tokenizer=_Tokenizer(folder / "tokenizer.json"))
    return Recogniser(family, model, processor, source, folder, "cpu", "fp32")


class _Tokenizer:
    """Called as transformers' tokenizers are, for the ids of a text without special tokens."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, text: str, add_special_tokens: bool = False) -> SimpleNamespace:
        return SimpleNamespace(input_ids=tokenizer(self._path).encode(text, add_special_tokens=add_special_tokens).ids)


def tokenizer(path: Path) -> Any:
    """The tokenizer in `path`, read once. Raises ModelError where it cannot be read."""
    return _read_tokenizer(path, path.stat().st_mtime)


@lru_cache(maxsize=2)
def _read_tokenizer(path: Path, changed: float) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # what tokenizers raises has no class of its own
        raise ModelError(f"{path} cannot be used: it is not a tokenizer.", "Fetch or copy the model again.") from error


def layers(folder: Path) -> dict[str, Shape]:
    """Every layer of the model in `folder` by its name, from its weights; empty where they are not there."""
    shapes: dict[str, Shape] = {}
    for name, shape in _tensors(folder).items():
        layer, _, kind = name.rpartition(".")
        for place, sign in enumerate(layer):
            if sign == ".":
                shapes.setdefault(layer[:place], None)
        if kind == "weight" or layer not in shapes:
            shapes[layer] = shape if kind == "weight" else None
    return shapes


def _tensors(folder: Path) -> dict[str, Shape]:
    if (folder / WEIGHTS[0]).is_file():
        return dict(header(folder / WEIGHTS[0]))
    try:
        names = json.loads((folder / WEIGHTS[1]).read_text(encoding="utf-8"))["weight_map"]
        return dict.fromkeys(names)
    except (OSError, ValueError, KeyError, TypeError):
        return {}

"""What an export has next to its weights: settings, tokenizer and feature extractor, and what they say."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from studio.errors import ModelError
from studio.export.merged import NOTE
from studio.export.reference import Length
from studio.models.claims import read_object
from studio.models.encoder_decoder import EncoderDecoder
from studio.models.greedy import Rules
from studio.models.registry import family_of

_LEFT_OUT = (NOTE, "README.md", "model.safetensors")


def copy_rest(merged: Path, out: Path) -> None:
    """Put what the model folder `merged` has besides its weights into `out`."""
    for path in merged.iterdir():
        if path.name not in _LEFT_OUT:
            shutil.copy2(path, out / path.name)


def check_raw_sound(processor: Any, program: str) -> None:
    """Raise ModelError where the model needs its sound made equally loud first, which `program` does not do."""
    if getattr(processor.feature_extractor, "do_normalize", False):
        raise ModelError(
            f"This model expects sound of normalised loudness, and {program} does not normalise it.",
            "Export it to another target.",
        )


def rules_of(folder: Path) -> tuple[Rules, int]:
    """How a text begins and ends, and how many tokens it has at most: by the settings alone, without weights."""
    family, settings = _family_and_settings(folder)
    return family.rules(settings), family.room(settings)


def length_of(folder: Path) -> Length:
    """How the most tokens of a text follow from the seconds of sound: by the settings alone."""
    return Length.of(*_family_and_settings(folder))


def _family_and_settings(folder: Path) -> tuple[EncoderDecoder, Any]:
    config, generation = (_Settings(**read_object(folder / f"{name}.json")) for name in ("config", "generation_config"))
    family = family_of(folder)
    assert isinstance(family, EncoderDecoder)
    return family, SimpleNamespace(config=config, generation_config=generation)


class _Settings(SimpleNamespace):
    """A file of settings; what it does not say is None, as in transformers."""

    def __getattr__(self, name: str) -> None:
        return None

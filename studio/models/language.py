"""Which language a model transcribes, and which it could, as far as its name or its folder says so."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from studio.config import split_language
from studio.errors import ModelError
from studio.models.catalogue import locate
from studio.models.claims import read_object

ENGLISH = "en"
_VARIANT = re.compile(r"moonshine-(?:tiny|base)-([a-z]{2})\b", re.IGNORECASE)  # such as moonshine-tiny-ja
_NAMED = 12  # languages that a refusal lists


def language_of(source: str) -> str:
    """The language code of the model `source`, a name or a folder; English where nothing says otherwise."""
    name, chosen = split_language(source)
    if chosen:
        return chosen
    if named := _VARIANT.search(name):
        return named[1].lower()
    with suppress(ModelError):  # a model that is not there says nothing
        found = str(_settings(locate(name)).get("language") or ENGLISH).strip("<|>").lower()
        return ENGLISH if found == "english" else found
    return ENGLISH


def languages(folder: Path) -> list[str]:
    """The codes of the languages among which the model in `folder` has to be given its own; none for most models."""
    settings = _settings(folder)
    known = settings.get("lang_to_id")
    if not settings.get("is_multilingual", True) or not isinstance(known, dict):
        return []
    return sorted(str(token).strip("<|>") for token in known)


def check_language(folder: Path, language: str) -> None:
    """Raise ModelError where the model in `folder` cannot transcribe `language`, an empty code being its own."""
    known = languages(folder)
    if not language or language in (known or [language_of(str(folder))]):
        return
    if not known:
        raise ModelError(
            f"The model in {folder} transcribes one language, “{language_of(str(folder))}”, and not “{language}”.",
            "Leave the language out, or choose a multilingual model, such as openai/whisper-base.",
        )
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    raise ModelError(
        f"The model in {folder} does not know the language “{language}”.",
        f"Give a code that it knows: {', '.join(known[:_NAMED])}{more}.",
    )


def _settings(folder: Path) -> dict[str, Any]:
    """What generation_config.json says; nothing where there is none, or none that can be read."""
    with suppress(ModelError):
        return read_object(folder / "generation_config.json")
    return {}

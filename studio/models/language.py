"""Which language a model writes, as far as its folder or its name says so."""

from __future__ import annotations

import re
from contextlib import suppress

from studio.errors import ModelError
from studio.models.catalogue import locate
from studio.models.claims import read_object

ENGLISH = "en"
_VARIANT = re.compile(r"moonshine-(?:tiny|base)-([a-z]{2})\b", re.IGNORECASE)  # such as moonshine-tiny-ja


def language_of(source: str) -> str:
    """The language code of the model `source`, a name or a folder; English where nothing says otherwise."""
    if named := _VARIANT.search(source):
        return named[1].lower()
    with suppress(ModelError):  # without such a file nothing is said
        settings = read_object(locate(source) / "generation_config.json")
        found = str(settings.get("language") or ENGLISH).strip("<|>").lower()
        return ENGLISH if found == "english" else found
    return ENGLISH

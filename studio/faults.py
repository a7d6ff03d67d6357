"""What a type found wrong with what a person or a program gave it, in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

_LIMITS = MappingProxyType(
    {
        "greater_than": ("greater than", "gt"),
        "greater_than_equal": ("at least", "ge"),
        "less_than": ("less than", "lt"),
        "less_than_equal": ("at most", "le"),
    }
)
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "int": "must be a whole number",
        "float": "must be a number",
        "finite": "must be a finite number",
        "bool": "must be true or false",
        "string_type": "must be text",
        "string_pattern": "has a form that is not known",
        "string_too_short": "must not be empty",
        "missing": "is missing",
        "extra": "is not known",
    }
)
"""By how pydantic's names of faults begin: docs.pydantic.dev, “Validation Errors”."""


def faults(error: ValidationError) -> dict[str, str]:
    """Each field that is wrong, by its name, and what is wrong with it: `{"rank": "must be at least 1 (it was 0)"}`."""
    found: dict[str, str] = {}
    for fault in error.errors(include_url=False):
        name = ".".join(str(part) for part in fault["loc"])
        was = "" if fault["type"] == "missing" else f" (it was {_shortened(fault['input'])})"
        found.setdefault(name, _in_words(fault) + was)
    return found


def _in_words(fault: Mapping[str, Any]) -> str:
    kind, facts = fault["type"], fault.get("ctx", {})
    if kind in _LIMITS:
        words, limit = _LIMITS[kind]
        return f"must be {words} {facts[limit]:g}"
    if kind == "literal_error":
        return f"must be {facts['expected']}"
    known = next((text for start, text in _KINDS.items() if kind.startswith(start)), None)
    return known or str(fault["msg"]).removeprefix("Value error, ")


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def plain_reason(error: Exception) -> str:
    """Why the system, or a library on top of it, refused: in its words, without numbers of errors or names of classes.

    `HTTPConnectionPool(…): Max retries exceeded … ('<…>: [Errno 111] Connection refused'))` is `Connection refused`.
    """
    if isinstance(error, OSError) and error.strerror:
        return _without_number(error.strerror)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    is_heading = lines[0].endswith(":") and len(lines) > 1
    said = f"{lines[0]} {lines[-1]}" if is_heading else lines[0]
    if numbered := re.search(r"\[Errno -?\d+\] ([^'\")\]]+)", said):
        return numbered[1].strip().rstrip(".")
    return _without_number(said)[:200].rstrip(".") or "no reason was given"


def _without_number(text: str) -> str:
    return re.sub(r"\[Errno -?\d+\] *", "", text)

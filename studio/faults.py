"""What a type found wrong with what a person or a program gave it, in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

_LIMITS = MappingProxyType(
    {
        "greater_than": ("greater than", "gt"),
        "greater_than_equal": ("at least", "ge"),
        "less_than": ("less than", "lt"),
        "less_than_equal": ("at most", "le"),
    }
)
_SIZES = MappingProxyType(
    {
        "string_too_long": ("must have at most", "max_length", "characters"),
        "too_long": ("must have at most", "max_length", "entries"),
        "bytes_too_long": ("must have at most", "max_length", "bytes"),
        "too_short": ("must have at least", "min_length", "entries"),
    }
)
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "json": "is not JSON",
        "int_parsing_size": "is too large",
        "int": "must be a whole number",
        "float": "must be a number",
        "decimal": "must be a number",
        "finite": "must be a finite number",
        "bool": "must be true or false",
        "string_type": "must be text",
        "string_unicode": "must be text in UTF-8",
        "string_pattern": "has a form that is not known",
        "string_too_short": "must not be empty",
        "missing": "is missing",
        "extra": "is not known",
        "none_required": "must be left out",
        "list": "must be a list",
        "tuple": "must be a list",
        "set": "must be a list",
        "iter": "must be a list",
        "dict": "must be an object",
        "mapping": "must be an object",
        "model": "must be an object",
        "dataclass": "must be an object",
        "date": "must be a date",
        "time": "must be a time",
        "url": "must be an address",
        "uuid": "must be an id",
        "bytes": "must be bytes",
    }
)
"""By how pydantic's names of faults begin: docs.pydantic.dev, “Validation Errors”."""


class Fault(NamedTuple):
    """One field that is wrong."""

    field: str  # with dots, as in `words.0`; empty where it is the whole
    reason: str  # “must be at least 1 (it was 0)”

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}" if self.field else self.reason


class HasErrors(Protocol):
    """pydantic's ValidationError, or FastAPI's of a request."""

    def errors(self) -> Sequence[Any]:
        """Each fault, as pydantic describes it."""
        ...


def faults(error: HasErrors) -> dict[str, str]:
    """Each field that is wrong, by its name, and what is wrong with it: `{"rank": "must be at least 1 (it was 0)"}`."""
    found: dict[str, str] = {}
    for fault in map(_fault, error.errors()):
        found.setdefault(fault.field, fault.reason)
    return found


def first_fault(error: HasErrors) -> Fault:
    """The first field that is wrong: `duration: is missing`."""
    return _fault(error.errors()[0])


def _fault(given: Mapping[str, Any]) -> Fault:
    kind = given["type"]
    field = "" if kind == "json_invalid" else ".".join(str(part) for part in given["loc"])  # else: of a character
    shows = kind != "missing" and not kind.startswith("json") and not isinstance(given.get("input"), Mapping)
    was = f" (it was {_shortened(given['input'])})" if shows and "input" in given else ""
    return Fault(field, _in_words(given) + was)


def _in_words(fault: Mapping[str, Any]) -> str:
    kind, facts = fault["type"], fault.get("ctx") or {}
    if kind in _LIMITS:
        words, limit = _LIMITS[kind]
        return f"must be {words} {_number(facts[limit])}"
    if kind in _SIZES:
        words, limit, things = _SIZES[kind]
        return f"{words} {facts[limit]:,} {things}"
    if kind in ("literal_error", "enum"):
        return f"must be {facts['expected']}"
    if kind in ("value_error", "assertion_error"):
        return str(fault["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return next((text for start, text in _KINDS.items() if kind.startswith(start)), "cannot be used")


def _number(limit: object) -> str:
    return f"{limit:g}" if isinstance(limit, int | float) else str(limit)


def _shortened(value: object) -> str:
    """`value` as it was sent: None was null, and bytes were text."""
    sent = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    text = "null" if sent is None else repr(sent)
    return text if len(text) <= 80 else f"{text[:79]}…"


def plain_reason(error: Exception) -> str:
    """Why the system, or a library on top of it, refused: in its words, without numbers of errors or names of classes.

    `HTTPConnectionPool(…): Max retries exceeded … ('<…>: [Errno 111] Connection refused'))` is `Connection refused`.
    """
    if isinstance(error, OSError) and error.strerror:
        return _without_number(error.strerror)
    lines = [line.strip() for line in str(error).split("\n") if line.strip()] or [""]
    is_heading = lines[0].endswith(":") and len(lines) > 1
    said = f"{lines[0]} {lines[-1]}" if is_heading else lines[0]
    if numbered := re.search(r"\[Errno -?\d+\] ([^'\")\]]+)", said):
        return numbered[1].strip().rstrip(".")
    return _without_number(said)[:200].rstrip(".") or "no reason was given"


def _without_number(text: str) -> str:
    return re.sub(r"\[Errno -?\d+\] *", "", text)

"""The lines of a manifest: bytes on disk, an utterance or a fault in memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from studio.data.utterance import Utterance
from studio.errors import DataError
from studio.workspace import disk_errors

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # some editors put it before the first line


def read_bytes(path: Path) -> bytes:
    """The content of `path`; nothing where there is no such file. Raises DiskError."""
    with disk_errors(path, "read"):
        try:
            return path.read_bytes().removeprefix(BYTE_ORDER_MARK)
        except FileNotFoundError:
            return b""


def split_lines(content: bytes) -> list[bytes]:
    """The lines of `content` without their newlines; a half last line is among them."""
    lines = content.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def parse(line: bytes) -> Utterance | str:
    """The utterance in `line`, or what is wrong with it."""
    try:
        return Utterance.model_validate_json(line)
    except ValidationError as error:
        return first_fault(error)


def checked(**fields: Any) -> Utterance:
    """An utterance of these fields. Raises DataError, naming the first that cannot be."""
    try:
        return Utterance(**fields)
    except ValidationError as error:
        raise DataError(f"The clip was not saved: {first_fault(error)}.", "Correct it and save again.") from error


def first_fault(error: ValidationError) -> str:
    """The first thing that a type found wrong, in words: `duration: Field required`."""
    fault = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def joined(clips: Iterable[Utterance]) -> str:
    """The lines of `clips`, without the last newline."""
    return "\n".join(clip.to_line() for clip in clips)

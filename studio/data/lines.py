"""The lines of a manifest: which can be used, and what is wrong with the others."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from studio.data.utterance import Utterance
from studio.errors import DataError
from studio.workspace import disk_errors, inside

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # some editors put it before the first line


def read_bytes(path: Path) -> bytes:
    """The content of `path`; nothing where there is no such file. Raises DiskError."""
    with disk_errors(path, "read"):
        try:
            return path.read_bytes().removeprefix(_BYTE_ORDER_MARK)
        except FileNotFoundError:
            return b""


def split_lines(content: bytes) -> list[bytes]:
    """The lines of `content` without their newlines; a half last line is among them."""
    lines = content.split(b"\n")
    return lines if lines[-1] else lines[:-1]


@lru_cache(maxsize=20_000)  # every look at a dataset reads its manifest anew; lines seen before are free
def parse(line: bytes) -> Utterance | str:
    """The utterance in `line`, or what is wrong with it."""
    try:
        return Utterance.model_validate_json(line)
    except ValidationError as error:
        return first_fault(error)


def first_fault(error: ValidationError) -> str:
    """The first thing that a type found wrong, in words: `duration: Field required`."""
    fault = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def sort_out(lines: list[bytes], folder: Path) -> tuple[list[Utterance], list[str]]:
    """The utterances of `lines` that can be used, and a sentence on each line that cannot."""
    usable: list[Utterance] = []
    problems: list[str] = []
    seen: set[str] = set()
    present = _clips(folder)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        parsed = parse(line)
        fault = parsed if isinstance(parsed, str) else _fault(parsed, seen, present, folder)
        if isinstance(parsed, Utterance) and not fault:
            usable.append(parsed)
            seen.add(parsed.id)
        else:
            problems.append(f"Line {number} of manifest.jsonl is left out: {fault}")
    return usable, problems


def _fault(clip: Utterance, seen: set[str], present: frozenset[str], folder: Path) -> str:
    if clip.id in seen:
        return f"the id {clip.id} stands twice. Give one of them another id, or delete its line."
    if clip.audio_filepath in present:
        return ""
    try:
        path = inside(folder, clip.audio_filepath)
    except DataError as error:
        return str(error)
    if not path.is_file():
        return f"the clip {clip.audio_filepath} is missing. Put it back, or delete the line."
    return ""


def _clips(folder: Path) -> frozenset[str]:
    """The plain files in `clips/`, as manifests name them; links are looked at one by one."""
    try:
        with os.scandir(folder / "clips") as entries:
            plain = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
            return frozenset(f"clips/{name}" for name in plain)
    except OSError:
        return frozenset()

"""Readers of SubRip and WebVTT as strict as the strictest player: what they take, any player takes."""

from __future__ import annotations

import re

Cues = list[tuple[int, int, list[str]]]
"""Start and end in milliseconds, and the lines."""

_CLOCK = r"(\d\d+):([0-5]\d):([0-5]\d){point}(\d\d\d)"


def read_srt(text: str) -> Cues:
    """The cues of a SubRip file. Raises ValueError."""
    blocks = text.split("\n\n")
    if blocks.pop() != "":
        raise ValueError("the last cue is not ended")
    cues = []
    for number, block in enumerate(blocks, 1):
        index, times, *lines = block.split("\n")
        if index != str(number):
            raise ValueError(f"cue {number} is numbered {index}")
        cues.append((*_times(times, ","), _lines(lines)))
    return cues


def read_vtt(text: str) -> Cues:
    """The cues of a WebVTT file. Raises ValueError."""
    head, *blocks = text.split("\n\n")
    if head != "WEBVTT" or blocks.pop() != "":
        raise ValueError("no WebVTT file")
    cues = []
    for block in blocks:
        times, *lines = block.split("\n")
        if any("-->" in line or "<" in line for line in lines):
            raise ValueError(f"markup in {lines}")
        plain = [line.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") for line in lines]
        cues.append((*_times(times, r"\."), _lines(plain)))
    return cues


def _times(line: str, point: str) -> tuple[int, int]:
    clock = _CLOCK.format(point=point)
    match = re.fullmatch(f"{clock} --> {clock}", line, re.ASCII)
    if match is None:
        raise ValueError(f"no times: {line}")
    found = [int(part) for part in match.groups()]
    start, end = (
        ((hours * 60 + minutes) * 60 + seconds) * 1000 + rest
        for hours, minutes, seconds, rest in (found[:4], found[4:])
    )
    if start >= end:
        raise ValueError(f"it ends before it starts: {line}")
    return start, end


def _lines(lines: list[str]) -> list[str]:
    if not lines or not all(line.strip() for line in lines):
        raise ValueError("a cue without text")
    return lines

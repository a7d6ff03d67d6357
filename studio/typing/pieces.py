"""A text in pieces that a model reads one by one: its lines, and their sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 160  # characters of a piece; the typing starter was trained on 100 at most

_SENTENCE_END = re.compile(r"(?<=[.?!…])\s+(?=\S)")
_PHRASE_END = re.compile(r"(?<=[,;:–-])\s+(?=\S)")
_WORD_END = re.compile(r"\s+(?=\S)")


def pieces(line: str, longest: int = LONGEST) -> Iterator[tuple[str, str]]:
    """The sentences of `line`, each with the white space after it; joined they are `line`.

    What is longer than `longest` is cut at a comma, else at a space; a longer word is a piece of its own.
    """
    yield from _cut(line, (_SENTENCE_END, _PHRASE_END, _WORD_END), longest)


def _cut(text: str, ends: tuple[re.Pattern[str], ...], longest: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    for end in [*ends[0].finditer(text), None]:
        part, gap = (text[at : end.start()], end[0]) if end else (text[at:], "")
        at = end.end() if end else len(text)
        if len(part) > longest and len(ends) > 1:
            inner = _cut(part, ends[1:], longest)
            found += [*inner[:-1], (inner[-1][0], gap)]
        else:
            found.append((part, gap))
    return _filled(found, longest) if ends[0] is not _SENTENCE_END else found


def _filled(parts: list[tuple[str, str]], longest: int) -> list[tuple[str, str]]:
    """Neighbouring parts of a sentence together, as many as fit."""
    found = [parts[0]]
    for part, gap in parts[1:]:
        last, between = found[-1]
        if len(last) + len(between) + len(part) <= longest:
            found[-1] = (last + between + part, gap)
        else:
            found.append((part, gap))
    return found

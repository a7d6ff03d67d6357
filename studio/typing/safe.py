"""What must come through unchanged: numbers, addresses, code, names, and the words that a person lists."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from studio.typing.edits import WordEdit, between, rewritten, words
from studio.typing.reach import is_paraphrase

_PATTERNS = (
    r"`[^`\n]+`",  # code between backticks
    r"\b[a-z][a-z0-9+.-]*://\S+",  # an address with its scheme
    r"\bwww\.\S+",
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",  # an e-mail address
    r"\b[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|edu|gov|io|de|fr|eu|uk|py|js|txt|pdf|json|csv|md)\b(?:/\S*)?",
    r"(?<!\w)[~.]?/[\w.-]+(?:/[\w.-]*)*",  # a path
    r"\b(?:[A-Z]+-)?[A-Z]{2,}s?\b",  # an abbreviation
    r"\b\w+(?:/\w+)+\b",  # and/or
    r"\b\w*_\w*\b",  # snake_case
    r"\b[a-z]+[A-Z]\w*\b",  # camelCase
    r"[#@]\w+",  # a hashtag, a handle
    # A number, also within a word: 3pm, B12, 1,200.50, 14:15; a digit between small letters is a slip of the finger.
    r"(?<!\w)(?![a-z]+\d[a-z]{2,}\b)[^\W\d_]*\d[\w]*(?:[.,:/-]\d+)*%?",
)
_SAFE = re.compile("|".join(_PATTERNS))
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+(?:'s)?\b")  # a capital within a sentence
_NO_NAMES = frozenset(
    (
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january", "february", "march",
        "april", "june", "july", "august", "september", "october", "november", "december", "english", "german",
        "french", "spanish", "italian",
    )
)  # fmt: skip
_NUMBER = re.compile(r"\d+")
_OTHER_SCRIPTS = re.compile(r"\w*[^\s\x21-\x7e\u00a1-\u024f\u2010-\u2026]\w*")  # also emoji and control characters


@dataclass(frozen=True, slots=True)
class Kept:
    """A text in which what must not change did not, and what that took back."""

    text: str
    taken_back: tuple[WordEdit, ...]


def spans(text: str, keep: Collection[str] = (), latin_only: bool = False) -> list[tuple[int, int]]:
    """Where `text` must come through unchanged: characters from and to. The words to `keep` count in any case.

    `latin_only` is for a model that has seen no other script: words of others and emoji count too.
    """
    found = [match.span() for match in _SAFE.finditer(text)]
    if latin_only:
        found += [match.span() for match in _OTHER_SCRIPTS.finditer(text)]
    found += [match.span() for match in _NAME.finditer(text) if not _nearly(match[0].lower(), _NO_NAMES)]
    listed = [re.escape(word.strip()) for word in keep if word.strip()]
    if listed:
        pattern = rf"(?<!\w)(?:{'|'.join(listed)})(?!\w)"
        found += [match.span() for match in re.finditer(pattern, text, re.IGNORECASE)]
    return sorted(found)


def kept(typed: str, written: str, keep: Collection[str] = (), *, latin_only: bool = False, free: bool = True) -> Kept:
    """`written`, a correction of `typed`, with every change taken back that touches what must not change.

    So is a change that brings a number which was not typed and, unless the model is `free`, one beyond a typo's reach.
    """
    if typed == written:
        return Kept(written, ())
    before, after = (_words(text, spans(text, keep, latin_only)) for text in (typed, written))
    changes = between([word for word, _ in before], [word for word, _ in after])
    guarded = [is_safe for _, is_safe in before]
    given = [word for word, _ in before]
    lost = tuple(
        edit
        for edit in changes
        if _breaks(edit, guarded) or (not free and (is_paraphrase(edit) or _loses_a_mark(edit, given)))
    )
    left = [edit for edit in changes if edit not in lost]
    return Kept(rewritten(given, left), lost) if lost else Kept(written, ())


def _breaks(edit: WordEdit, guarded: Sequence[bool]) -> bool:
    return any(guarded[edit.start : edit.end]) or not set(_NUMBER.findall(edit.correction)) <= set(
        _NUMBER.findall(edit.source)
    )


def _loses_a_mark(edit: WordEdit, given: Sequence[str]) -> bool:
    """Whether `edit` takes away a comma, or the like, that was not typed twice."""
    mark = edit.source.strip()
    around = {word.strip() for word in (*given[max(0, edit.start - 1) : edit.start], *given[edit.end : edit.end + 1])}
    is_mark = bool(mark) and not any(letter.isalnum() for letter in mark)
    return is_mark and not edit.correction.strip() and not (around and mark[0] in "".join(around))


def _words(text: str, safe: Sequence[tuple[int, int]]) -> list[tuple[str, bool]]:
    """The words of `text`, where each safe span is a word by itself, and whether they are safe."""
    found, done = list[tuple[str, bool]](), 0
    for start, end in safe:
        if end <= done:
            continue
        start = max(done, len(text[:start].rstrip()))  # a word carries the space before it
        found += [(word, False) for word in words(text[done:start])]
        found.append((text[start:end], True))
        done = end
    return [*found, *((word, False) for word in words(text[done:]))]


def _nearly(word: str, known: Collection[str]) -> bool:
    """Whether `word` has the letters of one of `known`, but for one: a weekday with a typo is no name."""
    return any(
        abs(len(word) - len(other)) <= 1 and len(set(word) ^ set(other)) <= 2 and word[0] == other[0] for other in known
    )

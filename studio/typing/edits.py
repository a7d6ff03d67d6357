"""Edits of words, as ERRANT counts them: which words of one text became which of another, each change on its own.

The package `errant` is not used: it needs spaCy and one of its language models, which comes from the internet, to name
the grammar of an edit. What is counted here needs no grammar: words are aligned by how alike they are, and a word that
came or went next to a changed one belongs to that change (“a lot” and “alot” are one edit). White space counts too: a
word carries what is before it, so that “word ,” and “word,” differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(r"\s*(?:[^\W_]+(?:['’_][^\W_]+)*|\S)|\s+$")
_GAP, _MOST = 1.0, 400  # what a word that comes or goes costs; words of either text that are aligned


@dataclass(frozen=True, slots=True)
class WordEdit:
    """The words from `start` to `end` of the source became `correction`; both include the white space before them."""

    start: int
    end: int
    source: str
    correction: str


def words(text: str) -> list[str]:
    """The words and punctuation marks of `text`, each with the white space before it; joined they are `text`."""
    return _TOKEN.findall(text)


def edits(source: str, target: str) -> list[WordEdit]:
    """What turns `source` into `target`, in order and without overlaps."""
    return between(words(source), words(target))


def between(before: Sequence[str], after: Sequence[str]) -> list[WordEdit]:
    """What turns the words `before` into the words `after`."""
    return [
        WordEdit(start, end, "".join(before[start:end]), "".join(after[other:other_end]))
        for start, end, other, other_end in _changes(before, after)
    ]


def applied(source: str, changes: Sequence[WordEdit]) -> str:
    """`source` with `changes`, some of those that `edits` found."""
    return rewritten(words(source), changes)


def rewritten(before: Sequence[str], changes: Sequence[WordEdit]) -> str:
    """The words `before` with `changes`, some of those that `between` found, as a text."""
    pieces, done = list[str](), 0
    for edit in changes:
        pieces += [*before[done : edit.start], edit.correction]
        done = edit.end
    return "".join([*pieces, *before[done:]])


def _changes(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Borders of each change, in both texts."""
    start = end = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    inner, other = before[start : len(before) - end], after[start : len(after) - end]
    if max(len(inner), len(other)) > _MOST:
        yield start, len(before) - end, start, len(after) - end
        return
    for one in _merged(_steps(inner, other), inner, other):
        yield one[0] + start, one[1] + start, one[2] + start, one[3] + start


def _steps(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """The cheapest alignment, word by word: borders in both texts."""
    costs = [[float(place) * _GAP for place in range(len(after) + 1)]]
    for row, word in enumerate(before):
        line = [costs[row][0] + _GAP]
        for place, other in enumerate(after):
            gap = min(costs[row][place + 1], line[place]) + _GAP
            line.append(min(costs[row][place] + unlike(word, other), gap))
        costs.append(line)
    steps, row, place = list[tuple[int, int, int, int]](), len(before), len(after)
    while row or place:
        here = costs[row][place]
        if row and place and here == costs[row - 1][place - 1] + unlike(before[row - 1], after[place - 1]):
            step = (row - 1, row, place - 1, place)
        elif row and here == costs[row - 1][place] + _GAP:
            step = (row - 1, row, place, place)
        else:
            step = (row, row, place - 1, place)
        steps.append(step)
        row, place = step[0], step[2]
    return [step for step in reversed(steps) if before[step[0] : step[1]] != after[step[2] : step[3]]]


def _merged(
    steps: Sequence[tuple[int, int, int, int]], before: Sequence[str], after: Sequence[str]
) -> Iterator[tuple[int, int, int, int]]:
    """A word that came or went belongs to the change next to it, where its letters are found there.

    One that went where another came was exchanged. Words that changed each for itself stay apart.
    """
    found: list[tuple[int, int, int, int]] = []
    for step in steps:
        if found and (found[-1][1], found[-1][3]) == (step[0], step[2]):
            both = (found[-1][0], step[1], found[-1][2], step[3])
            apart = _letters(found[-1], before, after) + _letters(step, before, after)
            is_exchange = not _is_change(found[-1]) and not _is_change(step) and _is_change(both)
            is_nearer = not _is_change(found[-1], step) and 2 * _letters(both, before, after) <= apart
            if is_exchange or is_nearer:
                found[-1] = both
                continue
        found.append(step)
    yield from found


def _is_change(*steps: tuple[int, int, int, int]) -> bool:
    """Whether in each of `steps` words of one text became words of the other."""
    return all(step[0] < step[1] and step[2] < step[3] for step in steps)


def _letters(step: tuple[int, int, int, int], before: Sequence[str], after: Sequence[str]) -> int:
    """How many letters a step changes, white space aside."""
    one, other = ("".join("".join(part).split()) for part in (before[step[0] : step[1]], after[step[2] : step[3]]))
    return distance(one, other)


@lru_cache(maxsize=50_000)
def unlike(one: str, other: str) -> float:
    """How unlike two words are: 0 if equal, near 0 in another case, 2 without a letter in common."""
    if one == other:
        return 0.0
    first, second = one.strip().lower(), other.strip().lower()
    if first == second:
        return 0.1
    if not (first[:1].isalnum() and second[:1].isalnum()):
        return 1.2 if first[:1].isalnum() == second[:1].isalnum() else 2.5
    return 0.1 + 1.9 * distance(first, second) / max(len(first), len(second))


def distance(one: str, other: str) -> int:
    """Levenshtein's."""
    above = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        line = [row]
        for place, second in enumerate(other):
            line.append(min(above[place] + (letter != second), above[place + 1] + 1, line[place] + 1))
        above = line
    return above[-1]

"""Words that are in no list, and the listed ones that they may have been meant as, within one typo.

A list of words, the commonest first, says what is a word and how common it is. Which of several candidates fits the
sentence is for a language model to say (`studio.models.causal_lm.word_list`).
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from studio.typing.keyboards import KEYBOARDS
from studio.typing.typist import Habit, Typist

_WORD = re.compile(r"[^\W\d_]+[0-9][^\W\d_]{2,}|[^\W\d_]+(?:'[^\W\d_]+)*")  # a digit within: the finger went too far
_LETTERS = string.ascii_lowercase + "'"
_SHORTEST, _LONGEST = 2, 24  # letters of a word that is looked up
_RARE = 20_000  # the place in the list beyond which half of a joined word is no word
_OWN = 2_000  # the place at least of a word that is in the person's own texts
# What a typo costs, in nats: how much rarer it is than a slip to a neighbouring key.
_DROPPED, _STRANGE, _FIRST_LETTER, _JOINED, _SPLIT = 0.5, 2.0, 1.5, 1.0, 0.5


_STEM = 4  # letters at least before an ending: shorter ones are too often a typo
_ENDINGS = (("'s", ""), ("s", ""), ("es", ""), ("ed", ""), ("ed", "e"), ("ing", ""), ("ing", "e"), ("like", ""))


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a word may have been meant as."""

    text: str
    cost: float  # nats: how unlikely the typo is
    prior: float  # nats: how common it is, 0 for the commonest word


@dataclass(frozen=True, slots=True)
class Unknown:
    """A word from `start` to `end` of a text that is in no list, and what it may have been meant as."""

    start: int
    end: int
    candidates: tuple[Candidate, ...]


class WordList:
    """Words by their place in a list, the commonest first; with a `typist` also that person's, and their habits."""

    def __init__(self, words: Iterable[str], typist: Typist | None = None) -> None:
        self.words = tuple(words)
        places = {word: place for place, word in enumerate(self.words)}
        for word in typist.words if typist else ():
            places[word] = min(_OWN, places.get(word, _OWN))
        self._places: Mapping[str, int] = places
        self._habits = typist.habits() if typist else []
        self._confused = {slip.typed: slip for slip in typist.slips} if typist else {}

    def __contains__(self, word: str) -> bool:
        return word in self._places

    def unknown(self, text: str) -> list[Unknown]:
        """The words of `text` that are not listed but near one that is, in order and without overlaps.

        So is a word that the typist often writes for another; it is then a candidate itself. Words with a capital
        within a sentence are names, and left out.
        """
        matches, found, done = list(_WORD.finditer(text)), list[Unknown](), 0
        for place, match in enumerate(matches):
            if match.start() < done or not self._is_plain(text, match):
                continue
            if match[0].lower() in self._confused:
                found.append(self._slip(match))
                continue
            if match[0].lower() in self._places or self._is_inflected(match[0].lower()):
                continue
            following = matches[place + 1] if place + 1 < len(matches) else None
            candidates, end = tuple(self._candidates(match[0].lower())), match.end()
            if following and text[match.end() : following.start()] == " " and following[0].islower():
                whole = match[0].lower() + following[0]
                if self._is_common(whole) or (whole in self._places and following[0] not in self._places):
                    candidates, end = (Candidate(whole, _SPLIT, self._prior(whole)),), following.end()
            if candidates:
                found.append(Unknown(match.start(), end, tuple(_as(one, match[0]) for one in candidates)))
                done = end
        return found

    def _slip(self, match: re.Match[str]) -> Unknown:
        """A word that this person has often written for another: both may be meant."""
        word, slip = match[0].lower(), self._confused[match[0].lower()]
        found = [Candidate(form, cost, 0.0) for form, cost in ((word, 0.0), (slip.meant, slip.cost))]
        return Unknown(match.start(), match.end(), tuple(_as(one, match[0]) for one in found))

    def _is_plain(self, text: str, match: re.Match[str]) -> bool:
        """Whether it is a word to look up, and no name and no part of a number, an address or the like."""
        word = match[0]
        if not (_SHORTEST <= len(word) <= _LONGEST or word.lower() in self._confused) or not word.isascii():
            return False
        if re.search(r"[\w@#/\\.-]$", text[: match.start()]) or re.match(r"[\w@/\\-]|\.\w", text[match.end() :]):
            return False  # a part of a number, an address or a hyphenated word
        is_first = not re.search(r"\w[^.?!]*$", text[: match.start()])
        return word.islower() or (is_first and word[1:].islower())

    def _is_inflected(self, word: str) -> bool:
        """Whether it is a listed word with a regular ending."""
        return any(
            word.endswith(ending) and len(word) - len(ending) >= _STEM and word[: -len(ending)] + rest in self._places
            for ending, rest in _ENDINGS
        )

    def _candidates(self, word: str) -> Iterator[Candidate]:
        best: dict[str, float] = {}
        for form, cost in chain(_one_typo_away(word), _one_habit_away(word, self._habits)):
            if form in self._places:
                best[form] = min(cost, best.get(form, cost))
        yield from (Candidate(form, cost, self._prior(form)) for form, cost in best.items())
        for cut in range(1, len(word) - 1):
            first, second = word[:cut], word[cut:]
            if self._is_common(first) and self._is_common(second):
                yield Candidate(f"{first} {second}", _JOINED, self._prior(first) + self._prior(second))

    def _is_common(self, part: str) -> bool:
        return self._places.get(part, _RARE) < _RARE and (len(part) > 1 or part == "a")

    def _prior(self, word: str) -> float:
        """By Zipf's law a word's frequency is one over its place."""
        return -math.log(1 + self._places[word] / 10)


def _as(candidate: Candidate, word: str) -> Candidate:
    """`candidate` with a capital where `word` has one."""
    if not word[0].isupper():
        return candidate
    return Candidate(candidate.text[0].upper() + candidate.text[1:], candidate.cost, candidate.prior)


def _one_typo_away(word: str) -> Iterator[tuple[str, float]]:
    """Every string from which one typo makes `word`, and what the typo costs."""
    keys = KEYBOARDS["qwerty"]
    for at in range(len(word) + 1):
        before, after = word[:at], word[at:]
        first = _FIRST_LETTER * (at == 0)
        yield from ((before + letter + after, _DROPPED + first) for letter in _LETTERS)
        if not after:
            continue
        near = keys.neighbours(after[0])
        is_extra = after[0] in before[-1:] + after[1:2] or any(key in near for key in before[-1:] + after[1:2])
        yield before + after[1:], first + (0.0 if is_extra else _STRANGE)
        for letter in _LETTERS:
            yield before + letter + after[1:], first + (0.0 if letter in near else _STRANGE)
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:], 0.0


def _one_habit_away(word: str, habits: Iterable[Habit]) -> Iterator[tuple[str, float]]:
    """Every string from which a habit makes `word`, and what the habit costs."""
    for habit in habits:
        for found in re.finditer(re.escape(habit.became), word):
            yield word[: found.start()] + habit.was + word[found.end() :], habit.cost

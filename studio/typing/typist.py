"""What the pairs of one person say about how they type: their habits, and the words that are theirs."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict

from studio.typing.edits import edits
from studio.typing.profile import Profile

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_WEIGHT = 1.5  # of a habit against how common a word is; chosen on validation sentences and three other typists
_LEAST_SLIPS = 2  # that make a habit
_DOUBT = 0.5  # of a time that a word was right, which a few pairs have not shown
_CHANGE = re.compile(r"[a-z']*")  # both sides of a change within a word


@dataclass(frozen=True, slots=True)
class Habit:
    """`was` often becomes `became`; `cost` in nats: how unlikely that is, where a usual slip costs nothing."""

    was: str
    became: str
    cost: float


class Slip(BaseModel):
    """A word that one person often types for another, and how often it was right."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    typed: str
    meant: str
    wrong: int
    right: int

    @property
    def cost(self) -> float:
        """In nats: how unlikely the slip is, where that the word was meant costs nothing."""
        return -math.log(self.wrong / (self.right + _DOUBT))


class Typist(BaseModel):
    """What an adapter that corrects typing keeps besides its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: Profile
    words: list[str]  # of the texts that were meant, in small letters
    slips: list[Slip]

    @classmethod
    def of(cls, typed_and_wanted: Iterable[tuple[str, str]]) -> Self:
        """Whoever typed these pairs."""
        pairs = list(typed_and_wanted)
        words = {word for _, wanted in pairs for word in _WORD.findall(wanted) if word.islower()}
        return cls(profile=Profile.fitted(pairs), words=sorted(words), slips=list(_slips(pairs)))

    def habits(self) -> list[Habit]:
        """The changes within a word, each with its cost: what was seen often is likely to be seen again."""
        counts: dict[tuple[str, str], int] = {}
        for changes in self.profile.habits.values():
            for change, count in changes.items():
                was, _, became = change.lower().partition("→")
                if _CHANGE.fullmatch(was) and _CHANGE.fullmatch(became) and was != became:
                    counts[was, became] = counts.get((was, became), 0) + count
        return [Habit(was, became, -_WEIGHT * math.log(count)) for (was, became), count in counts.items()]


def _slips(pairs: Sequence[tuple[str, str]]) -> Iterator[Slip]:
    """Words that were typed for another more often than for themselves."""
    typed = Counter(word for text, _ in pairs for word in _WORD.findall(text.lower()))
    wrong: Counter[tuple[str, str]] = Counter()
    for text, wanted in pairs:
        for edit in edits(text.lower(), wanted.lower()):
            before, after = edit.source.strip(), edit.correction.strip()
            if _WORD.fullmatch(before) and _WORD.fullmatch(after):
                wrong[before, after] += 1
    for (before, after), times in sorted(wrong.items()):
        right = typed[before] - sum(count for (other, _), count in wrong.items() if other == before)
        if times >= _LEAST_SLIPS and times > right:
            yield Slip(typed=before, meant=after, wrong=times, right=right)

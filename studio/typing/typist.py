"""What the pairs of one person say about how they type: their habits, and the words that are theirs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict

from studio.typing.profile import Profile

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_CHANGE = re.compile(r"[a-z']*")  # both sides of a change within a word


@dataclass(frozen=True, slots=True)
class Habit:
    """`was` often becomes `became`; `cost` in nats: how unlikely that is, where a usual slip costs nothing."""

    was: str
    became: str
    cost: float


class Typist(BaseModel):
    """What an adapter that corrects typing keeps besides its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: Profile
    words: list[str]  # of the texts that were meant, in small letters

    @classmethod
    def of(cls, typed_and_wanted: Iterable[tuple[str, str]]) -> Self:
        """Whoever typed these pairs."""
        pairs = list(typed_and_wanted)
        words = {word for _, wanted in pairs for word in _WORD.findall(wanted) if word.islower()}
        return cls(profile=Profile.fitted(pairs), words=sorted(words))

    def habits(self) -> list[Habit]:
        """The changes within a word, each with its cost: what was seen often is likely to be seen again."""
        counts: dict[tuple[str, str], int] = {}
        for changes in self.profile.habits.values():
            for change, count in changes.items():
                was, _, became = change.lower().partition("→")
                if _CHANGE.fullmatch(was) and _CHANGE.fullmatch(became) and was != became:
                    counts[was, became] = counts.get((was, became), 0) + count
        return [Habit(was, became, -math.log(count)) for (was, became), count in counts.items()]

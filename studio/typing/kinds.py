"""What can go wrong with a key: the kinds of typo, and one typo of a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

TypoKind = Literal[
    "neighbour",
    "doubled",
    "dropped",
    "swapped",
    "joined",
    "split",
    "spaced",
    "case",
    "punctuation",
    "phonetic",
]
KINDS: tuple[TypoKind, ...] = get_args(TypoKind)
MEANINGS: dict[TypoKind, str] = {
    "neighbour": "a neighbouring key, instead of the right one or along with it",
    "doubled": "a key hit twice",
    "dropped": "a letter that is missing",
    "swapped": "two letters in the wrong order",
    "joined": "no space between two words",
    "split": "a space within a word",
    "spaced": "two spaces, or a space before a comma",
    "case": "a capital too few or too many",
    "punctuation": "an apostrophe, comma or full stop that is missing, doubled or wrong",
    "phonetic": "spelled as it sounds",
}


@dataclass(frozen=True, slots=True)
class Typo:
    """`was` at the place `at` of the clean text became `became`."""

    kind: TypoKind
    at: int  # characters of the clean text before it
    was: str
    became: str

    @property
    def end(self) -> int:
        """Where it ends in the clean text."""
        return self.at + len(self.was)

    @property
    def change(self) -> str:
        """What happened, without where: the name of a habit."""
        return f"{self.was}→{self.became}"


def applied(text: str, typos: Sequence[Typo]) -> str:
    """`text` with `typos`, which are in order and do not overlap. Raises ValueError where one does not fit."""
    pieces, done = [], 0
    for typo in typos:
        if typo.at < done or text[typo.at : typo.end] != typo.was:
            raise ValueError(f"{typo} does not fit “{text}”")
        pieces += [text[done : typo.at], typo.became]
        done = typo.end
    return "".join([*pieces, text[done:]])

"""Where an answer joins the typed text again after it has left it: what the model will most likely write next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studio.models.causal_lm.template import text_of

_WORD_START = 1.5  # edits that a place at the beginning of a word may be farther away, and still be chosen


class TypedAhead:
    """The typed text as tokens, and the tokens of it that an answer so far has not yet come to."""

    def __init__(self, tokenizer: Any, ids: Sequence[int]) -> None:
        self._tokenizer, self._ids = tokenizer, list(ids)
        ends = [len(text_of(tokenizer, ids[:count])) for count in range(1, len(ids) + 1)]
        self._starts = [0, *ends]  # where each token begins in the text, and where the last one ends
        self._text = text_of(tokenizer, ids)
        self._written, self._row = "", list(range(len(self._text) + 1))

    def after(self, written: Sequence[int]) -> list[int]:
        """The typed tokens that follow the place nearest to what was `written`."""
        if not written:
            return self._ids
        self._read(text_of(self._tokenizer, written))
        places = range(len(self._starts))
        return self._ids[min(places, key=lambda place: (self._distance(place), -place)) :]

    def _distance(self, place: int) -> float:
        at = self._starts[place]
        return self._row[at] - _WORD_START * (at == len(self._text) or self._text[at] == " ")

    def _read(self, written: str) -> None:
        """Edits from each beginning of the typed text to what is written: a row of Levenshtein's table a letter."""
        if not written.startswith(self._written):  # a character whose last byte came late
            self._written, self._row = "", list(range(len(self._text) + 1))
        for letter in written[len(self._written) :]:
            above, row = self._row, [self._row[0] + 1]
            for place, typed in enumerate(self._text):
                row.append(min(above[place] + (typed != letter), above[place + 1] + 1, row[place] + 1))
            self._row = row
        self._written = written

"""Two texts word by word, as they were written, with what only looks different kept apart from what is wrong.

`metrics.diff` compares words letter by letter, as a score does. A person is shown this one: `732993` against `seven
three two nine nine three` is a *spelling*, not six mistakes, and no word appears that neither text has, however the
normaliser that was asked for writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from studio.text import NORMALISERS, WITHOUT_SPACES, plain, spoken
from studio.text.alignment import aligned
from studio.text.metrics import Edit, EditKind
from studio.text.number_rules import DigitRules
from studio.text.words_to_numbers import to_digits

_PIECE = re.compile(rf"{WITHOUT_SPACES}|(?:(?!{WITHOUT_SPACES})\S)+")  # such a character, or a word
_RULES = DigitRules(one="digits")


def compared(reference: str, hypothesis: str, normaliser: str = "exact") -> list[Edit]:
    """The edits that turn `reference` into `hypothesis`, in order, both as they were written.

    What `normaliser` takes for the same is no error: it is equal, or a spelling where numbers are written differently.
    """
    said, written = _Pieces.of(reference), _Pieces.of(hypothesis)
    blocks = [(said.part(*ref), written.part(*hyp)) for ref, hyp in _blocks(said, written)]
    kinds = [_kind(said.text_of(ref), written.text_of(hyp), normaliser) for ref, hyp in blocks]
    edits: list[Edit] = []
    for is_equal, run in groupby(zip(kinds, blocks, strict=True), key=lambda found: found[0] == "equal"):
        parts = list(run)
        whole = _merged(said, written, "equal" if is_equal else "spelling", parts)
        if is_equal or means_same(whole.reference, whole.hypothesis):
            edits.append(whole)
        else:
            alike = (list(found) for _, found in groupby(parts, key=lambda found: found[0]))
            edits += [_merged(said, written, found[0][0], found) for found in alike]
    return edits


def means_same(one: str, other: str) -> bool:
    """Whether the two say the same words, however they write numbers, case and punctuation."""
    if spoken(one) == spoken(other):
        return bool(spoken(one))
    # `seventy three` and `73`, but not `seventy three` and `seven three`: one of the two has digits
    return _in_digits(one) == _closed(plain(other)) or _in_digits(other) == _closed(plain(one))


def _in_digits(text: str) -> str:
    return _closed(to_digits(plain(text), _RULES)[0])


def _closed(text: str) -> str:
    """`text` without spaces between digits: `1 234` and `1234` are one number."""
    return re.sub(r"(?<=[0-9]) (?=[0-9])", "", text)


Span = tuple[int, int]
"""The first, and the one after the last."""
Block = tuple[Span, Span]
"""Characters of the reference, and those of the hypothesis that they became."""


@dataclass(frozen=True, slots=True)
class _Pieces:
    """A text cut into words, or into characters where its script has no spaces."""

    text: str
    spans: Sequence[Span]  # of characters
    words: Sequence[str]  # that the pieces say: `12` says two
    is_last: Sequence[bool]  # whether such a word is the last of its piece

    @classmethod
    def of(cls, text: str) -> _Pieces:
        single = " ".join(text.split())
        found = list(_PIECE.finditer(single))
        said = [_words_of(match[0]) for match in found]
        last = [place == len(words) for words in said for place in range(1, len(words) + 1)]
        return cls(single, [match.span() for match in found], [word for words in said for word in words], last)

    def part(self, first: int, after: int) -> Span:
        """The characters of the pieces from `first` up to `after`."""
        return (self.spans[first][0], self.spans[after - 1][1]) if after > first else (0, 0)

    def text_of(self, span: Span) -> str:
        return self.text[slice(*span)]


@lru_cache(maxsize=10_000)
def _words_of(piece: str) -> tuple[str, ...]:
    return tuple(spoken(piece).split()) or (piece,)  # a dash by itself says nothing, and is there all the same


def _blocks(said: _Pieces, written: _Pieces) -> Iterator[tuple[Span, Span]]:
    """The smallest blocks of whole pieces that an alignment of their words leaves, as spans of pieces."""
    word = [0, 0]  # of each text, the next
    piece, begun = [0, 0], [0, 0]  # pieces that are over; where the block began
    is_open = [False, False]
    for taken in _steps(said.words, written.words):
        for place, text in enumerate((said, written)):
            if taken[place]:
                is_open[place] = not text.is_last[word[place]]
                piece[place] += text.is_last[word[place]]
                word[place] += 1
        if not any(is_open):
            yield (begun[0], piece[0]), (begun[1], piece[1])
            begun = piece.copy()


def _steps(said: Sequence[str], written: Sequence[str]) -> Iterator[tuple[bool, bool]]:
    """An alignment of words: at each step one of the first text is taken, one of the second, or both."""
    for part in aligned(said, written):
        yield from [(part.kind != "insert", part.kind != "delete")] * part.words


def _kind(said: str, written: str, normaliser: str) -> EditKind:
    normal = NORMALISERS[normaliser]
    if said == written or (normal(said) == normal(written) and plain(said) == plain(written)):
        return "equal"
    if normal(said) == normal(written) or means_same(said, written):
        return "spelling"
    return "substitute" if said and written else "delete" if said else "insert"


def _merged(said: _Pieces, written: _Pieces, kind: EditKind, parts: Sequence[tuple[EditKind, Block]]) -> Edit:
    """Neighbours as one edit."""
    ref, hyp = (
        [span for span in spans if span != (0, 0)] for spans in zip(*(block for _, block in parts), strict=True)
    )
    return Edit(
        kind=kind,
        reference=said.text[ref[0][0] : ref[-1][1]] if ref else "",
        hypothesis=written.text[hyp[0][0] : hyp[-1][1]] if hyp else "",
    )

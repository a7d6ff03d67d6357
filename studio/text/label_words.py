"""The words of a label, each of which has its own time, and what makes two spellings the same words."""

from __future__ import annotations

import re
from collections.abc import Iterable

from studio.text.normalize import spread


def label_words(text: str) -> list[str]:
    """The words of `text` with their punctuation; a mark by itself belongs to the word before it.

    In a script without spaces each character is a word. Nothing where `text` has no letter or digit.
    """
    words: list[str] = []
    waiting = ""  # marks before the first word
    for piece in spread(text).split():
        if letters(piece):
            words.append(f"{waiting} {piece}".strip())
            waiting = ""
        elif words:
            words[-1] += f" {piece}"
        else:
            waiting = f"{waiting} {piece}".strip()
    return words


def letters(text: str) -> str:
    """The letters and digits of `text` in lower case: what is left when spelling does not count."""
    return re.sub(r"[\W_]+", "", text).casefold()


def same_words(words: Iterable[str], text: str) -> bool:
    """Whether `words` in their order are those of `text`, but for case and punctuation."""
    return letters("".join(words)) == letters(text)

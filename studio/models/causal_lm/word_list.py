"""Before a model answers: words that are in no list give way to the listed one that the model finds likeliest there.

For the bundled model, which is too small to know the spelling of every word: a list of words (`words.txt` in its
folder) says what is a word and what is one typo away, and the network says which of the candidates fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.models.base import Hypothesis
from studio.models.causal_lm.template import ids_of, text_of
from studio.text import lines_of
from studio.typing.edits import WordEdit, applied, edits
from studio.typing.spelling import Candidate, Unknown, WordList
from studio.typing.typist import Typist

if TYPE_CHECKING:
    import torch

FILE = "words.txt"
_MARKS = '.,;:!?"()'
_LETTERS = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_SPARE_SPACE = re.compile(r" +(?=[ ,.?!])")
_SURE = 0.8  # the lowest probability of a word's tokens from which on a word in no list is believed
_PRIOR, _FIT, _UNSEEN = 0.6, 0.4, -2.0  # how much a word's frequency and its fit count; the fit of what is no token


def read(folder: Path, typist: Typist | None = None) -> WordList | None:
    """The list in a model's folder, with the words and habits of `typist`; None where there is none."""
    path = folder / FILE
    if not path.is_file():
        return None
    return _read(path, path.stat().st_mtime, typist.model_dump_json() if typist else "")


@lru_cache(maxsize=6)  # before and after, and what else a person compares
def _read(path: Path, _changed: float, typist: str) -> WordList:
    if typist:
        return WordList(_read(path, _changed, "").words, Typist.model_validate_json(typist))
    return WordList(lines_of(path.read_text(encoding="utf-8")))


def exchanged(typed: str, words: WordList, tokenizer: Any, chances: Callable[[Sequence[int]], torch.Tensor]) -> str:
    """`typed` with each unknown word as the candidate that is the likeliest.

    `chances(ids)` gives (tokens, vocabulary): log-probabilities of each token of the typed text, given those before.
    """
    unknown = words.unknown(typed)
    if not unknown:
        return typed
    ids = ids_of(tokenizer, typed)
    given = chances(ids)
    starts = {len(text_of(tokenizer, ids[:count])): count for count in range(len(ids), -1, -1)}
    text = typed
    for word in reversed(unknown):
        place = starts.get(max(0, word.start - 1))
        best = _best(word, tokenizer, None if place is None else given[place])
        text = text[: word.start] + best + text[word.end :]
    return text


def likely(typed: str, words: WordList) -> str:
    """What `typed` probably says, by the list alone: a draft of the answer, which the network then checks.

    Each unknown word gives way to its likeliest candidate, and spaces that are one too many go. Where fewer than half
    of the words are listed, the text is in another language and stays as it is.
    """
    found = [match.lower() in words for match in _LETTERS.findall(typed)]
    if 2 * sum(found) < len(found):
        return typed
    text = typed
    for word in reversed(words.unknown(typed)):
        best = max(word.candidates, key=lambda candidate: _PRIOR * candidate.prior - candidate.cost)
        text = text[: word.start] + best.text + text[word.end :]
    return _SPARE_SPACE.sub("", text)


def without_doubtful(before: str, after: Hypothesis, words: WordList) -> str:
    """The text of `after`, a correction of `before`, without changes into words that are in no list.

    Those that the model is sure of stay: a run may have taught it a person's own words.
    """
    changes = edits(before, after.text)
    unsure = {word.strip(_MARKS) for word, chance in after.words or () if chance < _SURE}

    def is_doubtful(edit: WordEdit) -> bool:
        written = {match for match in _LETTERS.findall(edit.correction) if match.lower() not in words}
        known = {match.lower() for match in _LETTERS.findall(edit.source)}
        return any(word.lower() not in known and word in unsure for word in written)

    return applied(before, [edit for edit in changes if not is_doubtful(edit)])


def _best(word: Unknown, tokenizer: Any, chances: torch.Tensor | None) -> str:
    tokens = [_token(tokenizer, candidate.text) for candidate in word.candidates]
    fits = [None if token is None or chances is None else chances[token].item() for token in tokens]
    highest = max((fit for fit in fits if fit is not None), default=0.0)

    def value(candidate: Candidate, fit: float | None) -> float:
        suits = _UNSEEN if fit is None else fit - highest
        return _PRIOR * candidate.prior + _FIT * suits - candidate.cost

    return max(zip(word.candidates, fits, strict=True), key=lambda pair: value(*pair))[0].text


def _token(tokenizer: Any, text: str) -> int | None:
    """The token of a word, or of the first of two; None where it is spelled."""
    ids = ids_of(tokenizer, text.partition(" ")[0])
    return ids[0] if len(ids) == 1 else None

"""Which words the tokens of a hypothesis make, and how sure the model was of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Words = list[tuple[str, float]]
"""Each word with the lowest probability among its tokens, 0..1: a word is no surer than its weakest part."""

_STARTS = ("▁", "Ġ")  # how SentencePiece and byte-level tokenizers mark the token that begins a word


def spans_of(tokenizer: Any, ids: Sequence[int]) -> list[tuple[str, int, int]]:
    """Each word that `ids` write, the place of its first token, and the place after its last."""
    pieces = tokenizer.convert_ids_to_tokens(list(ids))  # a piece is None where a model has more ids than pieces
    firsts = [place for place, piece in enumerate(pieces) if not place or (piece or "").startswith(_STARTS)]
    spans = zip(firsts, [*firsts[1:], len(pieces)], strict=False)
    words = ((tokenizer.decode(list(ids[first:end]), skip_special_tokens=True), first, end) for first, end in spans)
    return [(word.strip(), first, end) for word, first, end in words if word.strip()]


def words_of(tokenizer: Any, ids: Sequence[int], chances: Sequence[float]) -> Words:
    """The words that `ids` write; `chances` has a probability for each, and may go on (with the end token's)."""
    return [(word, round(min(chances[first:end]), 4)) for word, first, end in spans_of(tokenizer, ids)]

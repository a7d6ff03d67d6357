"""Which words the tokens of a hypothesis make, and how sure the model was of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Words = list[tuple[str, float]]
"""Each word with the lowest probability among its tokens, 0..1: a word is no surer than its weakest part."""

_STARTS = ("▁", "Ġ")  # how SentencePiece and byte-level tokenizers mark the token that begins a word


def words_of(tokenizer: Any, ids: Sequence[int], chances: Sequence[float]) -> Words:
    """The words that `ids` write; `chances` has a probability for each, and may go on (with the end token's)."""
    groups: list[tuple[list[int], float]] = []
    for token, piece, chance in zip(ids, tokenizer.convert_ids_to_tokens(list(ids)), chances, strict=False):
        if (piece or "").startswith(_STARTS) or not groups:  # a piece is None where a model has more ids than pieces
            groups.append(([token], chance))
        else:
            tokens, lowest = groups[-1]
            groups[-1] = ([*tokens, token], min(lowest, chance))
    words = ((tokenizer.decode(tokens, skip_special_tokens=True).strip(), lowest) for tokens, lowest in groups)
    return [(word, round(lowest, 4)) for word, lowest in words if word]

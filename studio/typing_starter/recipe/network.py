"""The network: transformers' Llama, small, whose embeddings of words begin as the sum of their letters."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.typing_starter.recipe.tokens import SPACE, SPECIAL

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of the network."""

    vocabulary: int = 10_000
    capitals: int = 1_400
    width: int = 128
    feed_forward: int = 384
    layers: int = 4
    heads: int = 4
    positions: int = 512


def network(shape: Shape, pieces: list[str], seed: int) -> Any:
    """A fresh LlamaForCausalLM in fp32 for the vocabulary `pieces`."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(pieces),
        hidden_size=shape.width,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.positions,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=3,
    )
    config.typing = {"before": SPECIAL[1], "between": SPECIAL[2], "margin": 0.0, "latin_only": True}
    model: Any = LlamaForCausalLM(config)
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(_spelled(pieces, shape.width, seed))
        for layer in model.model.layers:  # as GPT-2: what adds to the residual stream starts small
            for projection in (layer.self_attn.o_proj, layer.mlp.down_proj):
                projection.weight.div_(math.sqrt(2 * shape.layers))
    return model


def _spelled(pieces: list[str], width: int, seed: int) -> torch.Tensor:
    """(pieces, width): of a word its letters, its pairs of letters and itself, so that similar words begin close."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    known: dict[str, torch.Tensor] = {}

    def direction(name: str) -> torch.Tensor:
        if name not in known:
            known[name] = torch.randn(width, generator=generator)
        return known[name]

    rows = []
    for piece in pieces:
        word = piece.removeprefix(SPACE).lower()
        row = 0.8 * torch.randn(width, generator=generator)
        if piece not in SPECIAL and word:
            letters = sum((direction(letter) for letter in word), torch.zeros(width))
            pairs = [first + second for first, second in zip(f"^{word}", word, strict=False)]
            row = row + letters / math.sqrt(len(word))
            if len(word) > 1:
                row = row + sum((direction(pair) for pair in pairs), torch.zeros(width)) / math.sqrt(len(pairs))
            row = row + 0.5 * direction("capital") * piece.removeprefix(SPACE)[0].isupper()
        rows.append(row * 0.04 / row.std())
    return torch.stack(rows)


def word_list(rng: random.Random, words: list[str]) -> str:
    """Some words without a sense between them: every word is learnt, not only the common ones."""
    chosen = [rng.choice(words).removeprefix(SPACE) for _ in range(rng.randint(3, 8))]
    return " ".join(chosen)

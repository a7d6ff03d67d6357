"""A language model as a plain module that remembers a text, which ExecuTorch's format is made from.

What transformers' Llama, Qwen2 and Qwen3 compute, with their layers and weights, but without their caches and masks,
which torch.export cannot follow. Imported late: it needs PyTorch at once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_HIDDEN = -1e4  # the score of what may not be looked at


class Network(nn.Module):
    """Tokens (n, always as many) and the position (1) of the first of them to the logits (n, vocabulary) after each.

    It caches the keys and values of earlier positions; tokens at position 0 begin a new text. Whatever the cache holds
    at later positions is masked.
    """

    cos: Tensor
    sin: Tensor
    everywhere: Tensor

    def __init__(self, network: Any, positions: int) -> None:
        super().__init__()
        inner, config = network.model, network.config
        self.embedding: nn.Module = inner.embed_tokens
        self.projection, self.norm = network.lm_head, inner.norm
        self.layers = nn.ModuleList(_Layer(layer, config, positions) for layer in inner.layers)
        angles = torch.arange(positions)[:, None] * inner.rotary_emb.inv_freq.float().repeat(2)
        scale = inner.rotary_emb.attention_scaling
        for name, value in (("cos", angles.cos() * scale), ("sin", angles.sin() * scale)):
            self.register_buffer(name, value)
        self.register_buffer("everywhere", torch.arange(positions))

    def forward(self, tokens: Tensor, position: Tensor) -> Tensor:
        """See the class."""
        hidden = self.embedding(tokens)
        places = torch.arange(tokens.shape[0]) + position
        turns = (self.cos[places][:, None], self.sin[places][:, None])
        seen = self.everywhere <= places[:, None]
        for layer in self.layers:
            hidden = layer(hidden, places, turns, seen)
        logits: Tensor = self.projection(self.norm(hidden))
        return logits


class _Layer(nn.Module):
    """One layer, with its keys and values (positions, heads, width of a head)."""

    keys: Tensor
    values: Tensor

    def __init__(self, layer: Any, config: Any, positions: int) -> None:
        super().__init__()
        self.layer, self.heads, self.kept = layer, config.num_attention_heads, config.num_key_value_heads
        self.width = layer.self_attn.head_dim
        for name in ("keys", "values"):
            self.register_buffer(name, torch.zeros(positions, self.kept, self.width))

    def forward(self, hidden: Tensor, places: Tensor, turns: tuple[Tensor, Tensor], seen: Tensor) -> Tensor:
        """`hidden` (tokens, width) at the positions `places`, each of which looks at what it has `seen`."""
        layer = self.layer
        hidden = hidden + self._looked(layer.input_layernorm(hidden), places, turns, seen)
        after: Tensor = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
        return after

    def _looked(self, normal: Tensor, places: Tensor, turns: tuple[Tensor, Tensor], seen: Tensor) -> Tensor:
        attention, count = self.layer.self_attn, normal.shape[0]
        query = self._split(attention.q_proj(normal), self.heads)
        key, value = (self._split(part(normal), self.kept) for part in (attention.k_proj, attention.v_proj))
        if hasattr(attention, "q_norm"):  # of Qwen3
            query, key = attention.q_norm(query), attention.k_norm(key)
        self.keys[places] = _turned(key, turns)
        self.values[places] = value
        query = _turned(query, turns).view(count, self.kept, -1, self.width).permute(1, 2, 0, 3)
        scores = (query * self.width**-0.5) @ self.keys.permute(1, 2, 0)[:, None]
        known = torch.where(seen[-1][:, None, None], self.values, 0.0).transpose(0, 1)[:, None]
        taken = torch.where(seen, scores, _HIDDEN).softmax(-1) @ known  # (kept heads, heads of each, tokens, width)
        looked: Tensor = attention.o_proj(taken.permute(2, 0, 1, 3).reshape(count, self.heads * self.width))
        return looked

    def _split(self, hidden: Tensor, heads: int) -> Tensor:
        return hidden.view(-1, heads, self.width)


def _turned(value: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """(tokens, heads, width) by rotary positions: the two halves of a head turn together."""
    (cos, sin), (first, second) = turns, value.chunk(2, -1)
    return value * cos + torch.cat([-second, first], -1) * sin

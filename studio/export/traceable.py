"""Moonshine's encoder and decoder as plain modules for one clip at a time, which phones' formats are made from.

What transformers' modeling_moonshine.py computes, with its layers and weights, but without its caches, masks and
batches, which neither torch.export nor a trace can follow. Imported late: it needs PyTorch at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear

FRAMES = 1300  # most frames of a sound; 30 s of sound have 1,248
_HIDDEN = -1e4  # the score of what may not be looked at; fp16 holds it


@dataclass(frozen=True, slots=True)
class _Heads:
    """Into how many parts attention divides the hidden states, and how wide each is."""

    count: int
    width: int

    @classmethod
    def of(cls, count: int, config: Any) -> _Heads:
        return cls(count, config.hidden_size // count)

    def split(self, hidden: Tensor) -> Tensor:
        """(tokens, width) as (heads, tokens, width of a head)."""
        return hidden.view(-1, self.count, self.width).transpose(0, 1)

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        """(heads, tokens, tokens looked at)."""
        scores: Tensor = (query * self.width**-0.5) @ key.transpose(1, 2)
        return scores

    def taken(self, scores: Tensor, value: Tensor) -> Tensor:
        """What each token takes from the others: (tokens, width)."""
        return (scores.softmax(-1) @ value).transpose(0, 1).reshape(-1, self.count * self.width)


class Encoder(nn.Module):
    """Samples (1, samples) to the encoder's output (frames, width), and what each decoder layer makes of it at once.

    These are its keys and values, each (layers, heads, frames, width of a head).
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.encoder, config = network.model.encoder, network.config
        layers = network.model.decoder.layers
        self.cross_keys = nn.ModuleList(layer.encoder_attn.k_proj for layer in layers)
        self.cross_values = nn.ModuleList(layer.encoder_attn.v_proj for layer in layers)
        self.heads = _Heads.of(config.encoder_num_attention_heads, config)
        self.cross_heads = _Heads.of(config.decoder_num_attention_heads, config)
        self.turns = _Turns(self.encoder.rotary_emb.inv_freq, self.heads.width, FRAMES)

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        encoder = self.encoder
        hidden = encoder.groupnorm(torch.tanh(encoder.conv1(samples[:, None])))
        hidden = gelu(encoder.conv3(gelu(encoder.conv2(hidden))))[0].transpose(0, 1)
        cos, sin = self.turns.cos[: hidden.shape[0]], self.turns.sin[: hidden.shape[0]]
        for layer in encoder.layers:
            normal, attention = layer.input_layernorm(hidden), layer.self_attn
            query, key, value = (
                self.heads.split(project(normal)) for project in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            scores = self.heads.scores(self.turns(query, cos, sin), self.turns(key, cos, sin))
            hidden = hidden + attention.o_proj(self.heads.taken(scores, value))
            hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
        hidden = encoder.layer_norm(hidden)
        keys, values = (
            torch.stack([self.cross_heads.split(project(hidden)) for project in projections])
            for projections in (self.cross_keys, self.cross_values)
        )
        return hidden, keys, values


class Decoder(nn.Module):
    """A token (1), its position (1) in the text, and the encoder's keys and values to the logits (vocabulary) after it.

    It caches the keys and values of earlier positions; a token at position 0 begins a new text. Whatever the cache
    holds at later positions is masked, since some runtimes leave anything there.
    """

    keys: Tensor
    values: Tensor
    everywhere: Tensor

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.decoder, self.projection, config = network.model.decoder, network.proj_out, network.config
        self.embedding: nn.Module = self.decoder.embed_tokens
        self.heads, most = _Heads.of(config.decoder_num_attention_heads, config), config.max_position_embeddings
        self.turns = _Turns(self.decoder.rotary_emb.inv_freq, self.heads.width, most)
        shape = (config.decoder_num_hidden_layers, self.heads.count, most, self.heads.width)
        for name in ("keys", "values"):
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("everywhere", torch.arange(most))

    def forward(self, token: Tensor, position: Tensor, cross_keys: Tensor, cross_values: Tensor) -> Tensor:
        """See the class."""
        hidden = self.embedding(token)
        here, seen = self.everywhere == position, self.everywhere <= position
        cos, sin = self.turns.cos[position], self.turns.sin[position]
        for number, layer in enumerate(self.decoder.layers):
            normal, attention = layer.input_layernorm(hidden), layer.self_attn
            query, key, value = (
                self.heads.split(project(normal)) for project in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            query, key = self.turns(query, cos, sin), self.turns(key, cos, sin)
            self.keys[number] = torch.where(here[:, None], key, self.keys[number])
            self.values[number] = torch.where(here[:, None], value, self.values[number])
            scores = torch.where(seen, self.heads.scores(query, self.keys[number]), _HIDDEN)
            known = torch.where(seen[:, None], self.values[number], 0.0)
            hidden = hidden + attention.o_proj(self.heads.taken(scores, known))
            normal, attention = layer.post_attention_layernorm(hidden), layer.encoder_attn
            scores = self.heads.scores(self.heads.split(attention.q_proj(normal)), cross_keys[number])
            hidden = hidden + attention.o_proj(self.heads.taken(scores, cross_values[number]))
            hidden = hidden + layer.mlp(layer.final_layernorm(hidden))
        logits: Tensor = self.projection(self.decoder.norm(hidden))[0]
        return logits


class ByteEmbedding(nn.Module):
    """A table of embeddings in 8 bits, with one scale for each row."""

    rows: Tensor
    scales: Tensor

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        scales = table.abs().amax(1, keepdim=True).clamp_min(1e-9) / 127
        self.register_buffer("scales", scales)
        self.register_buffer("rows", (table / scales).round().to(torch.int8))

    def forward(self, ids: Tensor) -> Tensor:
        """(tokens, width) in fp32."""
        return self.rows[ids].float() * self.scales[ids]


class _Turns(nn.Module):
    """Rotary embeddings: by how much the pairs of neighbouring numbers are turned at each position.

    A product with a fixed matrix swaps the two of each pair: runtimes have a fast product, but no fast step of two.
    """

    cos: Tensor
    sin: Tensor
    swap: Tensor

    def __init__(self, speeds: Tensor, width: int, positions: int) -> None:
        super().__init__()
        each = nn.functional.pad(speeds.float().repeat_interleave(2), (0, width - 2 * len(speeds)))
        angles = torch.arange(positions)[:, None] * each
        swap = torch.zeros(width, width)
        for first in range(0, 2 * len(speeds), 2):
            swap[first, first + 1], swap[first + 1, first] = -1, 1
        for name, value in (("cos", angles.cos()), ("sin", angles.sin()), ("swap", swap)):
            self.register_buffer(name, value)

    def forward(self, value: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(heads, tokens, width of a head), turned."""
        return value * cos + linear(value, self.swap) * sin

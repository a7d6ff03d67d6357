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

    def split(self, hidden: Tensor, times: int = 1) -> Tensor:
        """(tokens, `times` the width) as (`times` the heads, tokens, width of a head)."""
        return hidden.view(-1, times * self.count, self.width).transpose(0, 1)

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
        encoder, config = network.model.encoder, network.config
        self.convolutions = nn.ModuleList((encoder.conv1, encoder.conv2, encoder.conv3))
        self.first_norm, self.last_norm = encoder.groupnorm, encoder.layer_norm
        self.heads = _Heads.of(config.encoder_num_attention_heads, config)
        self.turns = _Turns(encoder.rotary_emb.inv_freq, self.heads.width, FRAMES)
        self.layers = nn.ModuleList(_Layer(layer, self.heads) for layer in encoder.layers)
        crosses = [layer.encoder_attn for layer in network.model.decoder.layers]
        self.cross_heads, self.cross_layers = _Heads.of(config.decoder_num_attention_heads, config), len(crosses)
        self.crosses = _joined(*(each.k_proj for each in crosses), *(each.v_proj for each in crosses))

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        first, second, third = self.convolutions
        hidden = self.first_norm(torch.tanh(first(samples[:, None])))
        hidden = gelu(third(gelu(second(hidden))))[0].transpose(0, 1)
        cos, sin = self.turns.cos[: hidden.shape[0]], self.turns.sin[: hidden.shape[0]]
        for layer in self.layers:
            query, key, value = layer.attention.projected(layer.first_norm(hidden), self.turns, cos, sin)
            hidden = hidden + layer.attention.out(self.heads.taken(self.heads.scores(query, key), value))
            hidden = hidden + layer.mlp(layer.last_norm(hidden))
        hidden = self.last_norm(hidden)
        found = self.cross_heads.split(self.crosses(hidden), 2 * self.cross_layers)
        found = found.reshape(2 * self.cross_layers, self.cross_heads.count, -1, self.cross_heads.width)
        return hidden, found[: self.cross_layers], found[self.cross_layers :]


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
        decoder, config = network.model.decoder, network.config
        self.embedding: nn.Module = decoder.embed_tokens
        self.last_norm, self.projection = decoder.norm, network.proj_out
        self.heads, most = _Heads.of(config.decoder_num_attention_heads, config), config.max_position_embeddings
        self.turns = _Turns(decoder.rotary_emb.inv_freq, self.heads.width, most)
        self.layers = nn.ModuleList(_CrossLayer(layer, self.heads) for layer in decoder.layers)
        shape = (config.decoder_num_hidden_layers, self.heads.count, most, self.heads.width)
        for name in ("keys", "values"):
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("everywhere", torch.arange(most))

    def forward(self, token: Tensor, position: Tensor, cross_keys: Tensor, cross_values: Tensor) -> Tensor:
        """See the class."""
        hidden = self.embedding(token)
        here, seen = self.everywhere == position, self.everywhere <= position
        cos, sin = self.turns.cos[position], self.turns.sin[position]
        for number, layer in enumerate(self.layers):
            query, key, value = layer.attention.projected(layer.first_norm(hidden), self.turns, cos, sin)
            self.keys[number] = torch.where(here[:, None], key, self.keys[number])
            self.values[number] = torch.where(here[:, None], value, self.values[number])
            scores = torch.where(seen, self.heads.scores(query, self.keys[number]), _HIDDEN)
            known = torch.where(seen[:, None], self.values[number], 0.0)
            hidden = hidden + layer.attention.out(self.heads.taken(scores, known))
            query = self.heads.split(layer.query(layer.cross_norm(hidden)))
            scores = self.heads.scores(query, cross_keys[number])
            hidden = hidden + layer.cross_out(self.heads.taken(scores, cross_values[number]))
            hidden = hidden + layer.mlp(layer.last_norm(hidden))
        logits: Tensor = self.projection(self.last_norm(hidden))[0]
        return logits


class _Attention(nn.Module):
    """Attention among frames or tokens. One matrix makes queries, keys and values: converters take time by the step."""

    def __init__(self, attention: Any, heads: _Heads) -> None:
        super().__init__()
        self.heads, self.out = heads, attention.o_proj
        self.into = _joined(attention.q_proj, attention.k_proj, attention.v_proj)

    def projected(self, hidden: Tensor, turns: _Turns, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value of (tokens, width), each (heads, tokens, width of a head)."""
        found, count = self.heads.split(self.into(hidden), 3), self.heads.count
        turned = turns(found[: 2 * count], cos, sin)
        return turned[:count], turned[count:], found[2 * count :]


class _Layer(nn.Module):
    """A layer of the encoder."""

    def __init__(self, layer: Any, heads: _Heads) -> None:
        super().__init__()
        self.attention, self.mlp = _Attention(layer.self_attn, heads), layer.mlp
        self.first_norm, self.last_norm = layer.input_layernorm, layer.post_attention_layernorm


class _CrossLayer(nn.Module):
    """A layer of the decoder, without what makes keys and values of the encoder's output."""

    def __init__(self, layer: Any, heads: _Heads) -> None:
        super().__init__()
        self.attention, self.mlp = _Attention(layer.self_attn, heads), layer.mlp
        self.first_norm, self.cross_norm = layer.input_layernorm, layer.post_attention_layernorm
        self.last_norm = layer.final_layernorm
        self.query, self.cross_out = layer.encoder_attn.q_proj, layer.encoder_attn.o_proj


def _joined(*projections: Any) -> nn.Linear:
    """One projection with the outputs of all."""
    weight = torch.cat([each.weight.detach() for each in projections])
    joined = nn.Linear(weight.shape[1], weight.shape[0], bias=projections[0].bias is not None)
    joined.weight = nn.Parameter(weight, requires_grad=False)
    if joined.bias is not None:
        joined.bias = nn.Parameter(torch.cat([each.bias.detach() for each in projections]), requires_grad=False)
    return joined


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

"""Moonshine's encoder and decoder as plain modules: what transformers' modeling_moonshine.py computes.

See `studio.export.traceable`. Imported late: it needs PyTorch at once.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, pad

from studio.export import traceable
from studio.export.traceable import Attention, Layer, Turn

FRAMES = 1300  # most frames of a sound; 30 s of sound have 1,248


class Decoder(traceable.Decoder):
    """Moonshine's. See the base."""

    def __init__(self, network: Any) -> None:
        decoder, layers, most = network.model.decoder, _written(network), network.config.max_position_embeddings
        super().__init__(network, layers, decoder.norm, most)
        self.turns = _Turns(decoder.rotary_emb.inv_freq, layers[0].own.width, most)

    def turn(self, position: Tensor) -> Turn:
        """By the angles at `position`."""
        return partial(self.turns, cos=self.turns.cos[position], sin=self.turns.sin[position])


class Encoder(traceable.Encoder):
    """Moonshine's, which takes the samples themselves, of a sound of any length. See the base."""

    def __init__(self, network: Any) -> None:
        encoder, heads = network.model.encoder, network.config.encoder_num_attention_heads
        layers = [
            Layer(
                (layer.input_layernorm, layer.post_attention_layernorm),
                Attention(layer.self_attn, layer.self_attn.o_proj, heads),
                layer.mlp,
            )
            for layer in encoder.layers
        ]
        super().__init__(layers, encoder.layer_norm, _written(network))
        self.convolutions = nn.ModuleList([encoder.conv1, encoder.conv2, encoder.conv3])
        self.group_norm = encoder.groupnorm
        self.turns = _Turns(encoder.rotary_emb.inv_freq, layers[0].own.width, FRAMES)

    def stem(self, samples: Tensor) -> Tensor:
        """Three convolutions: about 42 frames a second."""
        first, second, third = self.convolutions
        hidden = self.group_norm(torch.tanh(first(samples[:, None])))
        return gelu(third(gelu(second(hidden))))[0].transpose(0, 1)

    def turn(self, frames: int) -> Turn:
        """By the angles at the first `frames` positions."""
        return partial(self.turns, cos=self.turns.cos[:frames], sin=self.turns.sin[:frames])


def _written(network: Any) -> list[Layer]:
    """The decoder's layers."""
    heads = network.config.decoder_num_attention_heads
    return [
        Layer(
            (layer.input_layernorm, layer.post_attention_layernorm, layer.final_layernorm),
            Attention(layer.self_attn, layer.self_attn.o_proj, heads),
            layer.mlp,
            Attention(layer.encoder_attn, layer.encoder_attn.o_proj, heads),
        )
        for layer in network.model.decoder.layers
    ]


class _Turns(nn.Module):
    """Rotary embeddings: by how much the pairs of neighbouring numbers are turned at each position.

    A product with a fixed matrix swaps the two of each pair: runtimes have a fast product, but no fast step of two.
    """

    cos: Tensor
    sin: Tensor
    swap: Tensor

    def __init__(self, speeds: Tensor, width: int, positions: int) -> None:
        super().__init__()
        each = pad(speeds.float().repeat_interleave(2), (0, width - 2 * len(speeds)))
        angles = torch.arange(positions)[:, None] * each
        swap = torch.zeros(width, width)
        for first in range(0, 2 * len(speeds), 2):
            swap[first, first + 1], swap[first + 1, first] = -1, 1
        for name, value in (("cos", angles.cos()), ("sin", angles.sin()), ("swap", swap)):
            self.register_buffer(name, value)

    def forward(self, value: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(heads, tokens, width of a head), turned."""
        return value * cos + linear(value, self.swap) * sin

"""Whisper's encoder and decoder as plain modules: what transformers' modeling_whisper.py and its features compute.

See `studio.export.traceable`. Imported late: it needs PyTorch at once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, gelu, pad

from studio.export import traceable
from studio.export.spectrum import LEAST, RANGE, waves
from studio.export.traceable import Attention, Layer


class Decoder(traceable.Decoder):
    """Whisper's, which adds a learnt vector for each position. See the base."""

    def __init__(self, network: Any) -> None:
        decoder, most = network.model.decoder, network.config.max_target_positions
        super().__init__(network, _written(network), decoder.layer_norm, most)
        self.positions = decoder.embed_positions

    def stem(self, token: Tensor, position: Tensor) -> Tensor:
        """See the base."""
        hidden: Tensor = super().stem(token, position) + self.positions.weight[position]
        return hidden


class Encoder(traceable.Encoder):
    """Whisper's, which takes 30 s of sound, always: what is shorter is followed by zeros. See the base."""

    def __init__(self, network: Any, extractor: Any) -> None:
        encoder, heads = network.model.encoder, network.config.encoder_attention_heads
        layers = [
            Layer(
                (layer.self_attn_layer_norm, layer.final_layer_norm), _attention(layer.self_attn, heads), _Feed(layer)
            )
            for layer in encoder.layers
        ]
        super().__init__(layers, encoder.layer_norm, _written(network))
        self.spectrum, self.positions = Spectrum(extractor), encoder.embed_positions
        self.convolutions = nn.ModuleList([encoder.conv1, encoder.conv2])

    def stem(self, samples: Tensor) -> Tensor:
        """Features, two convolutions and positions: 50 frames a second."""
        first, second = self.convolutions
        heard = gelu(second(gelu(first(self.spectrum(samples)))))[0].transpose(0, 1)
        hidden: Tensor = heard + self.positions.weight
        return hidden


class Spectrum(nn.Module):
    """Samples (1, 30 s) to Whisper's features (1, mel bands, 10 ms frames).

    Its energies go down to 1e-10, which fp16 does not hold.
    """

    waves: Tensor
    bands: Tensor

    def __init__(self, extractor: Any) -> None:
        super().__init__()
        self.radius, self.step, self.frames = extractor.n_fft // 2, extractor.hop_length, extractor.nb_max_frames
        self.register_buffer("waves", torch.from_numpy(waves(extractor.n_fft)))
        self.register_buffer("bands", torch.from_numpy(extractor.mel_filters.T).float())

    def forward(self, samples: Tensor) -> Tensor:
        """See the class."""
        around = pad(samples[:, None], (self.radius, self.radius), "reflect")
        found = conv1d(around, self.waves, stride=self.step)[..., : self.frames]
        cosines, sines = torch.split(found.square(), self.radius + 1, 1)
        powers = (self.bands @ (cosines + sines)).clamp_min(LEAST).log10()
        return (torch.maximum(powers, powers.amax((1, 2), keepdim=True) - RANGE) + 4) / 4


class _Feed(nn.Module):
    """The network after a layer's attention."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.first, self.activation, self.second = layer.fc1, layer.activation_fn, layer.fc2

    def forward(self, hidden: Tensor) -> Tensor:
        """(tokens, width)."""
        fed: Tensor = self.second(self.activation(self.first(hidden)))
        return fed


def _attention(attention: Any, heads: int) -> Attention:
    return Attention(attention, attention.out_proj, heads)


def _written(network: Any) -> list[Layer]:
    """The decoder's layers."""
    heads = network.config.decoder_attention_heads
    return [
        Layer(
            (layer.self_attn_layer_norm, layer.encoder_attn_layer_norm, layer.final_layer_norm),
            _attention(layer.self_attn, heads),
            _Feed(layer),
            _attention(layer.encoder_attn, heads),
        )
        for layer in network.model.decoder.layers
    ]

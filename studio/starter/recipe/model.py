"""The starter's network: stock Moonshine, small, and the auxiliary heads that teach it and are thrown away.

Why the heads: trained by the decoder's cross-entropy alone, so small a model on so little speech does not
leave the plateau. CTC and phone labels teach the encoder to hear; the position head and guided attention
teach the decoder, whose cross-attention has no positions, to keep its place in a long digit string.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from studio.starter.recipe import tokenizer

if TYPE_CHECKING:
    from transformers import MoonshineForConditionalGeneration

SAMPLES_PER_FRAME = 384  # Moonshine's strides 64 * 3 * 2
FRAME_CENTRE = 440  # samples from the start to the middle of the first frame's receptive field
POSITION_PERIODS = (16.0, 32.0, 64.0, 128.0, 256.0, 512.0)  # frames


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of the network."""

    hidden: int = 160
    feed_forward: int = 640
    encoder_layers: int = 5
    decoder_layers: int = 2
    heads: int = 4


class Trainee(nn.Module):
    """The recogniser and its three teaching heads."""

    def __init__(self, shape: Shape, phones: int) -> None:
        super().__init__()
        self.recogniser = make_recogniser(shape)
        self.ctc = nn.Linear(shape.hidden, tokenizer.spoken_size())  # id 0, <unk>, is the blank
        self.phone = nn.Linear(shape.hidden, phones)
        self.position = nn.Linear(shape.hidden, 2 * len(POSITION_PERIODS))
        self.attention = CrossAttentionTap(self.recogniser)

    def encode(self, sound: Tensor) -> Tensor:
        """[batch, samples] of equal length -> [batch, frames, hidden]."""
        hidden: Tensor = self.recogniser.model.encoder(sound).last_hidden_state
        return hidden

    def decode(self, hidden: Tensor, before: Tensor) -> Tensor:
        """[batch, frames, hidden] and the tokens before each place [batch, tokens] -> logits [batch, tokens,
        vocabulary].
        """
        out = self.recogniser.model.decoder(input_ids=before, encoder_hidden_states=hidden, use_cache=False)
        logits: Tensor = self.recogniser.proj_out(out.last_hidden_state)
        return logits


class CrossAttentionTap:
    """Catches queries and keys of the decoder's cross-attention, to guide it."""

    def __init__(self, recogniser: MoonshineForConditionalGeneration) -> None:
        self.heads = recogniser.config.decoder_num_attention_heads
        self.caught: dict[tuple[str, int], Tensor] = {}
        for place, layer in enumerate(recogniser.model.decoder.layers):
            for name, projection in (("q", layer.encoder_attn.q_proj), ("k", layer.encoder_attn.k_proj)):
                projection.register_forward_hook(self._catch(name, place))
        self.layers = len(recogniser.model.decoder.layers)

    def _catch(self, name: str, place: int):  # type: ignore[no-untyped-def]
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            self.caught[name, place] = output

        return hook

    def log_weights(self, layer: int, heads: int) -> Tensor:
        """Log attention of the first `heads` heads: [batch, heads, tokens, frames]."""
        query, key = (self._split(self.caught[name, layer])[:, :heads] for name in ("q", "k"))
        return (query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])).log_softmax(-1)

    def _split(self, projected: Tensor) -> Tensor:
        batch, length, width = projected.shape
        return projected.view(batch, length, self.heads, width // self.heads).transpose(1, 2)


def make_recogniser(shape: Shape) -> MoonshineForConditionalGeneration:
    """Random weights at `shape`; the first convolution starts as a bank of mel-spaced Gabor filters."""
    from transformers import MoonshineConfig, MoonshineForConditionalGeneration

    recogniser = MoonshineForConditionalGeneration(
        MoonshineConfig(
            vocab_size=len(tokenizer.pieces()),
            hidden_size=shape.hidden,
            intermediate_size=shape.feed_forward,
            encoder_num_hidden_layers=shape.encoder_layers,
            decoder_num_hidden_layers=shape.decoder_layers,
            encoder_num_attention_heads=shape.heads,
            decoder_num_attention_heads=shape.heads,
            max_position_embeddings=512,
            initializer_range=0.04,
            bos_token_id=tokenizer.START,
            eos_token_id=tokenizer.END,
            pad_token_id=tokenizer.PAD,
            decoder_start_token_id=tokenizer.START,
        )
    )
    recogniser.generation_config.max_length = tokenizer.MAX_TOKENS
    set_gabor_filters(recogniser)
    return recogniser


@torch.no_grad()
def set_gabor_filters(recogniser: MoonshineForConditionalGeneration) -> None:
    """conv1: cosine and sine pairs under a window, 80 to 7000 Hz on the mel scale; conv2: the rectified
    pairs, smoothed.
    """
    encoder = recogniser.model.encoder
    channels, _, taps = encoder.conv1.weight.shape
    mel = torch.linspace(_mel(80.0), _mel(7000.0), channels // 2)
    hertz = 700 * (10 ** (mel / 2595) - 1)
    width = torch.gradient(hertz)[0] * 2 + 60
    seconds = (torch.arange(taps) - taps // 2) / 16_000
    spread = (1 / (math.pi * width)).clamp(max=0.0025)[:, None]
    window = torch.exp(-0.5 * (seconds / spread) ** 2) * torch.hann_window(taps + 2, periodic=False)[1:-1]
    angle = 2 * math.pi * hertz[:, None] * seconds
    bank = torch.stack([window * angle.cos(), window * angle.sin()], 1).flatten(0, 1)
    emphasis = (1 + hertz / 500).sqrt().repeat_interleave(2)[:, None]
    encoder.conv1.weight[:, 0] = bank / bank.norm(dim=1, keepdim=True) * emphasis
    encoder.conv2.weight.mul_(0.5)
    smoothing = torch.tensor([0.25, 0.5, 0.25])
    for channel in range(channels):
        encoder.conv2.weight[2 * channel, channel, 2:5] += smoothing
        encoder.conv2.weight[2 * channel + 1, channel, 2:5] -= smoothing


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)

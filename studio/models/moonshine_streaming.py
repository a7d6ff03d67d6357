"""Moonshine streaming: tiny, small, medium. Sliding attention windows, frames of 20 ms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.models.base import Clip
from studio.models.encoder_decoder import EncoderDecoder
from studio.models.moonshine import LORA_TARGETS

if TYPE_CHECKING:
    import torch

FRAME = 80  # samples: the network takes whole frames of 5 ms


class MoonshineStreaming(EncoderDecoder):
    """Raw audio in frames of 5 ms through a causal embedder into a windowed encoder and a decoder."""

    name = "moonshine_streaming"
    network = "MoonshineStreamingForConditionalGeneration"
    min_seconds = FRAME / 16_000
    max_seconds = 81.92  # 4,096 positions of 20 ms
    lora_targets = LORA_TARGETS
    below_adapters = r"(.*\.)?encoder\.embedder(\..*)?"

    def stem(self, base: Any, processor: Any, clip: Clip) -> torch.Tensor:
        """The embedder, 50 frames a second, for the clip padded to whole frames of 5 ms.

        The last frame of 5 ms may be padding and silenced, but each one of 20 ms hears four before it: all are real.
        """
        features = processor.feature_extractor(
            clip.samples, sampling_rate=self.sample_rate, return_tensors="pt", return_attention_mask=True,
            padding=True, pad_to_multiple_of=FRAME,
        )  # fmt: skip
        samples = features.input_values.to(base.device, base.dtype)
        frames, _ = base.model.encoder.embedder(samples, padding_mask=features.attention_mask.to(base.device))
        stem: torch.Tensor = frames[0]
        return stem

    def decode(self, base: Any, ids: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor, cache: Any) -> Any:
        """As every family's. transformers adds positions to `memory` in place, so that each row needs its own."""
        return super().decode(base, ids, memory.contiguous(), mask, cache)

    def encode(self, base: Any, stem: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The layers over padded stems, always with a mask: without one transformers drops the sliding windows.

        Restates transformers' MoonshineStreamingEncoder.forward from the layers on.
        """
        from transformers.masking_utils import create_bidirectional_mask
        from transformers.models.moonshine_streaming.modeling_moonshine_streaming import sliding_window_mask_function

        encoder = base.model.encoder
        hidden = stem
        for layer, window in zip(encoder.layers, encoder.config.sliding_windows, strict=True):
            attention_mask = create_bidirectional_mask(
                config=encoder.config,
                inputs_embeds=stem,
                attention_mask=mask,
                and_mask_function=sliding_window_mask_function(window),
            )
            hidden = layer(hidden, attention_mask=attention_mask)
        output: torch.Tensor = encoder.final_norm(hidden)
        return output

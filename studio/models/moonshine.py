"""Moonshine, the first version: tiny, base, their language variants, and the bundled starter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from studio.models.base import Clip
from studio.models.encoder_decoder import EncoderDecoder

if TYPE_CHECKING:
    import torch

LORA_TARGETS: Mapping[str, str] = MappingProxyType(
    {
        # the makers' recipe: it teaches how things are written (moonshine-ai/moonshine, domain-customization.md)
        "conventions": r".*\.decoder\.layers\.\d+\.self_attn\.[qkv]_proj",
        "voice": r".*\.decoder\.layers\.\d+\.(self_attn|encoder_attn)\.[qkvo]_proj",
        "deep": r".*\.(self_attn|encoder_attn)\.[qkvo]_proj",
        "full": r".*\.((self_attn|encoder_attn)\.[qkvo]_proj|mlp\.fc[12])",
    }
)


class Moonshine(EncoderDecoder):
    """Raw audio through three convolutions, with a GroupNorm over the whole clip, into encoder and decoder."""

    name = "moonshine"
    network = "MoonshineForConditionalGeneration"
    min_seconds = 895 / 16_000  # fewer samples leave the third convolution without input
    max_seconds = 30.0  # 194 positions hold 29.8 s at 6.5 tokens a second
    lora_targets = LORA_TARGETS
    below_adapters = r"(.*\.)?encoder\.(conv[123]|groupnorm)"

    def load(self, folder: Path, device: str, dtype: torch.dtype, language: str = "") -> tuple[torch.nn.Module, Any]:
        """The model in eval mode and its processor. Raises ModelError.

        The width of its heads is padded for a GPU's kernels; on a CPU that copies all keys and values for nothing.
        """
        model, processor = super().load(folder, device, dtype, language)
        if device == "cpu":
            modules: Any = model.modules()
            for module in modules:
                if hasattr(module, "head_dim_padding"):
                    module.head_dim_padding = 0
        return model, processor

    def stem(self, base: Any, processor: Any, clip: Clip) -> torch.Tensor:
        """Convolutions, 41.7 frames a second. Restates transformers' MoonshineEncoder.forward up to the layers."""
        from torch.nn.functional import gelu

        features = processor.feature_extractor(clip.samples, sampling_rate=self.sample_rate, return_tensors="pt")
        encoder = base.model.encoder
        hidden = encoder.conv1(features.input_values[:, None].to(base.device, base.dtype)).tanh()
        hidden = gelu(encoder.conv2(encoder.groupnorm(hidden)))
        frames: torch.Tensor = gelu(encoder.conv3(hidden))[0].T
        return frames

    def encode(self, base: Any, stem: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The layers over padded stems. Restates transformers' MoonshineEncoder.forward from the layers on."""
        import torch
        from transformers.masking_utils import create_bidirectional_mask

        encoder = base.model.encoder
        attention_mask = create_bidirectional_mask(
            config=encoder.config, inputs_embeds=stem, attention_mask=mask, encoder_hidden_states=stem
        )
        positions = torch.arange(stem.shape[1], device=stem.device)[None]
        embeddings = encoder.rotary_emb(stem, position_ids=positions)
        for layer in encoder.layers:
            stem = layer(stem, attention_mask=attention_mask, position_ids=positions, position_embeddings=embeddings)
        output: torch.Tensor = encoder.layer_norm(stem)
        return output

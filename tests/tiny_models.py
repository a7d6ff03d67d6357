"""Model folders with random weights at the true architectures, small enough for a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROPE = {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.9}
TEXTS = ("order number 1296803", "yes", "location code 4 0 7", "one two nine please hold")


def noise(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """Mono noise at 16 kHz, its loudness drifting so that frames differ."""
    generator = np.random.default_rng(seed)
    count = int(seconds * 16_000)
    loudness = 0.05 + 0.1 * np.abs(np.sin(np.arange(count) / 2000 + seed))
    return (generator.standard_normal(count) * loudness).astype(np.float32)


def moonshine(folder: Path, do_normalize: bool = False, **changes: Any) -> Path:
    """A folder with a moonshine of 2 + 2 layers of width 64, saved as the Hub's are."""
    from transformers import MoonshineConfig, MoonshineForConditionalGeneration

    config = MoonshineConfig(
        **{
            "vocab_size": 484,
            "hidden_size": 64,
            "intermediate_size": 128,
            "encoder_num_hidden_layers": 2,
            "decoder_num_hidden_layers": 2,
            "encoder_num_attention_heads": 4,
            "decoder_num_attention_heads": 4,
            "max_position_embeddings": 194,
            "pad_head_dim_to_multiple_of": 8,
            "pad_token_id": 2,
            "rope_parameters": ROPE,
            **changes,
        }
    )
    return _write(folder, MoonshineForConditionalGeneration(config), do_normalize)


def moonshine_streaming(folder: Path, **changes: Any) -> Path:
    """A folder with a streaming moonshine of 4 + 4 layers; encoder and decoder differ in width, as in small."""
    from transformers import MoonshineStreamingConfig, MoonshineStreamingForConditionalGeneration

    encoder = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": 16,
        "sliding_windows": [[16, 4], [16, 0], [16, 0], [16, 4]],
    }
    config = MoonshineStreamingConfig(
        **{
            "encoder_config": encoder,
            "vocab_size": 484,
            "hidden_size": 48,
            "intermediate_size": 96,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            **changes,
        }
    )
    return _write(folder, MoonshineStreamingForConditionalGeneration(config), do_normalize=False)


def _write(folder: Path, model: Any, do_normalize: bool) -> Path:
    import torch
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Processor

    from studio.starter.tokenizer import make_tokenizer

    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(folder)
    extractor = Wav2Vec2FeatureExtractor(
        feature_size=1, sampling_rate=16_000, padding_value=0.0, do_normalize=do_normalize, return_attention_mask=True
    )
    Wav2Vec2Processor(feature_extractor=extractor, tokenizer=make_tokenizer()).save_pretrained(folder)
    return folder

"""Models of the true shapes with random weights, and clips of noise to train and read them on: nothing is downloaded.

What a step costs does not depend on what the weights say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from studio.models import Clip

SAMPLE_RATE = 16_000
WORDS = 32_768  # in the vocabulary, special tokens among them
SPECIAL = 4  # of them stand first
WORDS_PER_SECOND = 2.5
SHAPES = ("tiny", "streaming-tiny", "streaming-medium")
_STREAMING = {  # encoder width, inner width, layers, heads, head width; decoder width, inner width
    "streaming-tiny": (320, 1280, 6, 8, 40, 320, 1280),
    "streaming-medium": (768, 3072, 14, 10, 64, 640, 2560),
}


def write_model(folder: Path, shape: str) -> Path:
    """A model folder of `shape`, as `studio.models.load` takes it: 27 M, 27 M or 245 M parameters."""
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    network = _moonshine() if shape == "tiny" else _streaming(shape)
    network.save_pretrained(folder)
    _processor(network.config.pad_token_id).save_pretrained(folder)
    return folder


def clips(count: int, seconds: float = 6.0, seed: int = 0, in_groups_of: int = 1) -> list[Clip]:
    """Noise of 2 to 12 s, `seconds` on the average, and texts of random words at the pace of speech.

    `in_groups_of` neighbours are equally long, so that a batch of theirs needs no padding. The samples are whole
    steps of 16 bits, as from a sound file.
    """
    numbers = np.random.default_rng(seed)
    lengths = np.clip(numbers.lognormal(0, 0.45, math.ceil(count / in_groups_of)), 0.3, 2.2)
    lengths = np.clip(np.repeat(lengths * seconds / lengths.mean(), in_groups_of)[:count], 2, 12)
    return [clip_of(length, place + seed) for place, length in enumerate(lengths)]


def clip_of(seconds: float, seed: int = 0) -> Clip:
    """One clip, a whole number of 5 ms frames long."""
    numbers = np.random.default_rng(seed)
    noise = np.round(numbers.standard_normal(int(seconds * SAMPLE_RATE) // 80 * 80) * 1000) / 32_768
    words = numbers.integers(SPECIAL, WORDS, round(seconds * WORDS_PER_SECOND))
    return Clip(noise.astype(np.float32), " ".join(map(_word, words)), f"clip-{seed:05}")


def seconds_of(found: Sequence[Clip]) -> float:
    """Of audio."""
    return sum(len(clip.samples) for clip in found) / SAMPLE_RATE


def _moonshine() -> Any:
    from transformers import MoonshineConfig, MoonshineForConditionalGeneration

    rope = {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.9}
    return MoonshineForConditionalGeneration(
        MoonshineConfig(
            vocab_size=WORDS, hidden_size=288, intermediate_size=1152, encoder_num_hidden_layers=6,
            decoder_num_hidden_layers=6, max_position_embeddings=194, pad_head_dim_to_multiple_of=8, pad_token_id=2,
            rope_parameters=rope,
        )
    )  # fmt: skip


def _streaming(shape: str) -> Any:
    from transformers import MoonshineStreamingConfig, MoonshineStreamingForConditionalGeneration

    width, inner, layers, heads, head, decoder_width, decoder_inner = _STREAMING[shape]
    windows = [[16, 4]] * 2 + [[16, 0]] * (layers - 4) + [[16, 4]] * 2
    encoder = {
        "hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": heads, "head_dim": head, "sliding_windows": windows,
    }  # fmt: skip
    return MoonshineStreamingForConditionalGeneration(
        MoonshineStreamingConfig(
            encoder_config=encoder, vocab_size=WORDS, hidden_size=decoder_width, intermediate_size=decoder_inner,
            num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=heads, decoder_start_token_id=1,
            pad_token_id=0,
        )
    )  # fmt: skip


def _word(place: int) -> str:
    """No word begins with a special token's name, or it would be taken for that token."""
    return f"<{place}>" if place < SPECIAL else f"t{place}"


def _processor(pad: int) -> Any:
    """A vocabulary in which each word is one token."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

    words = Tokenizer(models.WordLevel({_word(place): place for place in range(WORDS)}, unk_token=_word(3)))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token=_word(1), eos_token=_word(2), pad_token=_word(pad), unk_token=_word(3)
    )
    extractor = Wav2Vec2FeatureExtractor(
        feature_size=1, sampling_rate=SAMPLE_RATE, padding_value=0.0, do_normalize=False, return_attention_mask=True
    )
    return Wav2Vec2Processor(feature_extractor=extractor, tokenizer=tokenizer)

"""Model folders with random weights at the true architectures, small enough for a test."""

from __future__ import annotations

import json
from collections.abc import Mapping
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


LANGUAGES = ("en", "de")
_WHISPER_TASKS = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")


def whisper(folder: Path, multilingual: bool = False, std: float = 0.3, **changes: Any) -> Path:
    """A folder with a Whisper of 2 + 2 layers of width 64, which hears 30 s, and the settings that the Hub's have."""
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
    )

    tokenizer = _whisper_tokenizer()
    ids = tokenizer.get_vocab()
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    special = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start}
    shape = dict.fromkeys(("encoder_layers", "decoder_layers"), 2)
    shape |= dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4)
    shape |= dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 128)
    config = {"vocab_size": len(ids), "d_model": 64, **shape, **special, "begin_suppress_tokens": None, **changes}
    model = WhisperForConditionalGeneration(WhisperConfig(**config))
    languages = {
        "lang_to_id": {f"<|{language}|>": ids[f"<|{language}|>"] for language in LANGUAGES},
        "task_to_id": {task: ids[f"<|{task}|>"] for task in ("transcribe", "translate")},
        "forced_decoder_ids": [[1, None], [2, ids["<|transcribe|>"]]],
    }
    english = {"forced_decoder_ids": [[1, ids["<|notimestamps|>"]]]}
    model.generation_config = GenerationConfig(
        **special,
        **(languages if multilingual else english),
        is_multilingual=multilingual,
        no_timestamps_token_id=ids["<|notimestamps|>"],
        suppress_tokens=[ids[token] for token in ("(", "[", "<|translate|>", "<|startoftranscript|>")],
        begin_suppress_tokens=[ids["Ġ"], end],
        max_length=448,
    )
    _scatter(model, std)
    model.save_pretrained(folder)
    WhisperProcessor(feature_extractor=WhisperFeatureExtractor(), tokenizer=tokenizer).save_pretrained(folder)
    return folder


def _whisper_tokenizer() -> Any:
    """Bytes and a few merges, with Whisper's special tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import WhisperTokenizer

    bytes_only = Tokenizer(models.BPE())
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    bytes_only.train_from_iterator([f" {text}" for text in TEXTS], trainer)
    learnt = json.loads(bytes_only.to_str())["model"]
    tokenizer: Any = WhisperTokenizer(vocab=learnt["vocab"], merges=[tuple(pair) for pair in learnt["merges"]])
    names = ("startoftranscript", *LANGUAGES, *_WHISPER_TASKS)
    tokenizer.add_special_tokens({"extra_special_tokens": [f"<|{name}|>" for name in names]})
    return tokenizer


def kyutai(
    folder: Path, delay: float = 0.5, codec: Mapping[str, Any] | None = None, dtype: Any = None, **changes: Any
) -> Path:
    """A folder with a Kyutai speech to text of 2 layers of width 64, four codebooks, and a codec of width 32.

    `codec` has the codec's settings; all but the codec is saved in `dtype`.
    """
    import torch
    from transformers import (
        AutoModel,
        KyutaiSpeechToTextConfig,
        KyutaiSpeechToTextFeatureExtractor,
        KyutaiSpeechToTextForConditionalGeneration,
        KyutaiSpeechToTextProcessor,
        MimiConfig,
    )

    from studio.starter.recipe.tokenizer import make_tokenizer

    tokenizer = make_tokenizer()  # unk is 0 and pad 3, as in Kyutai's
    text, codes, books = len(tokenizer) + 1, 65, 4
    shape = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64, "num_codebooks": books}
    special = {"bos_token_id": text - 1, "pad_token_id": 3, "audio_bos_token_id": codes - 1}
    config = KyutaiSpeechToTextConfig(
        **{
            "vocab_size": text, "codebook_vocab_size": codes, "ffn_dim": 128, "max_position_embeddings": 750,
            "audio_pad_token_id": text + books * codes, "sliding_window": 375,
            "codec_config": MimiConfig(**(_MIMI if codec is None else codec)).to_dict(), **shape, **special, **changes,
        }
    )  # fmt: skip
    model = KyutaiSpeechToTextForConditionalGeneration(config)
    torch.manual_seed(0)  # a codec that tells the words of `timed` apart, as not every random one does
    model.codec_model.load_state_dict(AutoModel.from_config(config.codec_config).state_dict())
    _scatter_streams(model)
    if dtype:
        model.model.to(dtype), model.lm_head.to(dtype)
    model.generation_config.audio_window_size = None  # else transformers' generate hears the first frame twice
    model.save_pretrained(folder)
    extractor = KyutaiSpeechToTextFeatureExtractor(audio_delay_seconds=delay, audio_silence_prefix_seconds=0.0)
    KyutaiSpeechToTextProcessor(extractor, tokenizer).save_pretrained(folder)
    return folder


_MIMI = {
    "hidden_size": 32, "num_filters": 4, "codebook_size": 64, "codebook_dim": 16, "num_quantizers": 4,
    "vector_quantization_hidden_dimension": 16, "num_semantic_quantizers": 1, "upsample_groups": 32,
    "num_hidden_layers": 2, "intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 4,
}  # fmt: skip


def _scatter_streams(model: Any) -> None:
    """As `_scatter`, and codebooks whose entries differ, so that sounds have different codes."""
    import torch

    codec, model.codec_model = model.codec_model, None
    _scatter(model, 0.08)
    model.codec_model = codec
    torch.manual_seed(0)
    for name, buffer in codec.named_buffers():
        if name.endswith("embed_sum"):
            torch.nn.init.normal_(buffer, std=0.05)
        if name.endswith("cluster_usage"):
            buffer.fill_(1.0)


def _scatter(model: Any, std: float = 0.1) -> None:
    """Give the weights a spread at which a random model writes different texts for different clips."""
    import torch

    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=std)


def _write(folder: Path, model: Any, do_normalize: bool) -> Path:
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Processor

    from studio.starter.recipe.tokenizer import make_tokenizer

    _scatter(model)
    model.save_pretrained(folder)
    extractor = Wav2Vec2FeatureExtractor(
        feature_size=1, sampling_rate=16_000, padding_value=0.0, do_normalize=do_normalize, return_attention_mask=True
    )
    Wav2Vec2Processor(feature_extractor=extractor, tokenizer=make_tokenizer()).save_pretrained(folder)
    return folder


_SPECIAL = ["<pad>", "<bos>", "<end>"]


def _bytes() -> Any:
    """A tokenizer of bytes, as SmolLM2's."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    written = Tokenizer(models.BPE())
    written.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    written.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=alphabet, special_tokens=_SPECIAL, show_progress=False
    )
    written.train_from_iterator([f" {text}" for text in TEXTS], trainer)
    return written


def _pieces() -> Any:
    """A tokenizer of letters, in which a space is one and others become bytes, as Gemma's."""
    from tokenizers import Tokenizer, decoders, models, normalizers, trainers

    learnt = Tokenizer(models.BPE())
    learnt.normalizer = normalizers.Replace(" ", "▁")
    learnt.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=150, show_progress=False))
    model = json.loads(learnt.to_str())["model"]
    found = [*_SPECIAL, "<unk>", *(f"<0x{number:02X}>" for number in range(256)), *model["vocab"]]
    vocabulary, pairs = {text: number for number, text in enumerate(found)}, [tuple(pair) for pair in model["merges"]]
    written = Tokenizer(models.BPE(vocabulary, pairs, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    written.normalizer = learnt.normalizer
    written.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    written.add_special_tokens(_SPECIAL)
    return written


def causal_lm(folder: Path, family: str = "llama", **changes: Any) -> Path:
    """A folder with a language model of 2 layers of width 64 and a tokenizer as SmolLM2, Qwen3 or Gemma 3."""
    import transformers

    settings, network = {
        "llama": ("LlamaConfig", "LlamaForCausalLM"),
        "qwen2": ("Qwen2Config", "Qwen2ForCausalLM"),
        "qwen3": ("Qwen3Config", "Qwen3ForCausalLM"),
        "gemma3_text": ("Gemma3TextConfig", "Gemma3ForCausalLM"),
    }[family]
    unknown = {"unk_token": "<end>"} if family == "qwen2" else {}  # else its class adds a token of its own
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=_pieces() if family == "gemma3_text" else _bytes(),
        pad_token="<pad>", eos_token="<end>", bos_token="<bos>", **unknown,
    )  # fmt: skip
    shape = {
        "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 256,
        "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": True,
    }  # fmt: skip
    if family == "gemma3_text":
        shape["query_pre_attn_scalar"] = shape["head_dim"]
    model = getattr(transformers, network)(getattr(transformers, settings)(**shape | changes))
    _scatter(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder

"""Memory: how much a run will need at its peak, before it starts; and how to trade time for it.

The estimate is a sum, made from config.json and the length of the clips without loading anything. Its factors were
fitted to what PyTorch 2.13 keeps for the gradients and to the peaks of whole runs on a CPU (starter, Moonshine tiny,
streaming medium, Whisper tiny and small). It lies above these by up to a fifth; by more where the longest clips never
meet in one batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from studio.config import AUTO, MIXED, TrainConfig
from studio.errors import ConfigError, ModelError
from studio.models.base import Recogniser
from studio.models.catalogue import locate, stored_numbers
from studio.models.causal_lm import memory as typing_memory
from studio.models.claims import check_model, read_object
from studio.models.encoder_decoder import SMALL_VOCABULARY, SPELLED_TOKENS_PER_SECOND, EncoderDecoder, base_of
from studio.models.kyutai import memory as kyutai_memory
from studio.models.layers import matching
from studio.models.memory_parts import Parts
from studio.models.on_paper import tokenizer
from studio.models.registry import family_of
from studio.models.targets import pattern_of
from studio.models.whisper import SILENCE_AFTER, Whisper
from studio.models.word_times import LearnsFromWordTimes

# The reentrant kind silently loses gradients where a layer's input needs none.
_KIND = {"use_reentrant": False}

_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "moonshine": "hidden_size intermediate_size encoder_num_hidden_layers "
        "hidden_size intermediate_size decoder_num_hidden_layers",
        "moonshine_streaming": "encoder_config.hidden_size encoder_config.intermediate_size "
        "encoder_config.num_hidden_layers hidden_size intermediate_size num_hidden_layers",
        "whisper": "d_model encoder_ffn_dim encoder_layers d_model decoder_ffn_dim decoder_layers",
    }
)
"""Where a family's config.json has width, inner width and layers, of the encoder and of the decoder."""
_FRAMES: Mapping[str, float] = MappingProxyType({"moonshine": 16_000 / 384, "moonshine_streaming": 50, "whisper": 50})
"""Frames a second."""

_PROCESS = 600_000_000  # bytes: Python with PyTorch, transformers and peft, on a CPU
_READ_AT_ONCE = 8  # clips decoded together, as studio.evaluation.evaluate does: their cross-attention is cached
_HALVED = frozenset({"bf16", "fp16"})  # precisions in which the whole base model is half as large
_COPIED = 1.5  # of the weights: mixed precision, which “auto” may choose on a CPU, has a copy of them in bf16
_KEPT_HALVED = 0.75  # of what is kept for the gradients: an adapter computes in fp32
_SLACK = 1.4  # gradients on their way back, and what the allocator cannot use again
# Numbers kept for the gradient, in widths, for each frame or token and layer:
_ATTENTION, _CROSS_ATTENTION = 15.5, 10.5
_HEARD, _HEARD_ADAPTED = 2.0, 4.4  # keys and values of a frame; and the inputs of their adapters
_MLP_WIDTHS, _MLP_INNER = 1.25, 2.25  # where the MLP is adapted, besides the one inner width that is always kept
_WITHOUT_DROPOUT = 0.65  # of all that: dropout keeps a copy for each adapter
_LOOKED_AT = 8  # labels whose tokens are counted: the most characters do not always make the most tokens
_READ = 10_000  # characters of each: beyond it no decoder has positions
_ENCODED_ONCE = 0.25  # of the operations, where no layer of the encoder is adapted and its output is kept
_LOGITS = 2  # copies of the vocabulary's logits, in fp32


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes at the peak of a run."""

    process: int  # Python and its libraries; 0 where the memory is a CUDA device's own
    weights: int
    loading: int  # for a moment: the file, where its numbers are converted
    adapter: int  # with its gradients and AdamW's moments
    clips: int  # on the disk: what is computed once a clip
    reading: int  # the cache of clips that are decoded together
    activations: int  # of the largest batch there can be

    @property
    def total(self) -> int:
        training = self.adapter + self.reading + self.activations
        return self.process + self.weights + max(self.loading, training)

    def as_text(self, free: int | None) -> str:
        """What a person should know of it, where `free` bytes are free, if that is known."""
        parts = {"weights": self.weights, "one batch": self.activations}
        named = ", ".join(f"{size / 1e9:.1f} GB for {name}" for name, size in parts.items() if size >= 5e7)
        text = f"Memory: about {self.total / 1e9:.1f} GB at the peak{f' ({named})' if named else ''}"
        text += f", and up to {self.clips / 1e9:.1f} GB on the disk for the clips" if self.clips >= 5e7 else ""
        if free is None:
            return f"{text}."
        if self.total <= free:
            return f"{text}; {free / 1e9:.1f} GB are free."
        return (
            f"{text}, but only {free / 1e9:.1f} GB are free. Halve the batch size and double the accumulation (the "
            "result stays the same), turn on gradient checkpointing, or choose targets in the decoder alone."
        )


@dataclass(frozen=True, slots=True)
class _Side:
    """Encoder or decoder: its size, and which of its layers are adapted."""

    width: int
    inner: int
    layers: int
    adapted: frozenset[str]  # "self_attn.q_proj", …, "fc1"

    @property
    def has_mlp(self) -> bool:
        return bool(self.adapted & {"fc1", "fc2"})

    def kept(self, attention: float) -> float:
        """Numbers for one frame or token in one layer."""
        mlp = _MLP_WIDTHS * self.width + _MLP_INNER * self.inner if self.has_mlp else 0
        return attention * self.width + self.inner + mlp

    def adapter(self, rank: int) -> int:
        """Parameters of the adapters in all layers."""
        inputs_and_outputs = (
            self.width + (self.inner if name.startswith("fc") else self.width) for name in self.adapted
        )
        return int(rank * self.layers * sum(inputs_and_outputs))


def estimate(
    config: TrainConfig, seconds: Sequence[float], device: str = "cpu", texts: Sequence[str] = ()
) -> MemoryEstimate | None:
    """What a run by `config` on clips of `seconds` needs at most, for a page or a terminal: it takes milliseconds.

    `texts` are their labels: one that is longer than its sound can be said counts too. None where that cannot be known:
    the model is not on this disk, or its family's size is not known.
    """
    try:
        folder = locate(config.model)
        family = family_of(folder)
        check_model(folder)
        settings = read_object(folder / "config.json")
        if isinstance(family, LearnsFromWordTimes) and seconds:
            return _of_parts(kyutai_memory.parts(config, seconds, folder, family, _READ_AT_ONCE), device)
        if family.kind == "typing" and texts:
            copied = _COPIED if _may_be_mixed(config, device) else 1
            return _of_parts(typing_memory.parts(config, _longest(folder, texts), folder, family, copied), device)
        if not isinstance(family, EncoderDecoder) or family.name not in _KEYS or not seconds:
            return None
        encoder, decoder = _sides(family, settings, config.targets)
        tokens = _tokens(family, settings, max(seconds), _longest(folder, texts))
    except (ModelError, KeyError, TypeError, ValueError):
        return None
    number, frames = 2 if config.precision in _HALVED else 4, _frames(config, family, max(seconds))
    heard = sum(_frames(config, family, length) for length in seconds)
    return MemoryEstimate(
        process=0 if device.startswith("cuda") else _PROCESS,
        weights=round(stored_numbers(folder) * number * (_COPIED if _may_be_mixed(config, device) else 1)),
        loading=stored_numbers(folder) * 4 if config.precision in _HALVED and not device.startswith("cuda") else 0,
        adapter=16 * (encoder.adapter(config.rank) + decoder.adapter(config.rank)),  # fp32: value, gradient, 2 moments
        clips=heard * encoder.width * number,
        reading=min(len(seconds), _READ_AT_ONCE) * frames * decoder.layers * 2 * decoder.width * number,
        activations=_activations(config, encoder, decoder, frames, tokens, settings),
    )


def recompute_activations(recogniser: Recogniser) -> None:
    """Make each layer forget its activations and compute them again for the gradients, which stay the same.

    Also called gradient checkpointing. Raises ConfigError where the network cannot do it.
    """
    base = base_of(recogniser.model)
    if hasattr(base, "activation_checkpointing_enable"):
        base.activation_checkpointing_enable(_KIND)
    elif hasattr(base, "gradient_checkpointing_enable"):  # the name before transformers 5.2x
        base.gradient_checkpointing_enable(_KIND)
    else:
        raise ConfigError(f"{recogniser.source} cannot recompute activations.", "Turn gradient checkpointing off.")


def _activations(
    config: TrainConfig, encoder: _Side, decoder: _Side, frames: int, tokens: int, settings: Mapping[str, Any]
) -> int:
    """Bytes that a batch of the longest clips keeps for its gradients, and those on their way back."""
    heard = _HEARD_ADAPTED if decoder.adapted & {"encoder_attn.k_proj", "encoder_attn.v_proj"} else _HEARD
    in_encoder = frames * encoder.kept(_ATTENTION) if encoder.adapted else 0.0
    in_decoder = tokens * decoder.kept(_ATTENTION + _CROSS_ATTENTION) + frames * heard * decoder.width
    if config.gradient_checkpointing:  # the inputs of all layers, and the whole of the one that is computed again
        inputs = bool(encoder.adapted) * encoder.layers * frames * encoder.width
        kept = inputs + decoder.layers * tokens * decoder.width + max(in_encoder, in_decoder)
    else:
        kept = encoder.layers * in_encoder + decoder.layers * in_decoder
    kept *= (1.0 if config.dropout else _WITHOUT_DROPOUT) * (4 * _KEPT_HALVED if config.precision in _HALVED else 4)
    logits = _LOGITS * tokens * int(settings["vocab_size"]) * 4
    return round(_SLACK * config.batch_size * (kept + logits))


def operations_for_a_clip(config: TrainConfig, seconds: Sequence[float], texts: Sequence[str] = ()) -> float | None:
    """About how many operations it takes to learn once from a clip of the mean length of `seconds`.

    Twice the model's numbers for each frame: the encoder is a third of them and is run forth and back; a few tokens run
    through the rest. Of a pair the tokens of its text count. None as for `estimate`.
    """
    try:
        folder = locate(config.model)
        family, settings = family_of(folder), read_object(folder / "config.json")
        if isinstance(family, LearnsFromWordTimes) and seconds:
            return kyutai_memory.operations(config, seconds, folder)
        if family.kind == "typing" and texts:
            return typing_memory.operations(config, _longest(folder, [_middle(texts)]), folder)
        if not isinstance(family, EncoderDecoder) or family.name not in _KEYS or not seconds:
            return None
        encoder, _ = _sides(family, settings, config.targets)
    except (ModelError, KeyError, TypeError, ValueError):
        return None
    frames = sum(_frames(config, family, length) for length in seconds) / len(seconds)
    return 2.0 * stored_numbers(folder) * frames * (1 if encoder.adapted else _ENCODED_ONCE)


def _of_parts(parts: Parts, device: str) -> MemoryEstimate:
    return MemoryEstimate(process=0 if device.startswith("cuda") else _PROCESS, **asdict(parts))


def _may_be_mixed(config: TrainConfig, device: str) -> bool:
    return config.precision == MIXED or (config.precision == AUTO and not device.startswith(("cuda", "mps")))


def layer_widths(model: str) -> tuple[int, int] | None:
    """Width and inner width of the encoder's layers of `model`; None where they cannot be known, as in `estimate`."""
    try:
        folder = locate(model)
        family, settings = family_of(folder), read_object(folder / "config.json")
        width, inner, *_ = (_looked_up(settings, key) for key in _KEYS[family.name].split())
    except (ModelError, KeyError, TypeError, ValueError):
        return None
    return width, inner


def _sides(family: EncoderDecoder, settings: Mapping[str, Any], targets: str) -> tuple[_Side, _Side]:
    pattern = pattern_of(family, targets)
    width, inner, layers, *of_decoder = (_looked_up(settings, key) for key in _KEYS[family.name].split())
    encoder = _Side(width, inner, layers, _adapted(pattern, "encoder"))
    width, inner, layers = of_decoder
    return encoder, _Side(width, inner, layers, _adapted(pattern, "decoder"))


def _adapted(pattern: str, side: str) -> frozenset[str]:
    """The layers of one block that `pattern` adapts. Raises ValueError where it is not a regular expression."""
    blocks = ("self_attn", "encoder_attn") if side == "decoder" else ("self_attn",)
    names = [f"{block}.{part}_proj" for block in blocks for part in ("q", "k", "v", "o", "out")]
    names += [f"{place}{layer}" for place in ("mlp.", "") for layer in ("fc1", "fc2")]
    start = f"model.{side}.layers.0."
    found = [name.removeprefix(start) for name in matching([pattern], [start + name for name in names])]
    return frozenset(name.removeprefix("mlp.").replace("out_proj", "o_proj") for name in found)


def _looked_up(settings: Mapping[str, Any], key: str) -> int:
    value: Any = settings
    for part in key.split("."):
        value = value[part]
    return int(value)


def _frames(config: TrainConfig, family: EncoderDecoder, seconds: float) -> int:
    if isinstance(family, Whisper):
        seconds = min(family.max_seconds, seconds + SILENCE_AFTER) if config.short_frames else family.max_seconds
    return round(_FRAMES[family.name] * seconds)


def _tokens(family: EncoderDecoder, settings: Mapping[str, Any], seconds: float, longest: int) -> int:
    """As many as decoding allows, or as the `longest` label has, up to those that the decoder has positions for."""
    spells = settings["vocab_size"] < SMALL_VOCABULARY
    allowed = round(seconds * (SPELLED_TOKENS_PER_SECOND if spells else family.tokens_per_second))
    return max(allowed, min(longest, int(settings[family.positions])))


def _middle(texts: Sequence[str]) -> str:
    """A text than which half of them are longer."""
    return sorted(texts, key=len)[len(texts) // 2]


def _longest(folder: Path, texts: Sequence[str]) -> int:
    """Tokens of the longest of `texts`: of the few with the most bytes."""
    if not texts or not (folder / "tokenizer.json").is_file():
        return 0
    written = tokenizer(folder / "tokenizer.json")
    return max(len(written.encode(text[:_READ])) for text in sorted(texts, key=len)[-_LOOKED_AT:])

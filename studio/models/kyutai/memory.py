"""How much memory a run of a Kyutai model needs at its peak, and how many operations it takes.

As `studio.models.memory`, whose figures these become: a sum made from config.json, the names and shapes of the weights
and the longest clip, without loading anything. Measured on the 1B shape on a CPU (`tests.benchmarks.kyutai`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from studio.config import TrainConfig
from studio.models.base import Family
from studio.models.catalogue import WEIGHTS
from studio.models.claims import header, read_object
from studio.models.layers import matching
from studio.models.memory_parts import Parts
from studio.models.targets import pattern_of

CODEC = "codec_model."  # what the names of its weights begin with
FRAME_RATE = 12.5  # Hz
USUAL_DELAY = 0.5  # seconds, where the folder does not say it
_CODE = 2  # bytes of a code in the cache of clips
# Numbers kept for the gradients of a frame in one layer, besides the adapters' inputs:
_WIDTHS, _INNERS = 12.0, 2.5
_LOGITS = 3  # copies of the vocabulary's logits, in fp32


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a folder says of its network."""

    width: int
    inner: int  # of the MLP's two halves together
    layers: int
    books: int
    vocabulary: int
    network: int  # numbers, but for the codec's
    codec: int
    table: int  # numbers of `network` in tables, which are looked up and not multiplied
    delay: float  # seconds
    silence_before: float  # seconds

    @classmethod
    def of(cls, folder: Path) -> Self:
        """By the files in `folder`. Raises ModelError, KeyError, TypeError, ValueError."""
        config, processor = read_object(folder / "config.json"), _processor(folder)
        shapes = header(folder / WEIGHTS[0])
        numbers = {name: math.prod(shape) for name, shape in shapes.items()}
        return cls(
            width=int(config["hidden_size"]),
            inner=int(config["ffn_dim"]),
            layers=int(config["num_hidden_layers"]),
            books=int(config["num_codebooks"]),
            vocabulary=int(config["vocab_size"]),
            network=sum(size for name, size in numbers.items() if not name.startswith(CODEC)),
            codec=sum(size for name, size in numbers.items() if name.startswith(CODEC)),
            table=sum(size for name, size in numbers.items() if "embed_tokens" in name),
            delay=float(processor.get("audio_delay_seconds") or USUAL_DELAY),
            silence_before=float(processor.get("audio_silence_prefix_seconds") or 0),
        )

    def frames(self, seconds: float) -> int:
        """Of a clip, and of the silence around it."""
        return math.ceil((seconds + self.silence_before + self.delay + 1) * FRAME_RATE)

    def adapters(self, config: TrainConfig, family: Family) -> list[tuple[int, int]]:
        """(numbers in, numbers out) of each layer of one block that is adapted."""
        sides = {f"self_attn.{part}_proj.linear": (self.width, self.width) for part in "qkvo"}
        sides |= {"mlp.fc1": (self.width, self.inner), "mlp.fc2": (self.inner // 2, self.width)}
        start = "model.layers.0."
        found = matching([pattern_of(family, config.targets)], [start + name for name in sides])
        return [sides[name.removeprefix(start)] for name in found]


def parts(config: TrainConfig, seconds: Sequence[float], folder: Path, family: Family, at_once: int) -> Parts:
    """The memory of a run by `config` on clips of `seconds`, of which `at_once` are transcribed together."""
    sizes = Sizes.of(folder)
    number = 2 if config.precision in ("bf16", "fp16") else 4
    frames = sizes.frames(max(seconds))
    adapters = sizes.adapters(config, family)
    trained = config.rank * sizes.layers * sum(inner + outer for inner, outer in adapters)
    trained += sizes.table if config.train_embeddings else 0
    return Parts(
        weights=sizes.network * number + sizes.codec * 4,
        loading=0,  # the file is mapped, and each weight converted by itself
        adapter=16 * trained,  # fp32: value, gradient, two moments
        clips=sum(sizes.frames(length) for length in seconds) * sizes.books * _CODE,
        reading=min(len(seconds), at_once) * frames * sizes.layers * 2 * sizes.width * number,
        # or of a checkpoint while it is written: a copy of the adapter and of both moments
        activations=max(_activations(config, sizes, frames, adapters), 12 * trained),
    )


def operations(config: TrainConfig, seconds: Sequence[float], folder: Path) -> float:
    """About how many operations it takes to learn once from a clip of the mean length of `seconds`.

    Two for each number and frame on the way forth, two on the way back, and two to recompute.
    """
    sizes = Sizes.of(folder)
    frames = sum(sizes.frames(length) for length in seconds) / len(seconds)
    return (6.0 if config.gradient_checkpointing else 4.0) * (sizes.network - sizes.table) * frames


def _activations(config: TrainConfig, sizes: Sizes, frames: int, adapters: Sequence[tuple[int, int]]) -> int:
    """Bytes that a batch of the longest clips keeps for its gradients, at the worst moment."""
    number = 2 if config.precision in ("bf16", "fp16") else 4
    block = number * (_WIDTHS * sizes.width + _INNERS * sizes.inner)
    block += 4 * sum(inner + outer for inner, outer in adapters)  # what an adapter is given and gives, in fp32
    blocks = block + sizes.layers * sizes.width * number if config.gradient_checkpointing else block * sizes.layers
    return round(config.batch_size * frames * (blocks + _LOGITS * sizes.vocabulary * 4))


def _processor(folder: Path) -> Mapping[str, Any]:
    """The settings of the feature extractor, in whichever file they are; empty where there is none."""
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (folder / name).is_file():
            found = read_object(folder / name)
            inner = found.get("feature_extractor", found)
            return inner if isinstance(inner, dict) else {}
    return {}

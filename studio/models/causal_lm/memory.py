"""How much memory a run of a language model needs at its peak, and how many operations it takes.

As `studio.models.memory`, whose figures these become: a sum made from config.json, the adapted layers and the longest
text, without loading anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from studio.config import TrainConfig
from studio.models.base import Family
from studio.models.catalogue import stored_numbers
from studio.models.claims import read_object
from studio.models.layers import matching
from studio.models.memory_parts import Parts
from studio.models.targets import pattern_of

SIDES = 2  # what was typed, and the answer: about as long
_TEMPLATE = 12  # tokens around both
# Numbers kept for the gradients of a token in one layer, besides the adapters' inputs:
_WIDTHS, _INNERS = 10.0, 3.0
_LOGITS = 3  # copies of the vocabulary's logits of the answer, in fp32


@dataclass(frozen=True, slots=True)
class Sizes:
    """What config.json says of a network."""

    width: int
    inner: int
    layers: int
    queries: int  # numbers of all heads together
    keys: int
    vocabulary: int

    @classmethod
    def of(cls, folder: Path) -> Self:
        """By config.json in `folder`. Raises ModelError, KeyError, TypeError, ValueError."""
        config: Mapping[str, Any] = read_object(folder / "config.json")
        width, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        each = int(config.get("head_dim") or width // heads)
        return cls(
            width=width,
            inner=int(config["intermediate_size"]),
            layers=int(config["num_hidden_layers"]),
            queries=heads * each,
            keys=int(config.get("num_key_value_heads") or heads) * each,
            vocabulary=int(config["vocab_size"]),
        )

    def adapters(self, config: TrainConfig, family: Family) -> list[tuple[int, int]]:
        """(numbers in, numbers out) of each layer of one block that is adapted."""
        sides = {"q": (self.width, self.queries), "k": (self.width, self.keys), "v": (self.width, self.keys)}
        sides |= {"o": (self.queries, self.width)}
        named = {f"self_attn.{name}_proj": shape for name, shape in sides.items()}
        named |= {f"mlp.{name}_proj": (self.width, self.inner) for name in ("gate", "up")}
        named["mlp.down_proj"] = (self.inner, self.width)
        start = "model.layers.0."
        found = matching([pattern_of(family, config.targets)], [start + name for name in named])
        return [named[name.removeprefix(start)] for name in found]


def parts(config: TrainConfig, longest: int, folder: Path, family: Family, copied: float) -> Parts:
    """The memory of a run by `config` on pairs of which the `longest` answer has so many tokens.

    `copied` says how much of the weights mixed precision keeps besides.
    """
    sizes = Sizes.of(folder)
    number = 2 if config.precision in ("bf16", "fp16") else 4
    adapters = sizes.adapters(config, family)
    trained = config.rank * sizes.layers * sum(inner + outer for inner, outer in adapters)
    tokens = SIDES * longest + _TEMPLATE
    block = tokens * (number * (_WIDTHS * sizes.width + _INNERS * sizes.inner) + 4 * sum(map(sum, adapters)))
    blocks = (
        block + sizes.layers * tokens * sizes.width * number if config.gradient_checkpointing else block * sizes.layers
    )
    return Parts(
        weights=round(stored_numbers(folder) * number * copied),
        loading=0,  # the file is mapped, and each weight converted by itself
        adapter=16 * trained,  # fp32: value, gradient, two moments
        clips=0,
        reading=tokens * sizes.layers * 2 * sizes.keys * number,  # one by one
        activations=round(config.batch_size * (blocks + _LOGITS * longest * sizes.vocabulary * 4)),
    )


def operations(config: TrainConfig, mean: float, folder: Path) -> float:
    """About how many operations it takes to learn once from a pair whose answer has `mean` tokens.

    Two for each number and token on the way forth, two on the way back, and two to recompute.
    """
    return (6.0 if config.gradient_checkpointing else 4.0) * stored_numbers(folder) * (SIDES * mean + _TEMPLATE)

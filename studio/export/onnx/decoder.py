"""What the decoders of Moonshine and Whisper share as one graph: the first token and all later ones.

The inputs are those of Hugging Face's merged decoders, in their order, which sherpa-onnx goes by. Two ways of asking
for the first token are known: nothing in the cache (transformers.js), or something of length 1 that is to be ignored
(Moonshine's own runtime). `use_cache_branch` tells them from a later token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np

from studio.export.onnx.graph import INTEGER, Graph, Heads

PARTS = tuple(".".join(parts) for parts in product(("decoder", "encoder"), ("key", "value")))

Pair = tuple[str, str]  # keys and values (batch, heads, tokens, width of a head), as their names in the graph


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of a decoder: layers, heads, the width of the hidden states, and the number of tokens it knows."""

    layers: int
    heads: Heads
    width: int
    vocabulary: int


class Memory(Protocol):
    """What a layer's attention looks back at."""

    def grown(self, graph: Graph, layer: int, new: Pair) -> Pair:
        """Keys and values of all tokens so far: those before, and the `new` ones."""
        ...

    def heard(self, graph: Graph, layer: int, query: str) -> str:
        """What `query` takes from the encoder's output: (batch, tokens, width)."""
        ...


def merged(graph: Graph, sizes: Sizes, layers: Callable[[Graph, str, str, Memory], str], cross: str) -> Graph:
    """The graph of a decoder. `layers` gives the logits for ids, of which so many are behind: (graph, ids, how many).

    `cross` is the name of a layer's attention to the encoder's output, with the layer's number left open.
    """
    ids = graph.input("input_ids", np.int64, ["batch_size", "decoder_sequence_length"])
    frames = graph.input("encoder_hidden_states", np.float32, ["batch_size", "encoder_sequence_length", sizes.width])
    past = [_past(graph, name, sizes) for name in _names("past_key_values", sizes.layers)]
    later = graph.input("use_cache_branch", np.bool_, [1])
    start = graph.op("Mul", graph.length(past[0], 2), graph.op("Cast", later, to=INTEGER))
    memory = _Merged(sizes.heads, cross, frames, later, start, past)
    logits = layers(graph, ids, start, memory)
    graph.output("logits", logits, ["batch_size", "decoder_sequence_length", sizes.vocabulary])
    for name, value in zip(_names("present", sizes.layers), memory.past, strict=True):
        graph.output(name, value, ["batch_size", sizes.heads.count, f"{name}_length", sizes.heads.width])
    return graph


def after(graph: Graph, ids: str, start: str) -> tuple[str, str]:
    """The places of `ids` in their text, and the mask that hides what comes after each."""
    end = graph.op("Add", start, graph.length(ids, 1))
    zero, one = graph.constant(0), graph.constant(1)
    places = graph.op("Range", graph.scalar(start), graph.scalar(end), one)
    everything = graph.op("Range", zero, graph.scalar(end), one)
    hidden = graph.op("Greater", everything, graph.op("Unsqueeze", places, graph.constant([1])))
    return places, graph.op("Where", hidden, graph.constant(-1e9, np.float32), graph.constant(0, np.float32))


@dataclass(frozen=True, slots=True)
class _Merged:
    """The cache as an input. What becomes of it takes the place of each part as the layers are added."""

    heads: Heads
    cross: str
    frames: str  # the encoder's output
    later: str  # whether this is no first token
    start: str
    past: list[str]  # of each layer the four PARTS

    def grown(self, graph: Graph, layer: int, new: Pair) -> Pair:
        """What is in the cache counts only for a later token."""
        zero, axis, place = graph.constant([0]), graph.constant([2]), 4 * layer
        kept = [graph.op("Slice", old, zero, self.start, axis) for old in self.past[place : place + 2]]
        key, value = (graph.op("Concat", old, more, axis=2) for old, more in zip(kept, new, strict=True))
        self.past[place : place + 2] = [key, value]
        return key, value

    def heard(self, graph: Graph, layer: int, query: str) -> str:
        """Keys and values of the encoder's output are computed for the first token; later they are in the cache.

        They are used inside the branches, where nothing copies them, and not given out again: callers keep them.
        """
        place = 4 * layer + 2
        key, value = self.past[place : place + 2]

        def kept(inner: Graph) -> list[str]:
            nothing = inner.keep("nothing", np.zeros((0, self.heads.count, 1, self.heads.width), np.float32))
            return [inner.attention(self.heads, query, key, value), nothing, nothing]

        def made(inner: Graph) -> list[str]:
            parts = [inner.linear(self.frames, f"{self.cross.format(layer)}.{part}_proj") for part in "kv"]
            pair = [inner.heads(part, self.heads) for part in parts]
            return [inner.attention(self.heads, query, *pair), *pair]

        taken, *self.past[place : place + 2] = graph.either(self.later, kept, made, ranks=(3, 4, 4))
        return taken


def _names(before: str, layers: int) -> list[str]:
    return [f"{before}.{layer}.{part}" for layer in range(layers) for part in PARTS]


def _past(graph: Graph, name: str, sizes: Sizes) -> str:
    length = "encoder_sequence_length_out" if ".encoder." in name else "past_decoder_sequence_length"
    return graph.input(name, np.float32, ["batch_size", sizes.heads.count, length, sizes.heads.width])

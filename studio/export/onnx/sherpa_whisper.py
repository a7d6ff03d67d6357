"""Whisper's graphs as sherpa-onnx names and divides them.

Its encoder gives what each layer of the decoder makes of the sound, and the cache is one tensor of full length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from studio.export.onnx.decoder import Pair
from studio.export.onnx.graph import Array, Graph, Heads, Precision, Shape
from studio.export.onnx.whisper import CROSS, graph_of, heard, sizes_of, written


def encoder(weights: Mapping[str, Array], config: Any, precision: Precision) -> Graph:
    """`mel` (batch, bands, 10 ms frames) to `n_layer_cross_k`, `n_layer_cross_v` (layers, batch, 20 ms frames, width).

    What they are made of is a third result, which sherpa-onnx does not look at and the gate does.
    """
    graph, sizes = graph_of(weights, precision), sizes_of(config)
    hidden = heard(graph, config, graph.input("mel", np.float32, ["n_audio", config.num_mel_bins, "n_mel_frames"]))
    for part in "kv":
        layers = [graph.linear(hidden, f"{CROSS.format(layer)}.{part}_proj") for layer in range(sizes.layers)]
        shape: Shape = [sizes.layers, "n_audio", "n_frames", sizes.width]
        graph.output(f"n_layer_cross_{part}", _stacked(graph, layers), shape)
    graph.output("last_hidden_state", hidden, ["n_audio", "n_frames", sizes.width])
    return graph


def decoder(weights: Mapping[str, Array], config: Any, precision: Precision) -> Graph:
    """`tokens` and the caches (layers, batch, positions, width) to the logits and the caches after them."""
    graph, sizes = graph_of(weights, precision), sizes_of(config)
    ids = graph.input("tokens", np.int64, ["n_audio", "n_tokens"])
    whole: Shape = [sizes.layers, "n_audio", config.max_target_positions, sizes.width]
    caches = [graph.input(f"in_n_layer_self_{part}_cache", np.float32, whole) for part in "kv"]
    sound: Shape = [sizes.layers, "n_audio", "n_frames", sizes.width]
    crosses = [graph.input(f"n_layer_cross_{part}", np.float32, sound) for part in "kv"]
    start = graph.input("offset", np.int64, [1])
    memory = _Stacks(sizes.heads, (caches[0], caches[1]), (crosses[0], crosses[1]), start)
    graph.output("logits", written(graph, sizes, ids, start, memory), ["n_audio", "n_tokens", config.vocab_size])
    for place, part in enumerate("kv"):
        kept = [layer[place] for layer in memory.after]
        graph.output(f"out_n_layer_self_{part}_cache", _stacked(graph, kept), whole)
    return graph


@dataclass(frozen=True, slots=True)
class _Stacks:
    """Keys and values of all layers in one tensor each, (layers, batch, positions, width)."""

    heads: Heads
    caches: Pair
    crosses: Pair
    start: str  # how many positions are taken
    after: list[Pair] = field(default_factory=list)  # of each layer that was added, (batch, positions, width)

    def grown(self, graph: Graph, layer: int, new: Pair) -> Pair:
        """The taken positions and the new ones; `after` gets them with the free ones behind."""
        pairs = [
            self._put(graph, _layer(graph, old, layer), value) for old, value in zip(self.caches, new, strict=True)
        ]
        self.after.append((pairs[0][1], pairs[1][1]))
        return pairs[0][0], pairs[1][0]

    def heard(self, graph: Graph, layer: int, query: str) -> str:
        """Attention to what the encoder prepared for this layer."""
        key, value = (graph.heads(_layer(graph, cross, layer), self.heads) for cross in self.crosses)
        return graph.attention(self.heads, query, key, value)

    def _put(self, graph: Graph, cache: str, new: str) -> Pair:
        zero, axis = graph.constant([0]), graph.constant([1])
        flat = graph.reshape(graph.op("Transpose", new, perm=[0, 2, 1, 3]), 0, 0, -1)
        taken = graph.op("Slice", cache, zero, self.start, axis)
        end = graph.op("Add", self.start, graph.length(flat, 1))
        free = graph.op("Slice", cache, end, graph.length(cache, 1), axis)
        until_now = graph.op("Concat", taken, flat, axis=1)
        return graph.heads(until_now, self.heads), graph.op("Concat", until_now, free, axis=1)


def _layer(graph: Graph, stack: str, layer: int) -> str:
    return graph.op("Gather", stack, graph.constant(layer), axis=0)


def _stacked(graph: Graph, layers: list[str]) -> str:
    first = graph.constant([0])
    return graph.op("Concat", *(graph.op("Unsqueeze", layer, first) for layer in layers), axis=0)

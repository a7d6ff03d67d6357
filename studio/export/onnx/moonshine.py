"""Moonshine's encoder and decoder (tiny, base and their languages) as ONNX graphs.

What transformers' modeling_moonshine.py computes. Positions in time are encoded by turning pairs of neighbouring
numbers of each query and key (rotary embeddings, arXiv:2104.09864); a product with a fixed matrix swaps the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from studio.export.onnx.decoder import Memory, Sizes, after, merged
from studio.export.onnx.graph import FLOAT, Array, Graph, Heads, Precision

_EMBEDDINGS = "model.decoder.embed_tokens"
_STRIDES = (64, 3, 2)  # samples, frames, frames: 384 samples a frame


def encoder(weights: Mapping[str, Array], config: Any, precision: Precision) -> Graph:
    """`input_values` (batch, samples) at 16 kHz to `last_hidden_state` (batch, frames, width)."""
    graph = Graph(weights, precision)
    samples = graph.input("input_values", np.float32, ["batch_size", "num_samples"])
    hidden = _stem(graph, samples)
    places = graph.op("Range", graph.constant(0), graph.scalar(graph.length(hidden, 1)), graph.constant(1))
    turns = _Turns(graph, config, _heads(config, config.encoder_num_attention_heads), places)
    for layer in range(config.encoder_num_hidden_layers):
        hidden = _encoder_layer(graph, f"model.encoder.layers.{layer}", hidden, turns)
    graph.output(
        "last_hidden_state",
        graph.norm(hidden, "model.encoder.layer_norm"),
        ["batch_size", "num_frames", config.hidden_size],
    )
    return graph


def decoder(weights: Mapping[str, Array], config: Any, precision: Precision) -> Graph:
    """The merged decoder: logits (batch, tokens, vocabulary) and the cache after them."""
    heads = _heads(config, config.decoder_num_attention_heads)
    sizes = Sizes(config.decoder_num_hidden_layers, heads, config.hidden_size, config.vocab_size)

    def layers(graph: Graph, ids: str, start: str, memory: Memory) -> str:
        places, mask = after(graph, ids, start)
        turns = _Turns(graph, config, heads, places)
        hidden = graph.embedding(ids, _EMBEDDINGS)
        for layer in range(sizes.layers):
            hidden = _decoder_layer(graph, layer, hidden, turns, memory, mask)
        return graph.likeliest(graph.norm(hidden, "model.decoder.norm"), _projection(weights))

    return merged(Graph(weights, precision), sizes, layers, cross="model.decoder.layers.{}.encoder_attn")


def _heads(config: Any, count: int) -> Heads:
    return Heads(count, config.hidden_size // count)


def _projection(weights: Mapping[str, Array]) -> str:
    """What the vocabulary is projected by: a matrix of its own, or the embeddings."""
    return "proj_out" if "proj_out.weight" in weights else _EMBEDDINGS


class _Turns:
    """By how much queries and keys are turned at each place."""

    def __init__(self, graph: Graph, config: Any, heads: Heads, places: str) -> None:
        rope = config.rope_parameters
        turned = int(heads.width * rope.get("partial_rotary_factor", 1.0))
        speeds, swap = np.zeros(heads.width, np.float32), np.zeros((heads.width, heads.width), np.float32)
        speeds[:turned] = np.repeat(1 / rope["rope_theta"] ** (np.arange(0, turned, 2) / turned), 2)
        for first in range(0, turned, 2):
            swap[first + 1, first], swap[first, first + 1] = -1, 1
        when = graph.op("Cast", graph.op("Unsqueeze", places, graph.constant([1])), to=FLOAT)
        angles = graph.op("Mul", when, graph.keep("rotary.speeds", speeds))
        self.graph, self.heads = graph, heads
        self.swap = graph.keep("rotary.swap", swap)
        self.cos, self.sin = graph.op("Cos", angles), graph.op("Sin", angles)

    def __call__(self, value: str) -> str:
        """(batch, heads, tokens, width of a head), turned."""
        across = self.graph.op("Mul", self.graph.op("MatMul", value, self.swap), self.sin)
        return self.graph.op("Add", self.graph.op("Mul", value, self.cos), across)


def _stem(graph: Graph, samples: str) -> str:
    """The convolutions, with one mean and variance for all channels and frames of a clip: (batch, frames, width)."""
    hidden = graph.op("Unsqueeze", samples, graph.constant([1]))
    hidden = graph.op("Tanh", graph.conv(hidden, "model.encoder.conv1", _STRIDES[0]))
    hidden = _group_norm(graph, hidden, "model.encoder.groupnorm")
    hidden = graph.gelu(graph.conv(hidden, "model.encoder.conv2", _STRIDES[1]))
    hidden = graph.gelu(graph.conv(hidden, "model.encoder.conv3", _STRIDES[2]))
    return graph.op("Transpose", hidden, perm=[0, 2, 1])


def _group_norm(graph: Graph, value: str, layer: str) -> str:
    one, none = graph.constant([1], np.float32), graph.constant([0], np.float32)
    flat = graph.op("InstanceNormalization", graph.reshape(value, 0, 1, -1), one, none, epsilon=1e-5)
    normal = graph.op("Reshape", flat, graph.op("Shape", value))
    parts = [graph.keep(f"{layer}.{part}", graph.weights[f"{layer}.{part}"][:, None]) for part in ("weight", "bias")]
    return graph.op("Add", graph.op("Mul", normal, parts[0]), parts[1])


def _encoder_layer(graph: Graph, name: str, hidden: str, turns: _Turns) -> str:
    query, key, value = _projected(graph, graph.norm(hidden, f"{name}.input_layernorm"), f"{name}.self_attn", turns)
    taken = graph.attention(turns.heads, query, key, value)
    hidden = graph.op("Add", hidden, graph.linear(taken, f"{name}.self_attn.o_proj"))
    inner = graph.linear(graph.norm(hidden, f"{name}.post_attention_layernorm"), f"{name}.mlp.fc1")
    return graph.op("Add", hidden, graph.linear(graph.gelu(inner), f"{name}.mlp.fc2"))


def _decoder_layer(graph: Graph, layer: int, hidden: str, turns: _Turns, memory: Memory, mask: str) -> str:
    name = f"model.decoder.layers.{layer}"
    query, *new = _projected(graph, graph.norm(hidden, f"{name}.input_layernorm"), f"{name}.self_attn", turns)
    taken = graph.attention(turns.heads, query, *memory.grown(graph, layer, (new[0], new[1])), mask)
    hidden = graph.op("Add", hidden, graph.linear(taken, f"{name}.self_attn.o_proj"))
    asked = graph.linear(graph.norm(hidden, f"{name}.post_attention_layernorm"), f"{name}.encoder_attn.q_proj")
    taken = memory.heard(graph, layer, graph.heads(asked, turns.heads))
    hidden = graph.op("Add", hidden, graph.linear(taken, f"{name}.encoder_attn.o_proj"))
    inner = graph.linear(graph.norm(hidden, f"{name}.final_layernorm"), f"{name}.mlp.fc1")
    return graph.op("Add", hidden, graph.linear(_gated(graph, inner), f"{name}.mlp.fc2"))


def _projected(graph: Graph, hidden: str, name: str, turns: _Turns) -> tuple[str, str, str]:
    """Query, key and value of `hidden`, each (batch, heads, tokens, width of a head), the first two turned."""
    query, key, value = (graph.heads(graph.linear(hidden, f"{name}.{part}_proj"), turns.heads) for part in "qkv")
    return turns(query), turns(key), value


def _gated(graph: Graph, inner: str) -> str:
    """The first half of the width, let through by the SiLU of the second."""
    value, gate = graph.ops("Split", inner, results=2, axis=-1)
    return graph.op("Mul", value, graph.op("Mul", gate, graph.op("Sigmoid", gate)))

"""Whisper's encoder and decoder as ONNX graphs. What transformers' modeling_whisper.py computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from studio.export.onnx.decoder import Memory, Sizes, after, merged
from studio.export.onnx.graph import Array, Graph, Heads, Precision

CROSS = "model.decoder.layers.{}.encoder_attn"
_EMBEDDINGS = "model.decoder.embed_tokens"


def graph_of(weights: Mapping[str, Array], precision: Precision) -> Graph:
    """An empty one; in 8 bits by rows: with one scale for all, the first token's numbers drown the others'."""
    return Graph(weights, precision, by_row=True)


def encoder(weights: Mapping[str, Array], config: Any, precision: Precision) -> Graph:
    """`input_features` (batch, mel bands, 10 ms frames) to `last_hidden_state` (batch, 20 ms frames, width)."""
    graph = graph_of(weights, precision)
    shape = ["batch_size", config.num_mel_bins, 2 * config.max_source_positions]
    hidden = heard(graph, config, graph.input("input_features", np.float32, shape))
    graph.output("last_hidden_state", hidden, ["batch_size", config.max_source_positions, config.d_model])
    return graph


def decoder(weights: Mapping[str, Array], config: Any, precision: Precision) -> Graph:
    """The merged decoder: logits (batch, tokens, vocabulary) and the cache after them."""
    sizes = sizes_of(config)

    def layers(graph: Graph, ids: str, start: str, memory: Memory) -> str:
        return written(graph, sizes, ids, start, memory)

    return merged(graph_of(weights, precision), sizes, layers, cross=CROSS)


def heard(graph: Graph, config: Any, features: str) -> str:
    """The encoder's output for log-mel features, of 30 s or less: (batch, frames, width)."""
    hidden = graph.gelu(graph.conv(features, "model.encoder.conv1", 1, padding=1))
    hidden = graph.gelu(graph.conv(hidden, "model.encoder.conv2", 2, padding=1))
    hidden = graph.op("Transpose", hidden, perm=[0, 2, 1])
    name, none = "model.encoder.embed_positions.weight", graph.constant([0])
    places = graph.op("Slice", graph.keep(name, graph.weights[name]), none, graph.length(hidden, 1), none)
    hidden = graph.op("Add", hidden, places)
    heads = _heads(config, config.encoder_attention_heads)
    for layer in range(config.encoder_layers):
        hidden = _encoder_layer(graph, f"model.encoder.layers.{layer}", hidden, heads)
    return graph.norm(hidden, "model.encoder.layer_norm")


def sizes_of(config: Any) -> Sizes:
    """Of the decoder of a model with these settings."""
    heads = _heads(config, config.decoder_attention_heads)
    return Sizes(config.decoder_layers, heads, config.d_model, config.vocab_size)


def written(graph: Graph, sizes: Sizes, ids: str, start: str, memory: Memory) -> str:
    """The decoder's logits (batch, tokens, vocabulary) for `ids`, of which `start` are behind."""
    places, mask = after(graph, ids, start)
    name = "model.decoder.embed_positions.weight"
    where = graph.op("Gather", graph.keep(name, graph.weights[name]), places)
    hidden = graph.op("Add", graph.embedding(ids, _EMBEDDINGS), where)
    for layer in range(sizes.layers):
        hidden = _decoder_layer(graph, layer, hidden, sizes.heads, memory, mask)
    return graph.likeliest(graph.norm(hidden, "model.decoder.layer_norm"), _EMBEDDINGS)


def _heads(config: Any, count: int) -> Heads:
    return Heads(count, config.d_model // count)


def _encoder_layer(graph: Graph, name: str, hidden: str, heads: Heads) -> str:
    parts = _projected(graph, graph.norm(hidden, f"{name}.self_attn_layer_norm"), f"{name}.self_attn", heads)
    taken = graph.attention(heads, *parts)
    return _forward(graph, graph.op("Add", hidden, graph.linear(taken, f"{name}.self_attn.out_proj")), name)


def _decoder_layer(graph: Graph, layer: int, hidden: str, heads: Heads, memory: Memory, mask: str) -> str:
    """What is written attends to itself, then to what was heard."""
    name = f"model.decoder.layers.{layer}"
    query, *new = _projected(graph, graph.norm(hidden, f"{name}.self_attn_layer_norm"), f"{name}.self_attn", heads)
    taken = graph.attention(heads, query, *memory.grown(graph, layer, (new[0], new[1])), mask)
    hidden = graph.op("Add", hidden, graph.linear(taken, f"{name}.self_attn.out_proj"))
    asked = graph.linear(graph.norm(hidden, f"{name}.encoder_attn_layer_norm"), f"{name}.encoder_attn.q_proj")
    taken = memory.heard(graph, layer, graph.heads(asked, heads))
    hidden = graph.op("Add", hidden, graph.linear(taken, f"{name}.encoder_attn.out_proj"))
    return _forward(graph, hidden, name)


def _projected(graph: Graph, hidden: str, name: str, heads: Heads) -> tuple[str, str, str]:
    """Query, key and value of `hidden`, each (batch, heads, tokens, width of a head)."""
    query, key, value = (graph.heads(graph.linear(hidden, f"{name}.{part}_proj"), heads) for part in "qkv")
    return query, key, value


def _forward(graph: Graph, hidden: str, name: str) -> str:
    inner = graph.gelu(graph.linear(graph.norm(hidden, f"{name}.final_layer_norm"), f"{name}.fc1"))
    return graph.op("Add", hidden, graph.linear(inner, f"{name}.fc2"))

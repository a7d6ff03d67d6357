"""Whisper's features as an ONNX graph. See `studio.export.spectrum`."""

from __future__ import annotations

from typing import Any

import numpy as np

from studio.export.onnx.graph import Graph
from studio.export.spectrum import LEAST, RANGE, waves


def features(extractor: Any) -> Graph:
    """`samples` (batch, 30 s) at 16 kHz to `features` (batch, mel bands, 10 ms frames)."""
    graph = Graph({}, "fp32")
    samples = graph.input("samples", np.float32, ["batch_size", extractor.n_samples])
    energy = _energy(graph, extractor, samples)
    bands = graph.op("MatMul", graph.keep("mel", extractor.mel_filters.T.astype(np.float32)), energy)
    audible = graph.op("Max", bands, graph.constant(LEAST, np.float32))
    powers = graph.op("Div", graph.op("Log", audible), graph.constant(np.log(10), np.float32))
    loudest = graph.op("ReduceMax", powers, axes=[1, 2], keepdims=1)
    kept = graph.op("Max", powers, graph.op("Sub", loudest, graph.constant(RANGE, np.float32)))
    four = graph.constant(4, np.float32)
    found = graph.op("Div", graph.op("Add", kept, four), four)
    graph.output("features", found, ["batch_size", extractor.feature_size, extractor.nb_max_frames])
    return graph


def _energy(graph: Graph, extractor: Any, samples: str) -> str:
    """(batch, frequencies, frames): the energy of each frequency in each window, whose middles are 10 ms apart."""
    half, count = extractor.n_fft // 2, extractor.n_fft // 2 + 1
    around = graph.op("Pad", graph.op("Unsqueeze", samples, graph.constant([1])), graph.constant([0, 0, half] * 2),
                      mode="reflect")  # fmt: skip
    found = graph.op("Conv", around, graph.keep("waves", waves(extractor.n_fft)), strides=[extractor.hop_length])
    found = graph.op("Slice", found, *(graph.constant([each]) for each in (0, extractor.nb_max_frames, 2)))
    cosines, sines = graph.ops("Split", graph.op("Mul", found, found), graph.constant([count] * 2), results=2, axis=1)
    return graph.op("Add", cosines, sines)

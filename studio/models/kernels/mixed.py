"""Mixed precision on a CPU: large products of frozen layers in bf16, everything else in fp32.

Why not the whole model in bf16, or autocast: PyTorch's attention on a CPU is slow on its way back in bf16 (208 ms of a
step against 85 in fp32, Moonshine tiny on an EPYC), and autocast leaves the frozen layers as they are while it casts
around them. Here the weights have a copy in bf16, made once; inputs and gradients are cast, sums are in fp32. What is
small stays in fp32: the adapter, attention, and the few rows of a token that is being written, for which bf16 gains
nothing. So does the projection on the vocabulary, which decides what is written.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from studio.models.kernels.linear import FastLinear, multiplied

LEAST_ROWS = 64  # below it casting costs what the product gains; decoding has as many rows as clips
LEAST_GAIN = 1.5  # on products: half of a step are products, so that a step gains a fifth
_ROWS = 512  # of the measurement: frames of a dozen seconds
_SECONDS, _LEAST_ROUNDS = 0.5, 3  # of the measurement


def mix(network: nn.Module) -> None:
    """Let the large products of every linear layer of `network` be computed in bf16, but for its vocabulary's."""
    outputs: Any = getattr(network, "get_output_embeddings", lambda: None)
    vocabulary = outputs()
    for layer in network.modules():
        if type(layer) in (nn.Linear, FastLinear) and layer is not vocabulary:
            layer.__class__ = MixedLinear


class MixedLinear(FastLinear):
    """A linear layer in fp32 whose products of many rows are computed in bf16 while its weights are frozen."""

    _halves: tuple[Tensor, Tensor | None] | None = None

    def frozen_weights(self, given: Tensor) -> tuple[Tensor, Tensor | None]:
        """In bf16 where `given` has many rows."""
        if given.numel() < LEAST_ROWS * self.in_features:
            return super().frozen_weights(given)
        if self._halves is None:
            bias = None if self.bias is None else self.bias.detach().bfloat16()
            self._halves = self.weight.detach().bfloat16(), bias
        return self._halves


@functools.cache
def bf16_gain(width: int, inner: int) -> float:
    """How many times as fast one layer's products are in bf16 here, casts included: measured for half a second.

    A layer has four products of `width` by `width` and two between `width` and `inner`. It is the processor time of one
    thread, which other programs hardly change: the same machine should give the same answer each time.
    """
    shapes = [*[(width, width)] * 4, (width, inner), (inner, width)]
    given = {size: torch.ones(_ROWS, size) for size in (width, inner)}
    weights = [(given[narrow], torch.ones(wide, narrow)) for narrow, wide in shapes]
    halves = [(rows, weight.bfloat16()) for rows, weight in weights]
    ratios: list[float] = []
    with torch.inference_mode(), _on_one_thread():
        _seconds(weights), _seconds(halves)  # kernels are chosen
        end = time.thread_time() + _SECONDS
        while len(ratios) < _LEAST_ROUNDS or time.thread_time() < end:
            ratios.append(_seconds(weights) / _seconds(halves))
    return statistics.median(ratios)


def _seconds(products: Sequence[tuple[Tensor, Tensor]]) -> float:
    """What it takes to compute them all."""
    began = time.thread_time()
    for given, weight in products:
        multiplied(given, weight)
    return time.thread_time() - began


@contextmanager
def _on_one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

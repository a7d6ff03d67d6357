"""Frozen fp32 weights that fp16 holds exactly, read as fp16: half the bytes for each token that is written.

A model that writes token by token multiplies its weights by one row or a few, so memory is what limits it. MKL, which
PyTorch uses for fp32, also copies all weights into another order at every product of more than one row. FBGEMM, which
comes with PyTorch too, keeps them in that order, in fp16, and computes in fp32: only the order of addition differs.
Weights that were published in fp16 or bf16 lose nothing: Whisper's, SmolLM2's, the starters'. Where a weight would
change, the layer stays as it is.

Measured on an EPYC (AVX2), one thread, times as fast as fp32 with 1, 2, 8, 32 and 64 rows: 2.0, 3.2, 2.8, 1.6 and 1.5
at 1,536 x 576; 2.4, 3.4, 2.6, 1.6 and 1.5 at 2,048 x 512; 2.3, 5.0, 2.8, 1.9 and 1.4 at a vocabulary of 49,152 x 576;
1.6, 1.9, 1.7, 1.4 and 1.2 at 288 x 288. At 128 x 128, handing over costs more than it gains.
"""

from __future__ import annotations

import functools
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from studio.models.kernels.linear import FastLinear

LEAST_WEIGHTS = 2**16
MOST_ROWS = 64  # from there on the processor is as slow as memory, and FBGEMM about as fast as MKL
FINEST = 2.0**-25  # how far fp16 is off at most for what is nearly 0: less than the order of addition changes
_WORTH = 24  # products of few rows after which the copy has paid for itself: making it takes 14 to 50 ns a weight


def read_weights_as_fp16(network: nn.Module, *, at_once: bool = False) -> None:
    """Let the linear layers of `network`, which is not trained here, keep an fp16 copy of weights that lose nothing.

    A layer makes its copy, which takes half its own memory, when it has been used often enough to be worth it, or
    `at_once` at its first product of few rows. Nothing changes on a processor or PyTorch without FBGEMM, and where the
    copies would take more than a quarter of the memory that is free.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear) and _may_be_fp16(layer)]
    copies = sum(2 * layer.weight.numel() for layer in layers)  # bytes
    if not can_multiply_fp16() or 4 * copies > psutil.virtual_memory().available:
        return
    for layer in layers:
        layer.__class__ = Fp16Linear
        assert isinstance(layer, Fp16Linear)
        layer.copied, layer.copied_from, layer.awaited = None, None, 0 if at_once else _WORTH


def _may_be_fp16(layer: nn.Linear) -> bool:
    is_plain = type(layer) in (nn.Linear, FastLinear) and layer.weight.dtype == torch.float32
    return is_plain and layer.weight.device.type == "cpu" and layer.weight.numel() >= LEAST_WEIGHTS


@functools.cache
def can_multiply_fp16() -> bool:
    """Whether FBGEMM is in this PyTorch and runs on this processor."""
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        return False
    try:
        _copy(torch.eye(16), None)
    except RuntimeError:
        return False
    return True


class Fp16Linear(FastLinear):
    """A linear layer like any other, which reads fp16 where it is given few rows and no gradient is wanted."""

    copied: Any
    copied_from: tuple[int, int] | None
    awaited: int

    def forward(self, given: Tensor) -> Tensor:
        """(…, in) to (…, out)."""
        few = given.ndim > 1 and given.numel() <= MOST_ROWS * given.shape[-1] and given.dtype == torch.float32
        if not few or torch.is_grad_enabled() or (copied := self._fp16()) is None:
            return super().forward(given)
        product: Tensor = torch.ops.quantized.linear_dynamic_fp16(given, copied)
        return product

    def _fp16(self) -> Any:
        """The copy, made again where the weights have changed; None where it is not worth it yet, or would be inexact.

        A change through `.data` in place is not seen: whoever merges an adapter loads a model of its own.
        """
        if self.awaited:
            self.awaited -= 1
            return None
        weight = self.weight
        if self.copied_from != (at := (weight.data_ptr(), weight._version)):
            self.copied = _copy(weight.detach(), self.bias) if _is_exact(weight) else None
            self.copied_from = at
        return self.copied


def _is_exact(weight: Tensor) -> bool:
    """Whether each number of `weight`, but for what is nearly 0, is one of fp16's."""
    return bool(((weight.half().float() - weight).abs() <= FINEST).all())


def _copy(weight: Tensor, bias: Tensor | None) -> Any:
    return torch.ops.quantized.linear_prepack_fp16(weight, None if bias is None else bias.detach())

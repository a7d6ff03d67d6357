"""Linear layers whose frozen fp32 weights are multiplied by oneDNN, on CPUs that PyTorch's default serves badly.

PyTorch gives products of fp32 matrices to MKL, which leaves the AVX-512 units of AMD's processors alone; oneDNN, which
comes with PyTorch as well, does not. Measured on an EPYC with one thread: 213 against 97 GFLOP/s at 1,024 x 1,024 x
1,024, 160 to 225 against 65 to 100 at the sizes of Moonshine tiny. It is the same arithmetic in another order of
addition. On other makers' processors, in other precisions and for weights that are trained nothing is changed.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

LEAST_WORK = 2**21  # multiplications below which handing over costs more than it gains


def quicken(network: nn.Module) -> None:
    """Let every linear layer of `network` be multiplied by oneDNN where that is faster; on this CPU it may never be."""
    if gains():
        for layer in network.modules():
            if type(layer) is nn.Linear:
                layer.__class__ = FastLinear


@functools.cache
def gains() -> bool:
    """Whether this is a processor on which oneDNN is faster. An earlier PyTorch cannot tell."""
    found: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool("AMD" in found.get("cpu_name", "") and found.get("avx512_f") and has_onednn)


def multiplied(given: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`given` (…, in) by `weight` (out, in), plus `bias` (out), the fastest way; autograd does not see it.

    Where fp32 is given for weights in bf16 it is cast to bf16, and the product back to fp32.
    """
    if given.dtype == torch.float32 and weight.dtype == torch.bfloat16:
        return linear(given.bfloat16(), weight, bias).float()
    is_fp32 = given.dtype == weight.dtype == torch.float32 and given.device.type == "cpu"
    if is_fp32 and given.numel() * len(weight) >= LEAST_WORK and gains():
        product: Tensor = torch.ops.mkldnn._linear_pointwise(given, weight, bias, "none", [], "")
        return product
    return linear(given, weight, bias)


class FastLinear(nn.Linear):
    """A linear layer like any other, whose product is `multiplied` while its weights are frozen."""

    def forward(self, given: Tensor) -> Tensor:
        """(…, in) to (…, out)."""
        if self.weight.requires_grad and torch.is_grad_enabled():
            return super().forward(given)
        return frozen_product(given, self.weight, self.bias)


def frozen_product(given: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`multiplied`, with a gradient for what is given alone."""
    product: Tensor = _Product.apply(given, weight, bias)  # type: ignore[no-untyped-call]
    return product


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        return multiplied(given, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        return multiplied(gradients[0], weight.T), None, None

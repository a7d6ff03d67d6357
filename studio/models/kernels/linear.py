"""Linear layers whose frozen fp32 weights are multiplied by oneDNN, on CPUs that PyTorch's default serves badly.

PyTorch gives products of fp32 matrices to MKL, which leaves the AVX-512 units of AMD's processors alone; oneDNN, which
comes with PyTorch as well, does not. Measured on an EPYC with one thread: 213 against 97 GFLOP/s at 1,024 x 1,024 x
1,024, 160 to 225 against 65 to 100 at the sizes of Moonshine tiny. It is the same arithmetic in another order of
addition. On an EPYC with AVX2 alone MKL is as fast, but for a projection on a vocabulary: of 8 tokens, 204 against 332
ms of one thread on Gemma 3's 262,144 x 640, 37 against 53 ms on SmolLM2's 49,152 x 576.

Weights in bf16 on a CPU without instructions for it are multiplied in fp32, a layer at a time: PyTorch has no fast
kernel for their transpose there. One product of 393 frames by 11,264 x 2,048 on the way back took 85 s on such an EPYC
(AVX2), and 0.5 s in fp32 with the cast. For other processors and precisions, and for weights that are trained, nothing
is changed.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

LEAST_WORK = 2**21  # multiplications below which handing over costs more than it gains
VOCABULARY = 40_000  # numbers out from which on, for more than one row, AMD's processors without AVX-512 gain too
LEAST_WIDE_ROWS = 40  # below it bf16 itself is faster than casting its weights, unless they are transposed


def quicken(network: nn.Module) -> None:
    """Let every linear layer of `network` be multiplied by oneDNN where that is faster; on this CPU it may never be."""
    every = gains() or (lacks_bf16() and any(weight.dtype == torch.bfloat16 for weight in network.parameters()))
    for layer in network.modules():
        if type(layer) is nn.Linear and (every or (layer.out_features >= VOCABULARY and gains_on_vocabularies())):
            layer.__class__ = FastLinear


def as_published(network: nn.Module) -> None:
    """Undo `quicken`, for whoever follows what `network` computes: other programs have no name for our product."""
    changed: list[Any] = [layer for layer in network.modules() if isinstance(layer, FastLinear)]
    for layer in changed:
        layer.__class__ = nn.Linear


@functools.cache
def gains() -> bool:
    """Whether this is a processor on which oneDNN is faster. An earlier PyTorch cannot tell."""
    return gains_on_vocabularies() and bool(_capabilities().get("avx512_f"))


@functools.cache
def gains_on_vocabularies() -> bool:
    """Whether it is faster for very wide layers at least."""
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool("AMD" in _capabilities().get("cpu_name", "") and has_onednn)


def _capabilities() -> Mapping[str, Any]:
    found: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return found


@functools.cache
def lacks_bf16() -> bool:
    """Whether this CPU has no instructions that PyTorch could multiply bf16 with; without oneDNN that is not known."""
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(has_onednn and not torch.ops.mkldnn._is_mkldnn_bf16_supported())


def multiplied(given: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`given` (…, in) by `weight` (out, in), plus `bias` (out), the fastest way; autograd does not see it.

    Where fp32 is given for weights in bf16 it is cast to bf16, and the product back to fp32.
    """
    if _is_better_wide(given, weight):
        wide: Tensor = linear(given.float(), weight.float(), None if bias is None else bias.float())
        return wide.bfloat16()
    if given.dtype == torch.float32 and weight.dtype == torch.bfloat16:
        return linear(given.bfloat16(), weight, bias).float()
    if _is_for_onednn(given, weight):
        product: Tensor = torch.ops.mkldnn._linear_pointwise(given, weight, bias, "none", [], "")
        return product
    return linear(given, weight, bias)


def _is_for_onednn(given: Tensor, weight: Tensor) -> bool:
    """Whether both are fp32 on a CPU on which oneDNN is faster for them."""
    if not given.dtype == weight.dtype == torch.float32 or given.device.type != "cpu":
        return False
    if gains():
        return given.numel() * len(weight) >= LEAST_WORK
    return len(weight) >= VOCABULARY and given.numel() > given.shape[-1] and gains_on_vocabularies()


def _is_better_wide(given: Tensor, weight: Tensor) -> bool:
    """Whether both are bf16 on a CPU that multiplies them faster in fp32, casts included."""
    if not given.dtype == weight.dtype == torch.bfloat16 or given.device.type != "cpu" or not lacks_bf16():
        return False
    return not weight.is_contiguous() or given.numel() >= LEAST_WIDE_ROWS * given.shape[-1]


class FastLinear(nn.Linear):
    """A linear layer like any other, whose product is `multiplied` while its weights are frozen."""

    def forward(self, given: Tensor) -> Tensor:
        """(…, in) to (…, out)."""
        if self.weight.requires_grad and torch.is_grad_enabled():
            return super().forward(given)
        return frozen_product(given, *self.frozen_weights(given))

    def frozen_weights(self, given: Tensor) -> tuple[Tensor, Tensor | None]:
        """Weight and bias as `given` is to be multiplied by them while they are frozen."""
        return self.weight, self.bias


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

"""A layer with a LoRA adapter, in training on a CPU: fewer products and fewer passes over memory than peft's own.

peft computes what the adapter adds in steps that autograd records one by one: two products, a scaling and a sum on the
way forward, four products and as many sums on the way back. Here a layer is one step of autograd's. Where it has many
rows, as in an encoder, the adapter's product is added to the frozen weights for the moment (2 small products), so that
of the 6 products with the adapter 4 remain; otherwise each sum is part of a product. Weights in bf16 are never added
to: they would round the adapter away.

The sums are the same but for their order. Measured on whole steps of Moonshine tiny (8 clips of 1.4 to 5 s, one thread
of an EPYC): *Full* 1.10 times as fast in fp32, 1.13 without AVX-512 and 1.09 in mixed precision; *Voice* 1.08 and 1.10.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import Tensor, nn

from studio.models.kernels.linear import FastLinear, multiplied

WORTH_ADDING = 4  # so many times the work of adding the product to the weights is what the rows must save


def fuse(network: nn.Module) -> None:
    """Let each linear layer of `network` with a plain LoRA adapter take its training steps as one step of autograd's.

    A layer of another kind (DoRA, a bias of its own), on a GPU, or in another precision than fp32 is peft's as before;
    so is every layer with dropout, with several adapters or none, and wherever no gradient is wanted.
    """
    layers: list[Any] = [layer for layer in network.modules() if type(layer) is Linear]
    for layer in layers:
        if not getattr(layer, "lora_variant", None) and not any(layer.lora_bias.values()):
            layer.__class__ = FusedLinear


class FusedLinear(Linear):  # type: ignore[misc]
    """peft's layer, computed in one step while its one adapter learns."""

    def forward(self, x: Tensor, *args: Any, **named: Any) -> Tensor:
        """(…, in) to (…, out)."""
        if args or named or not torch.is_grad_enabled() or not self._is_plain(x):
            unfused: Tensor = super().forward(x, *args, **named)
            return unfused
        base, (name,) = self.base_layer, self.active_adapters
        weights = base.frozen_weights(x) if isinstance(base, FastLinear) else (base.weight, base.bias)
        down, up = self.lora_A[name].weight, self.lora_B[name].weight
        product: Tensor = _Adapted.apply(x, *weights, down, up, self.scaling[name])  # type: ignore[no-untyped-call]
        return product

    def _is_plain(self, x: Tensor) -> bool:
        if self.disable_adapters or self.merged or len(self.active_adapters) != 1:
            return False
        name, base = self.active_adapters[0], self.base_layer
        if name not in self.lora_A or not isinstance(base, nn.Linear) or base.weight.requires_grad:
            return False
        drops = self.training and isinstance(self.lora_dropout[name], nn.Dropout)
        types = {x.dtype, base.weight.dtype, self.lora_A[name].weight.dtype}
        return not drops and types == {torch.float32} and x.device.type == "cpu"


class _Adapted(torch.autograd.Function):
    """`given` (…, in) by the sum of `weight` (out, in) and `scale` times `up` (out, rank) by `down`; plus `bias`."""

    @staticmethod
    def forward(
        ctx: Any, given: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scale: float
    ) -> Tensor:
        rows = given.reshape(-1, given.shape[-1])
        ctx.scale, ctx.adds = scale, _is_worth_adding(rows, weight)
        if ctx.adds:
            inner = None
            product = multiplied(rows, torch.addmm(weight, up, down, alpha=scale), bias)
        else:
            inner = rows @ down.T
            product = multiplied(rows, weight, bias).addmm_(inner, up.T, alpha=scale)
        ctx.save_for_backward(given, weight, down, up, inner)
        return product.view(*given.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None, Tensor, Tensor, None]:
        given, weight, down, up, inner = ctx.saved_tensors
        rows = given.reshape(-1, given.shape[-1])
        gradient = gradients[0].reshape(-1, gradients[0].shape[-1])
        inner = rows @ down.T if inner is None else inner
        inner_gradient = (gradient @ up).mul_(ctx.scale)
        of_down, of_up = inner_gradient.T @ rows, (gradient.T @ inner).mul_(ctx.scale)
        of_given = None
        if ctx.needs_input_grad[0]:
            if ctx.adds:
                of_given = multiplied(gradient, torch.addmm(weight, up, down, alpha=ctx.scale).T)
            else:
                of_given = multiplied(gradient, weight.T).addmm_(inner_gradient, down)
            of_given = of_given.view(given.shape)
        return of_given, None, None, of_down, of_up, None


def _is_worth_adding(rows: Tensor, weight: Tensor) -> bool:
    """Whether two products of `rows` cost more than adding the adapter's product to `weight` twice."""
    wide, narrow = weight.shape
    return weight.dtype == torch.float32 and len(rows) * (wide + narrow) >= WORTH_ADDING * wide * narrow

"""The loss of hidden states: through the projection on the vocabulary and cross-entropy, in one.

The gradient is computed where the probabilities are still at hand, in their place: autograd would keep them, and go
through two more arrays of (tokens, vocabulary) on its way back. Of a step of *Voice* on Moonshine tiny it is a tenth.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from studio.models.kernels.linear import multiplied


def summed_loss(hidden: Tensor, projection: nn.Module, labels: Tensor) -> Tensor:
    """The negative log-likelihood in nats of `labels` (tokens) at `hidden` (tokens, width), added up in fp32.

    `projection` is frozen and without bias, as in every family, unless it has an adapter.
    """
    if not isinstance(projection, nn.Linear):
        return cross_entropy(projection(hidden).float(), labels, reduction="sum")
    loss: Tensor = _SummedLoss.apply(hidden, projection.weight, labels)  # type: ignore[no-untyped-call]
    return loss


class _SummedLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
        chances = multiplied(hidden, weight).float().log_softmax(-1)
        places = labels[:, None]
        loss = -chances.gather(1, places).sum()
        if ctx.needs_input_grad[0]:
            off = chances.exp_().scatter_add_(1, places, chances.new_full(places.shape, -1.0))
            ctx.save_for_backward(multiplied(off.to(weight.dtype), weight.T))
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (hidden,) = ctx.saved_tensors
        return hidden * gradients[0].to(hidden.dtype), None, None

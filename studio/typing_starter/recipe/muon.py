"""Muon: momentum whose matrices are made orthogonal before each step (Jordan 2024, github.com/KellerJordan/Muon).

torch has it in bf16, which CPUs without instructions for it compute a hundred times slower: here it is fp32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315  # the makers' quintic; five rounds take singular values to about 1
_ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """For the matrices of the layers; embeddings and norms are AdamW's."""

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.95, decay: float = 0.01) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One step along the orthogonal momentum, as long as one of AdamW (arXiv:2502.16982)."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"].mul_(group["momentum"]).add_(parameter.grad)
                ahead = parameter.grad + group["momentum"] * momentum
                parameter.mul_(1 - group["lr"] * group["decay"])
                parameter.add_(orthogonal(ahead), alpha=-0.2 * max(parameter.shape) ** 0.5 * group["lr"])


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest matrix whose singular values are about 1, by five rounds of Newton and Schulz."""
    found = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    found = found / (found.norm() + 1e-7)
    for _ in range(_ROUNDS):
        square = found @ found.T
        found = _A * found + (_B * square + _C * square @ square) @ found
    result: Tensor = found.T if matrix.shape[0] > matrix.shape[1] else found
    return result

"""Inference and training are two modes of one network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@contextmanager
def inference_mode(model: torch.nn.Module) -> Iterator[None]:
    """Within the block: eval mode, no gradients. Afterwards the mode is what it was.

    A mode is always that of the whole network; setting it goes through every layer, which is too slow for each clip.
    """
    import torch

    was_training = model.training
    if was_training:
        model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        if was_training:
            model.train()

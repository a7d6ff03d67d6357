"""The losses of the recipe. All take batches of equal length (no masks); every target list is one list a
clip.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from studio.starter.recipe.model import POSITION_PERIODS, CrossAttentionTap

IGNORED = -100
_GUIDED_HEADS = 2  # of the four of every decoder layer
_GUIDE_WIDTH = 2.0  # frames
_NEVER = -1e9


def ctc(log_probs: Tensor, targets: list[list[int]]) -> Tensor:
    """CTC (Graves et al. 2006) with blank 0, of log_probs [batch, frames, units]."""
    batch, frames, _ = log_probs.shape
    lengths = torch.tensor([len(target) for target in targets])
    joined = torch.tensor([unit for target in targets for unit in target])
    return functional.ctc_loss(
        log_probs.transpose(0, 1), joined, torch.full((batch,), frames), lengths, zero_infinity=True
    )


def ctc_times(log_probs: NDArray[np.float32], targets: list[list[int]]) -> list[list[float]]:
    """The frame at which the best CTC path says each target unit: the middle of its run (batched Viterbi)."""
    batch, frames, _ = log_probs.shape
    units, skips = _lattice(targets)
    scores = np.take_along_axis(log_probs, np.broadcast_to(units[:, None], (batch, frames, units.shape[1])), 2)
    best = np.full(units.shape, _NEVER, np.float32)
    best[:, :2] = scores[:, 0, :2]
    came = np.zeros((frames, *units.shape), np.int8)
    moves = np.full((3, *units.shape), _NEVER, np.float32)
    for frame in range(1, frames):
        moves[0], moves[1, :, 1:], moves[2, :, 2:] = best, best[:, :-1], best[:, :-2]
        moves[2][~skips] = _NEVER
        came[frame] = moves.argmax(0)
        best = moves.max(0) + scores[:, frame]
    return [_walk_back(came[:, row], best[row], len(target)) for row, target in enumerate(targets)]


def _lattice(targets: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Units with blanks between them, and where a blank may be skipped (not between equal units)."""
    width = 2 * max(map(len, targets)) + 1
    units = np.zeros((len(targets), width), np.int64)
    skips = np.zeros((len(targets), width), np.bool_)
    for row, target in enumerate(targets):
        units[row, 1 : 2 * len(target) : 2] = target
        skips[row, 3 : 2 * len(target) : 2] = np.array(target[1:]) != np.array(target[:-1])
    return units, skips


def _walk_back(came: NDArray[np.int8], best: NDArray[np.float32], length: int) -> list[float]:
    state = 2 * length if best[2 * length] > best[2 * length - 1] else 2 * length - 1
    first, last = [0] * length, [-1] * length
    for frame in range(len(came) - 1, -1, -1):
        if state % 2 == 1:
            unit = state // 2
            first[unit] = frame
            last[unit] = frame if last[unit] < 0 else last[unit]
        state -= int(came[frame, state])
    return [(a + b) / 2 for a, b in zip(first, last, strict=True)]


def guided_attention(tap: CrossAttentionTap, times: Tensor, frames: int) -> Tensor:
    """Cross-entropy of two heads of every decoder layer against a Gaussian around each token's time.

    `times` [batch, tokens] in frames, negative where there is no token (after Tachibana et al. 2018, with CTC
    times).
    """
    counted = (times >= 0).float()
    distance = torch.arange(frames) - times[..., None]
    guide = torch.exp(-0.5 * (distance / _GUIDE_WIDTH) ** 2)
    guide = guide / (guide.sum(-1, keepdim=True) + 1e-6)
    total = torch.zeros(())
    for layer in range(tap.layers):
        cross = -(guide[:, None] * tap.log_weights(layer, _GUIDED_HEADS)).sum(-1)
        total = total + (cross * counted[:, None]).sum() / (counted.sum() * _GUIDED_HEADS)
    return total / tap.layers


def phones(logits: Tensor, labels: Tensor, barred: Tensor) -> Tensor:
    """Cross-entropy of every frame against its phone; `barred` [batch, phones] hides the other engine's
    phones.
    """
    if not bool((labels != IGNORED).any()):
        return 0 * logits.sum()
    return functional.cross_entropy((logits + barred[:, None]).flatten(0, 1), labels.flatten(), ignore_index=IGNORED)


def positions(predicted: Tensor) -> Tensor:
    """Mean squared error against sinusoids of the absolute frame number; predicted [batch, frames, 2 *
    periods].
    """
    angle = torch.arange(predicted.shape[1])[:, None] * (2 * math.pi / torch.tensor(POSITION_PERIODS))
    return functional.mse_loss(predicted, torch.cat([angle.sin(), angle.cos()], 1).expand_as(predicted))

"""Which clips a step learns from: a function of seed and step alone, so there is no sampler to save."""

from __future__ import annotations

from collections.abc import Iterator

from studio.config import TrainConfig

_REPLAYED = 1  # tells the order of the replayed clips from that of the own


def clips_of_step(step: int, clips: int, config: TrainConfig, replayed: int = 0) -> list[list[int]]:
    """Indices of the clips in each micro-batch of `step` (counted from 1): own from 0, replayed from `clips` on.

    The epochs stand one after another, each in an order of its own, and are cut into steps of equal size: no
    clip is seen twice before all were seen once, and no step is smaller than another. The replayed clips have
    epochs of their own, and up to any step their share is that of the config, to within a clip.
    """
    size = config.batch_size * config.accumulation
    share = config.replay_share if replayed else 0
    before, after = (int(steps * size * share) for steps in (step - 1, step))
    own = _stream((step - 1) * size - before, size - (after - before), clips, config.seed)
    others = _stream(before, after - before, replayed, config.seed, _REPLAYED)
    chosen = [*own, *(clips + other for other in others)]
    return [chosen[at : at + config.batch_size] for at in range(0, size, config.batch_size)]


def epoch_order(epoch: int, clips: int, seed: int, *stream: int) -> list[int]:
    """The order in which `epoch` goes through the clips; each `stream` has orders of its own."""
    import numpy as np

    return [int(index) for index in np.random.default_rng((seed, epoch, *stream)).permutation(clips)]


def _stream(first: int, count: int, clips: int, seed: int, *stream: int) -> Iterator[int]:
    """`count` clips from place `first` of all the epochs on end."""
    while count > 0:
        epoch, place = divmod(first, clips)
        part = epoch_order(epoch, clips, seed, *stream)[place : place + count]
        yield from part
        first, count = first + len(part), count - len(part)

"""Which clips a step learns from: a function of seed and step alone, so there is no sampler to save."""

from __future__ import annotations

from collections.abc import Iterator

from studio.config import TrainConfig

_REPLAYED = 1  # gives replayed clips another order than the dataset's own


def clips_of_step(step: int, clips: int, config: TrainConfig, replayed: int = 0) -> list[list[int]]:
    """The rows in each micro-batch of `step` (counted from 1), out of `clips` own clips and `replayed` ones.

    A row is counted as they lie: each own clip followed by its variants, then the replayed clips. A clip goes
    through its variants, itself among them, in turn, epoch by epoch.

    The epochs follow one another, each in an order of its own, and are cut into steps of equal size: no
    clip is seen twice before all were seen once, and no step is smaller than another. The replayed clips have
    epochs of their own, and up to any step their share is that of the config, to within a clip.
    """
    looks = 1 + config.augment
    size = config.batch_size * config.accumulation
    share = config.replay_share if replayed else 0
    before, after = (int(steps * size * share) for steps in (step - 1, step))
    own = _stream((step - 1) * size - before, size - (after - before), clips, config.seed)
    others = _stream(before, after - before, replayed, config.seed, _REPLAYED)
    chosen = [clip * looks + (epoch + clip) % looks for epoch, clip in own]
    chosen += [clips * looks + clip for _, clip in others]
    return [chosen[at : at + config.batch_size] for at in range(0, size, config.batch_size)]


def share_of(rank: int, ranks: int, micro_batches: list[list[int]]) -> list[list[int]]:
    """What process `rank` of `ranks` takes of a step: an even part of its clips, in micro-batches no larger."""
    size, clips = len(micro_batches[0]), [clip for batch in micro_batches for clip in batch]
    mine = clips[len(clips) * rank // ranks : len(clips) * (rank + 1) // ranks]
    return [mine[at : at + size] for at in range(0, len(mine), size)]


def epoch_order(epoch: int, clips: int, seed: int, *stream: int) -> list[int]:
    """The order in which `epoch` goes through the clips; each `stream` has orders of its own."""
    import numpy as np

    return [int(index) for index in np.random.default_rng((seed, epoch, *stream)).permutation(clips)]


def _stream(first: int, count: int, clips: int, seed: int, *stream: int) -> Iterator[tuple[int, int]]:
    """(epoch, clip) of `count` clips from place `first` of all the epochs on end."""
    while count > 0:
        epoch, place = divmod(first, clips)
        part = epoch_order(epoch, clips, seed, *stream)[place : place + count]
        yield from ((epoch, clip) for clip in part)
        first, count = first + len(part), count - len(part)

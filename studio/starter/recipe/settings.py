"""All that decides the starter's weights, in one place. Progress counts steps, never time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from studio.starter.recipe.model import Shape

FLOOR = 0.02  # of a cycle's peak learning rate, reached at its end
_PHONE_FIRST, _PHONE_LAST = 0.7, 0.2  # weight of the phone loss


@dataclass(frozen=True, slots=True)
class Recipe:
    """The same recipe, number of workers and build of PyTorch give the same weights."""

    seed: int = 20261
    shape: Shape = field(default_factory=Shape)
    shards: int = 8
    shard_clips: int = 4000
    shard_every: int = 600  # steps after which the next shard joins: it is made while the first ones are learnt
    human_repeats: int = 6  # how often each human clip of the train splits counts
    human_joined: int = 8000  # human digit strings recombined from cut digits; 0: synthetic speech alone
    seconds: float = 12.0  # of sound in a worker's batch
    workers: int = 2  # processes of one thread each; gradients are averaged at every step
    peaks: tuple[float, ...] = (1.2e-3, 8e-4)  # learning rate at the top of each cycle
    cycles: tuple[int, ...] = (6000, 8500)  # steps; each is annealed to FLOOR of its peak
    warmup: int = 100
    curriculum: int = 1500  # steps until clips of all lengths are in
    guide_below: float = 2.6  # running CTC loss under which attention is guided; before, its times are noise
    save_every: int = 500

    @property
    def steps(self) -> int:
        """Steps in all."""
        return sum(self.cycles)

    def learning_rate(self, step: int) -> float:
        """Cosine cycles with warm restarts (Loshchilov and Hutter 2017), each after a linear warm-up."""
        cycle = 0
        while cycle < len(self.cycles) - 1 and step >= self.cycles[cycle]:
            step -= self.cycles[cycle]
            cycle += 1
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.cycles[cycle])))
        return self.peaks[cycle] * min(1.0, (step + 1) / self.warmup) * (FLOOR + (1 - FLOOR) * cosine)

    def phone_weight(self, step: int) -> float:
        """Phones lead at first and fade over half the first cycle."""
        return max(_PHONE_LAST, _PHONE_FIRST - step / self.cycles[0])

    def shards_due(self, step: int) -> int:
        """How many shards training draws from at `step`."""
        return min(self.shards, 1 + step // self.shard_every)

    def saves_at(self, step: int) -> bool:
        """Whether a checkpoint is due after `step` steps: at regular places and where a cycle is fully
        annealed.
        """
        ends = [sum(self.cycles[: place + 1]) for place in range(len(self.cycles))]
        return step % self.save_every == 0 or step in ends


def shard_name(place: int) -> str:
    """The name of a training shard."""
    return f"train-{place:03d}"

"""Two ways to do the same work, turn by turn in one process, on one thread, in processor time.

What other programs take of the machine is not counted, only what they do to its caches: both sides feel that alike.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from time import process_time as clock

WARM_UP = 1  # turns that are not counted: memory is fetched, kernels are chosen


@dataclass(slots=True)
class Race:
    """Processor seconds, and losses where there are some, of each turn of both."""

    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    our_losses: list[float] = field(default_factory=list)
    peer_losses: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """How many times as long the peer took, turn by turn, without those to warm up."""
        both = list(zip(self.peer, self.ours, strict=True))
        return [peer / ours for peer, ours in both[WARM_UP:] or both]

    @property
    def apart(self) -> float:
        """The largest difference of two losses of the same step, in nats a token."""
        pairs = zip(self.our_losses, self.peer_losses, strict=True)
        return max((abs(ours - peer) for ours, peer in pairs), default=float("nan"))

    def as_text(self) -> str:
        """Both medians, the ratio with its range, and how far the losses are apart."""
        ours, peer = (statistics.median(taken[WARM_UP:] or taken) for taken in (self.ours, self.peer))
        ratios = f"{statistics.median(self.ratios):5.2f}x ({min(self.ratios):.2f}-{max(self.ratios):.2f})"
        apart = f"{self.apart:8.0e}" if self.our_losses else ""
        return f"{1000 * ours:9.0f} {1000 * peer:9.0f}   {ratios:<22}{apart}"


HEADER = f"{'':44}{'ours, ms':>9} {'peer, ms':>9}   {'peer / ours':<22}{'losses apart':>12}"


def on_one_thread() -> None:
    """Before a race: with more threads, those that wait for others would be counted as work."""
    import torch

    torch.set_num_threads(1)


def alternate(ours: Callable[[], object], peer: Callable[[], object], turns: int) -> Race:
    """`turns` of both; every second time the other one begins."""
    race = Race()
    for turn in range(turns):
        sides = [(ours, race.ours), (peer, race.peer)]
        for call, taken in sides if turn % 2 else reversed(sides):
            began = clock()
            call()
            taken.append(clock() - began)
    return race

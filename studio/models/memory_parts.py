"""What a family with a sum of its own says of the memory that a run needs; see `studio.models.memory`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parts:
    """Bytes, as in `MemoryEstimate`."""

    weights: int
    loading: int
    adapter: int
    clips: int
    reading: int
    activations: int

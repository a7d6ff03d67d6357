"""One kind of callback for the progress of all long work."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[int, int], None]
"""Gets (done, total) in the work's own unit: clips, bytes, seconds of audio. What it raises ends the work between two
steps; what was done by then is kept where the function says so."""


def unwatched(done: int, total: int) -> None:
    """For work whose progress is not shown."""

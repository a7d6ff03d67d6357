"""One piece of work at a time on a model, and a short queue for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from studio.errors import OverloadedError

MOST_WAITING = 8  # requests; more are sent away until later


class Turns:
    """Whose turn it is: the requests of several threads, one by one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # for work that no queue should turn away
        self._door = threading.Lock()
        self._inside = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for a turn, and have it within the block. Raises OverloadedError where too many wait already."""
        with self._door:
            if self._inside > MOST_WAITING:
                raise OverloadedError(f"{MOST_WAITING} requests are waiting already.", "Try again in a few seconds.")
            self._inside += 1
        try:
            with self.lock:
                yield
        finally:
            with self._door:
                self._inside -= 1

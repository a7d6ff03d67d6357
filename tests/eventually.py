"""Wait in a test for what another process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(check: Callable[[], object], seconds: float = 120.0) -> None:
    """Return once `check` holds; fail where it does not after `seconds`, which even a busy machine does not need."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)

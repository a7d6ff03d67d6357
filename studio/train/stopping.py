"""How a run learns that it should stop: a note in its folder, or SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from studio.errors import StopRequested
from studio.runs.folder import RunFolder

Check = Callable[[], None]
"""Called wherever a run can stop: between micro-batches and between clips. Raises StopRequested."""


class Stopper:
    """Watches for a stop request; use as a context manager to also catch SIGTERM."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._terminated = False
        self.heeds_save = True  # not while what was learnt is on its way to being saved

    def check(self) -> None:
        """Raise StopRequested where the run should stop.

        Discard goes before SIGTERM: it is as quick, and more is asked. Stop-and-save goes after: its scoring
        takes longer than whoever sends SIGTERM will wait, and the request is still there when the run is
        resumed.
        """
        request = self._folder.stop_request()
        if request == "discard":
            raise StopRequested("discard")
        if self._terminated:
            raise StopRequested("interrupted")
        if request == "save" and self.heeds_save:
            raise StopRequested("stop and save")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGTERM as a request while this lasts (in the main thread: Python allows it nowhere else)."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, self._on_signal)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _on_signal(self, *_: Any) -> None:
        self._terminated = True

"""A trainer that waits for its run with its libraries in memory: Start need not import them first, for five seconds.

The page prepares one when the Train tab is looked at. It waits under a supervisor, as a run has one, which a socket
tells what to supervise:

    -> the run's folder, with two descriptors: the lock of `studio.runs.processes`, and the run's log
    <- HAVE, once it has them
    -> GO; without it, it ends: who did not read HAVE in time has started another supervisor

The page's end, however it comes, closes the socket: then both processes end, as they do where no run came for a while.
"""

from __future__ import annotations

import atexit
import os
import select
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cache

import psutil

from studio.runs.folder import JobFolder

HAVE, GO = b"H", b"G"
MEMORY = 5 * 10**8  # bytes that one takes while it waits
LEAST_MEMORY = 2 * 10**9  # bytes that are free: where there are fewer, another program may need them more
_PATIENCE = 10.0  # seconds


class ReadyTrainer:
    """At most one trainer that waits. Any thread may ask."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._channel: socket.socket | None = None  # to its supervisor
        self._environment: dict[str, str] = {}  # that it was started in

    def prepare(self) -> None:
        """Have one wait, unless one does or memory is short. Returns before it has imported anything."""
        with self._asking:
            if self._waits() or psutil.virtual_memory().available < LEAST_MEMORY:
                return
            self._environment = dict(os.environ)
            self._channel, far = socket.socketpair()
            with far:
                subprocess.run(
                    [sys.executable, "-m", "studio.runs.supervisor", "--ready", str(far.fileno())],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    pass_fds=[far.fileno()], start_new_session=True, check=False,
                )  # fmt: skip

    def takes(self, folder: JobFolder, lock: int, log: int) -> bool:
        """Whether one waited and now works on the job in `folder`, with these descriptors as its lock and its log.

        One that was started in another environment does not: it would load other models, or go to other places.
        """
        with self._asking:
            channel, self._channel = self._channel, None
        if channel is None:
            return False
        with channel, suppress(OSError):  # it has ended, or does not answer: then nothing of it may begin any more
            if self._environment != dict(os.environ):
                return False
            channel.settimeout(_PATIENCE)
            socket.send_fds(channel, [os.fsencode(folder.path)], [lock, log])
            if channel.recv(1) == HAVE:
                channel.sendall(GO)
                return True
        return False

    def held(self) -> int:
        """The bytes that one takes now, and that its run need not find free."""
        with self._asking:
            return MEMORY if self._waits() else 0

    def close(self) -> None:
        """End the one that waits."""
        with self._asking:
            if self._channel:
                self._channel.close()
            self._channel = None

    def _waits(self) -> bool:
        """Its supervisor never says anything first: what can be read is its end."""
        if self._channel and not select.select([self._channel], [], [], 0)[0]:
            return True
        if self._channel:
            self._channel.close()
        self._channel = None
        return False


@cache
def shared() -> ReadyTrainer:
    """The one of this process, which the page prepares and every start of a run asks."""
    trainer = ReadyTrainer()
    atexit.register(trainer.close)
    return trainer

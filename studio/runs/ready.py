"""A trainer that waits for its run with its libraries in memory: at Start nothing is left to import, which takes 5 s.

The page prepares one while the Train tab is open. Like a run, it has a supervisor, which gets its job over a socket:

    -> the run's folder, with two descriptors: the lock of `studio.runs.processes`, and the run's log
    <- HAVE, once it has received them
    -> GO; if it does not come, the supervisor exits: HAVE came too late, and another one has been started

When the page ends, for whatever reason, the socket closes and both processes exit. They also exit after a while without
a job.
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
    """Holds at most one waiting trainer. May be used from any thread."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._channel: socket.socket | None = None  # to its supervisor
        self._environment: dict[str, str] = {}  # in which it was started

    def prepare(self) -> None:
        """Start one, unless one is waiting or memory is short. Returns before it has imported anything."""
        with self._changing:
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

    def hand_over(self, folder: JobFolder, lock: int, log: int) -> bool:
        """Give it the job in `folder`, with the descriptors of its lock and its log; False where none can take it.

        A trainer that was started in another environment cannot: it might look for models elsewhere.
        """
        with self._changing:
            channel, self._channel = self._channel, None
        if channel is None:
            return False
        with channel, suppress(OSError):  # it has exited, or does not answer: closing the socket keeps it from starting
            if self._environment != dict(os.environ):
                return False
            channel.settimeout(_PATIENCE)
            socket.send_fds(channel, [os.fsencode(folder.path)], [lock, log])
            if channel.recv(1) == HAVE:
                channel.sendall(GO)
                return True
        return False

    def held(self) -> int:
        """Bytes of memory that a waiting trainer takes, and that its run need not find free."""
        with self._changing:
            return MEMORY if self._waits() else 0

    def close(self) -> None:
        """End the waiting trainer."""
        with self._changing:
            if self._channel:
                self._channel.close()
            self._channel = None

    def _waits(self) -> bool:
        """Whether its supervisor is alive: it never writes first, so a socket that can be read has been closed."""
        if self._channel and select.select([self._channel], [], [], 0)[0]:
            self._channel.close()
            self._channel = None
        return self._channel is not None


@cache
def shared() -> ReadyTrainer:
    """The one of this process: the page prepares it, and every start of a run tries it first."""
    trainer = ReadyTrainer()
    atexit.register(trainer.close)
    return trainer

"""`python -m studio.runs.supervisor FOLDER`: runs the command in `job.json`, and writes down how it ended.

With `--ready DESCRIPTOR` in place of a folder it waits for a job on that socket: see `studio.runs.ready`.

It lives in a session of its own, so that the page may come and go, and holds the lock of `studio.runs.processes`
for as long as it lives. When it ends, no descendant of the command is left. On Linux a descendant that left its
parents comes back to the supervisor (PR_SET_CHILD_SUBREAPER), and the command is asked to end when the
supervisor is killed (PR_SET_PDEATHSIG); elsewhere such a command is found and ended by the next start.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from studio.errors import StudioError
from studio.runs.control import end
from studio.runs.ending import append, is_final, last_events, last_step, last_word, quiet_seconds
from studio.runs.events import Event, Failed, Stopped
from studio.runs.folder import FOLDER_VARIABLE, JobFolder
from studio.runs.processes import Job, ProcessId
from studio.runs.ready import GO, HAVE

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
_POLL = 0.1  # seconds
IDLE = 600.0  # seconds without a job after which a waiting trainer gives its memory back
_SWEEPS = 3  # what is being ended may start something yet
_LONGEST_PATH = 4096  # bytes; linux/limits.h
_REASON_LINES, _REASON_CHARACTERS = 3, 600
_TRACEBACK = "Traceback (most recent call last):"
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that a command gets at each stage of being stopped."""

    save: float = 300.0  # without a word in the event log: scoring and saving take their time
    discard: float = 5.0
    terminate: float = 10.0  # from SIGTERM to SIGKILL: a checkpoint is written


class Supervisor:
    """One command, from its start to the last line about it."""

    def __init__(self, folder: JobFolder, patience: Patience, ready: subprocess.Popen[bytes] | None = None) -> None:
        """With `ready`, a waiting trainer that is to run the command."""
        job = Job.read(folder)
        if job is None:
            raise SystemExit(f"{folder.job} is missing or unreadable.")
        self.folder, self.patience, self.job, self._ready = folder, patience, job, ready
        self.is_told_to_end = False

    def run(self) -> None:
        """Start the command, wait for it, sweep what it left, and write how it ended."""
        for number in _STOP_SIGNALS:
            signal.signal(number, self._on_signal)
        _set_process(_PR_SET_CHILD_SUBREAPER, 1)
        log_start = self.folder.log.stat().st_size
        try:
            self.child = self._start()
        except OSError as error:
            message = f"{error.filename} could not be started: {error.strerror}."
            append(self.folder, Failed(message=message, remedy="Check that it still exists."))
            return
        try:
            self._note(child=ProcessId.of(self.child.pid), supervisor=ProcessId.of(os.getpid()))
            self._wait()
        finally:
            self._sweep()
        self._last_words(log_start)
        self._note(ended_at=time.time(), exit_code=self.child.returncode)

    def _on_signal(self, *_: object) -> None:
        self.is_told_to_end = True

    def _note(self, **facts: object) -> None:
        self.job = self.job.model_copy(update=facts)
        self.job.write(self.folder)

    def _start(self) -> subprocess.Popen[bytes]:
        workspace = self.folder.path.parent.parent  # <workspace>/outputs/<run>
        environment = {"STUDIO_WORKSPACE": str(workspace), FOLDER_VARIABLE: str(self.folder.path)}
        if self._ready and self._hand_over(self._ready, environment):
            return self._ready
        # stdout and stderr are the log already
        return _begun(self.job.command, environment, stdin=subprocess.DEVNULL, cwd=self.job.folder)

    def _hand_over(self, trainer: subprocess.Popen[bytes], environment: dict[str, str]) -> bool:
        """Give the job to the waiting `trainer`; False where it has exited."""
        assert trainer.stdin
        given = {"arguments": self.job.arguments, "folder": self.job.folder, "environment": environment}
        with suppress(BrokenPipeError), trainer.stdin:
            trainer.stdin.write(json.dumps({**given, "log": str(self.folder.log)}).encode() + b"\n")
        return trainer.poll() is None

    def _wait(self) -> None:
        """Until the command ends, by itself or when it was asked to and its time is up."""
        while self.child.poll() is None:
            if self.is_told_to_end or self.folder.stop_request():
                return self._end()
            time.sleep(_POLL)

    def _end(self) -> None:
        asked = time.monotonic()
        while self.child.poll() is None and not self._is_overdue(time.monotonic() - asked):
            time.sleep(_POLL)
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.child.poll() is None:  # not reaped: the group's number is still its own
                os.killpg(self.child.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    self.child.wait(self.patience.terminate)

    def _is_overdue(self, waited: float) -> bool:
        if self.is_told_to_end:
            return True
        if self.folder.stop_request() == "discard":
            return waited > self.patience.discard
        return min(waited, quiet_seconds(self.folder)) > self.patience.save

    def _sweep(self) -> None:
        for _ in range(_SWEEPS):
            if left := psutil.Process().children(recursive=True):
                end(left, self.patience.terminate)

    def _last_words(self, log_start: int) -> None:
        events = last_events(self.folder, self.job.events_offset)
        word, request, code = last_word(events), self.folder.stop_request(), self.child.returncode
        if is_final(word, code):
            return
        event: Event
        if request == "discard":
            event = Stopped(step=last_step(events), reason="discard")
        elif self.is_told_to_end:
            event = Stopped(step=last_step(events), reason="interrupted")
        else:
            event = Failed(message=_reason(self.folder.log, log_start, code), remedy=_remedy(code))
        append(self.folder, event)


def _reason(log: Path, start: int, code: int) -> str:
    """What the command said last, for the person who asks why."""
    with log.open("rb") as stream:
        stream.seek(max(start, stream.seek(0, 2) - 8192))
        said = [line.strip() for line in stream.read().decode(errors="replace").splitlines() if line.strip()]
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    count = 1 if _TRACEBACK in said else _REASON_LINES  # its last line names the error
    last = "\n".join(said[-count:])[-_REASON_CHARACTERS:]
    return f"The process {how} before it was done." + (f" It said last:\n{last}" if last else "")


def _remedy(code: int) -> str:
    if code == -signal.SIGKILL:
        return "Perhaps memory ran out: resume from the last checkpoint, or start anew with smaller batches."
    return "Resume from the last checkpoint; the log has the details."


def _begun(command: list[str], environment: Mapping[str, str], **how: Any) -> subprocess.Popen[bytes]:
    """`command` in a session of its own; it is asked to end when this process has ended."""
    return subprocess.Popen(
        command,
        env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
        preexec_fn=_end_with_parent,
        **how,
    )


def _end_with_parent() -> None:
    _set_process(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _set_process(option: int, value: int) -> None:
    """Linux' prctl for this process; nothing elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def main(folder: str, patience: Patience = Patience(), ready: subprocess.Popen[bytes] | None = None) -> None:
    """Supervise the job in `folder`."""
    try:
        Supervisor(JobFolder(Path(folder)), patience, ready).run()
    except (StudioError, OSError) as error:  # a full disk: the run's state then follows from what it wrote before
        sys.exit(f"The supervisor could not record how the run ended: {error}")


def wait_for_job(channel: socket.socket, idle: float = IDLE) -> None:
    """Start a trainer that waits, and supervise the job that arrives on `channel`; exit after `idle` seconds."""
    silent = subprocess.DEVNULL
    trainer = _begun(
        [sys.executable, "-m", "studio.cli.ready"], {}, stdin=subprocess.PIPE, stdout=silent, stderr=silent
    )
    if folder := _received(channel, idle):
        return main(folder, ready=trainer)
    trainer.kill()
    trainer.wait()


def _received(channel: socket.socket, idle: float) -> str | None:
    """The folder of the job that arrived, whose lock and log this process holds from now on; None where none did."""
    channel.settimeout(idle)
    with channel, suppress(OSError):
        folder, descriptors, _, _ = socket.recv_fds(channel, _LONGEST_PATH, 2)
        if len(descriptors) == 2:
            os.dup2(descriptors[1], 1)
            os.dup2(descriptors[1], 2)
            channel.sendall(HAVE)
            return os.fsdecode(folder) if channel.recv(1) == GO else None
    return None


if __name__ == "__main__":
    if os.fork():
        os._exit(0)  # who starts a run need not wait for its end
    if sys.argv[1] == "--ready":
        wait_for_job(socket.socket(fileno=int(sys.argv[2])))
    else:
        main(sys.argv[1])

"""How a run ended, read from the last lines of its event log."""

from __future__ import annotations

import time
from pathlib import Path

from studio.runs.events import Event, Failed, Finished, Started, StepDone, Stopped, parse, to_line
from studio.runs.folder import JobFolder

_TAIL = 32_768  # bytes: some hundred events
Lifecycle = Started | Stopped | Failed | Finished


def last_events(folder: JobFolder, since: int = 0, most: int = _TAIL) -> list[Event]:
    """The last whole events of the run after byte `since`: those in `most` bytes, by default some hundred events."""
    try:
        with folder.events.open("rb") as stream:
            end = stream.seek(0, 2)
            start = stream.seek(max(since, end - most))
            lines = stream.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    whole = lines[1:] if start > since else lines
    return [event for line in whole if (event := parse(line)) is not None]


def last_word(events: list[Event]) -> Lifecycle | None:
    """The last event of `events` that begins or ends a run."""
    return next((event for event in reversed(events) if isinstance(event, Lifecycle)), None)


def was_stopped(folder: JobFolder) -> bool:
    """Whether a person ended the training of this finished run before its last step.

    Of what begins, trains or stops, the last event decides. Scoring comes after it, however many events that takes.
    """
    size, most = folder.events.stat().st_size, _TAIL
    while True:
        for event in reversed(last_events(folder, most=most)):
            if isinstance(event, Started | StepDone | Stopped):
                return isinstance(event, Stopped) and event.reason == "stop and save"
        if most >= size:
            return False
        most *= 16


def is_final(word: Lifecycle | None, exit_code: int) -> bool:
    """Whether a process that ended with `exit_code` after saying `word` left nothing to explain."""
    if isinstance(word, Stopped) and word.reason in ("stop and save", "early stop"):
        return exit_code == 0  # scoring and saving came after it
    return isinstance(word, Stopped | Failed | Finished) or (word is None and exit_code == 0)


def last_step(events: list[Event]) -> int:
    """The last optimiser step in `events`, or 0."""
    return next((event.step for event in reversed(events) if isinstance(event, StepDone)), 0)


def append(folder: JobFolder, event: Event) -> None:
    """Write `event` for a trainer that no longer can, on a line of its own even after a torn one."""
    mend(folder.events)
    with folder.events.open("a", encoding="utf-8") as stream:
        stream.write(to_line(event))


def mend(log: Path) -> int:
    """End a torn last line of `log`, so that what follows is not lost with it; the size of `log` in bytes."""
    if not log.exists():
        return 0
    with log.open("rb+") as stream:
        size = stream.seek(0, 2)
        if size:
            stream.seek(size - 1)
            if stream.read(1) != b"\n":
                stream.write(b"\n")
        return stream.tell()


def quiet_seconds(folder: JobFolder) -> float:
    """Seconds since the run last said anything."""
    try:
        return time.time() - folder.events.stat().st_mtime
    except FileNotFoundError:
        return float("inf")

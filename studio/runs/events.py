"""What a run reports: one frozen event a line in `events.jsonl`, each figure with its unit.

Whoever follows a run (the page, the command line, a test) reads this file from a byte offset; nothing else is
remembered, so a reload, a second tab or a closed browser lose nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from studio.text.metrics import Unit
from studio.workspace import disk_errors


class _Event(BaseModel):
    # NaN and infinity as strings: a loss that ran away is still an event, and browsers read the line
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")

    at: float = Field(default_factory=time.time)  # seconds since the epoch


class Started(_Event):
    """The run's plan. A resumed run says so again, with `resumed_from` > 0."""

    type: Literal["started"] = "started"
    run: str
    model: str
    device: str
    train_clips: int
    validation_clips: int
    test_clips: int
    train_seconds: float  # audio
    max_steps: int
    trainable_parameters: int
    total_parameters: int
    resumed_from: int = 0  # step
    processes: int = 1  # that share the clips of every step


PhaseName = Literal[
    "loading", "labelling", "encoding", "baseline", "training", "validating", "tuned", "writing",
    "reading", "checking", "importing", "exporting", "aligning", "waiting",  # of tasks: see studio.runs.tasks
]  # fmt: skip


class Phase(_Event):
    """What the run is doing now, and how far it is in it (`done` of `total` clips or steps)."""

    type: Literal["phase"] = "phase"
    name: PhaseName
    done: int = 0
    total: int = 0
    general: bool = False  # these are clips of other voices


class StepDone(_Event):
    """One optimiser step. `loss` is nats per token over the whole global batch."""

    type: Literal["step"] = "step"
    step: int
    loss: float
    learning_rate: float
    clips_per_second: float
    seconds: float  # of training so far, resumes added up


class Evaluated(_Event):
    """A split was decoded: `split` is validation while training; test at step 0 (before) and at the end (after)."""

    type: Literal["evaluated"] = "evaluated"
    step: int
    split: Literal["validation", "test", "general"]
    wer: float  # 0..1 and beyond
    cer: float
    unit: Unit = "word"  # character: the language has no spaces, and `cer` is the rate to go by
    clips: int
    best: bool = False  # the best validation so far: this is what is kept
    loss: float | None = None  # nats per token, each token given the reference before it
    general_wer: float | None = None  # of the general set, digits and their names counting as the same
    general_loss: float | None = None


class LossMeasured(_Event):
    """The validation clips after `step`, without decoding them: nats per token."""

    type: Literal["loss"] = "loss"
    step: int
    loss: float
    general_loss: float | None = None


class CheckpointSaved(_Event):
    """All that is needed to go on from `step` lies in `path`, relative to the run folder."""

    type: Literal["checkpoint"] = "checkpoint"
    step: int
    path: str


class Sampled(_Event):
    """One clip of the split just decoded, for the eye."""

    type: Literal["sample"] = "sample"
    step: int
    reference: str
    hypothesis: str


class Warned(_Event):
    """Something a person should know; the run goes on."""

    type: Literal["warned"] = "warned"
    message: str


class Noted(_Event):
    """What a task found, in a sentence."""

    type: Literal["noted"] = "noted"
    message: str


class Stopped(_Event):
    """Training ended before `max_steps`: by the person, or because it no longer got better, or ran away."""

    type: Literal["stopped"] = "stopped"
    step: int
    reason: Literal["stop and save", "discard", "early stop", "interrupted", "diverged"]


class Failed(_Event):
    """The run ended without a result. What happened, then what to do."""

    type: Literal["failed"] = "failed"
    message: str
    remedy: str = ""


class Finished(_Event):
    """The run is whole; its folder has `DONE`."""

    type: Literal["finished"] = "finished"
    step: int
    best_step: int
    strength: float = 1.0  # of the adapter: below 1 it was weakened after training
    wer_before: float | None
    wer_after: float | None
    cer_before: float | None = None
    cer_after: float | None = None
    unit: Unit = "word"
    seconds: float  # wall time
    peak_memory: int  # bytes, resident (CPU) or allocated (GPU)


Event = Annotated[
    Started
    | Phase
    | StepDone
    | Evaluated
    | LossMeasured
    | CheckpointSaved
    | Sampled
    | Warned
    | Noted
    | Stopped
    | Failed
    | Finished,
    Field(discriminator="type"),
]
_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)


def to_line(event: Event) -> str:
    """`event` as one line of JSON, newline included."""
    return event.model_dump_json() + "\n"


def parse(line: str | bytes) -> Event | None:
    """The event in `line`, or None where the line is torn or of a newer version."""
    try:
        return _ADAPTER.validate_json(line)
    except ValidationError:
        return None


def write(stream: IO[str], event: Event) -> None:
    """Append `event` to an open log, so that a follower sees it at once."""
    stream.write(to_line(event))
    stream.flush()


@contextmanager
def appending(path: Path) -> Iterator[Callable[[Event], None]]:
    """What appends an event to the log `path`, at once and whole. Raises DiskError, also when it is opened."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        log = path.open("ab", buffering=0)  # whole lines or nothing: no rest is left to write at the end

    def append(event: Event) -> None:
        with disk_errors(path):
            log.write(to_line(event).encode())

    with log:
        yield append


def read(path: Path, offset: int = 0) -> Iterator[tuple[int, Event]]:
    """Yield `(offset after the line, event)` for every whole line of `path` from byte `offset` on.

    A torn last line is left for the next call; a missing file yields nothing.
    """
    for end, line in read_lines(path, offset):
        if (event := parse(line)) is not None:
            yield end, event


def as_it_went(log: Iterable[Event]) -> list[Event]:
    """The story of a run without the steps that a resume took back."""
    story: list[Event] = []
    for event in log:
        if isinstance(event, Started):
            story = [past for past in story if getattr(past, "step", 0) <= event.resumed_from]
        story.append(event)
    return story


def read_lines(path: Path, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield `(offset after the line, line)` for every whole line of `path` from byte `offset` on."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        stream.seek(offset)
        for line in stream:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield offset, line

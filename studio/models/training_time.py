"""How long a run will take, estimated before it starts: from an earlier run like it, else from this computer's speed.

Without an earlier run, training on a clip once is taken as two operations for each parameter and frame. How fast the
idle computer does them is measured by the quickest of many small matrix products; two models on one CPU set the ratio,
so the estimate is a range. It says when the computer is busy. A GPU's speed is not known before its first run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil

from studio.config import TrainConfig
from studio.data.utterance import Example
from studio.errors import StudioError
from studio.models.memory import operations_for_a_clip
from studio.runs import events
from studio.runs.events import Evaluated, Event, Finished, Phase, Started, StepDone
from studio.runs.folder import RunFolder
from studio.runs.listing import runs
from studio.workspace import Workspace

_LOOKED_AT = 20  # runs, the newest first
_LOADING = 8.0  # seconds, for Python, its libraries and the model
# Training does so many times the operations of many small products: Moonshine tiny 103e9 a second, Whisper base 89e9,
# where two cores multiply 42e9.
_EFFICIENCY = 2.2
_SIDE = 48  # of the matrices that are multiplied to measure this computer: too small for a second thread
_TOGETHER = 20  # products that are timed as one
_MEASURED = 0.02  # seconds of one core's time that this takes
_PATIENCE = 0.5  # seconds, where others use the cores
_BUSY = 1.5  # programs that wait for each core, from which a run takes notably longer
_WITHIN = 2.0  # the factor that the guess may be wrong by


@dataclass(frozen=True, slots=True)
class Expected:
    """Seconds that a run would take in all, if it does not end early."""

    least: float
    most: float
    like: str = ""  # the earlier run that was measured; empty where it is a guess
    is_busy: bool = False  # other programs use this computer now

    def as_text(self, steps: int) -> str:
        """What a person should know of it before a run of `steps` starts."""
        if self.like:
            return f"Time: about {in_words(self.most)} for all {steps} steps, going by {self.like}."
        more = (
            "This computer is busy with other work now, so it may take longer."
            if self.is_busy
            else "After the first run the estimate will be closer."
        )
        return f"Time: roughly {in_words(self.least)} to {in_words(self.most)} for all {steps} steps. {more}"


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a finished run was."""

    rest: float  # seconds: loading, encoding, writing
    scored: float  # seconds for each clip of the test set, before and after together
    learnt: float  # seconds for each clip of each step, validation included


def expected(
    workspace: Workspace, config: TrainConfig, clips: Sequence[Example], others: Sequence[Example], *, on_cpu: bool
) -> Expected | None:
    """The time that a run by `config` on `clips` takes here; None where it cannot be estimated.

    `others` are the clips of a general set, which are transcribed to see what is forgotten.
    """
    tests = sum(clip.split == "test" for clip in clips)
    learnt = config.max_steps * _clips_a_step(config)
    if found := _measured(workspace, config):
        name, pace = found
        seconds = pace.rest + pace.scored * tests + pace.learnt * learnt
        return Expected(seconds, seconds, name)
    operations = _operations(config, clips) if on_cpu else None
    if operations is None:
        return None
    speed = _EFFICIENCY * _operations_per_second() * min(config.threads or _cores(), _cores())
    seconds = _LOADING + operations * (learnt + _transcribed(config, [*clips, *others], learnt)) / speed
    return Expected(seconds / _WITHIN, seconds * _WITHIN, is_busy=psutil.getloadavg()[0] > _BUSY * _cores())


def _operations(config: TrainConfig, clips: Sequence[Example]) -> float | None:
    return operations_for_a_clip(config, [clip.duration for clip in clips], [clip.text for clip in clips])


def _transcribed(config: TrainConfig, clips: Sequence[Example], learnt: int) -> int:
    """How many clips a run transcribes: the test clips twice, those that choose at every scoring, within bounds."""
    tests, choosing = (sum(clip.split == split for clip in clips) for split in ("test", "validation"))
    scorings = config.max_steps // config.eval_every + 1
    return 2 * tests + min(scorings * choosing, learnt)


def in_words(seconds: float) -> str:
    """A time that is not known to the second: `40 s`, `3 min`, `2 h 10 min`."""
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(round(minutes, -1), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def _measured(workspace: Workspace, config: TrainConfig) -> tuple[str, Pace] | None:
    """The newest finished run of the same model that teaches the same on the same device, and its pace."""
    for run in [run for run in runs(workspace) if run.model == config.model][:_LOOKED_AT]:
        with suppress(StudioError, OSError):  # its folder is broken, or was deleted meanwhile
            folder = RunFolder(workspace.run(run.name))
            settings = folder.settings() if folder.done.is_file() and not folder.cluster.is_file() else None
            if settings is None or _kind(settings) != _kind(config):
                continue
            if pace := _pace(folder.events, run.started_at, _clips_a_step(settings)):
                return run.name, pace
    return None


def _clips_a_step(config: TrainConfig) -> int:
    return config.batch_size * config.accumulation


def _kind(config: TrainConfig) -> tuple[object, ...]:
    named = ("targets", "device", "precision", "threads", "gradient_checkpointing", "short_frames")
    return tuple(getattr(config, name) for name in named)


@lru_cache(maxsize=_LOOKED_AT)
def _pace(log: Path, _started_at: float, clips_a_step: int) -> Pace | None:
    """How fast the run was, by the events in `log`; None where it was resumed, or did not come to its end."""
    story = [event for _, event in events.read(log)]
    steps = [event for event in story if isinstance(event, StepDone)]
    end = story[-1] if story else None
    if sum(isinstance(event, Started) for event in story) != 1 or not steps or not isinstance(end, Finished):
        return None
    tests = max((event.clips for event in story if isinstance(event, Evaluated) and event.split == "test"), default=0)
    trained, scored = steps[-1].seconds, _scored(story)
    return Pace(max(0.0, end.seconds - trained - scored), scored / max(tests, 1), trained / (len(steps) * clips_a_step))


def _scored(story: Sequence[Event]) -> float:
    """Seconds that the test clips took, before and after."""
    began: float | None = None
    seconds = 0.0
    for event in story:
        if isinstance(event, Phase) and event.name in ("baseline", "tuned"):
            began = event.at if began is None else began
        elif isinstance(event, Evaluated) and event.split == "test" and began is not None:
            seconds, began = seconds + event.at - began, None
    return seconds


@lru_cache(maxsize=1)
def _operations_per_second() -> float:
    """How fast one core multiplies matrices when it does nothing else.

    The quickest products count, in the time that this thread had a core: a busy computer makes the others slower, some
    a hundred times.
    """
    import numpy as np

    matrix = np.ones((_SIDE, _SIDE), np.float32)
    quickest = float("inf")
    began, clock = time.thread_time(), time.perf_counter()
    while time.thread_time() - began < _MEASURED and time.perf_counter() - clock < _PATIENCE:
        start = time.thread_time()
        for _ in range(_TOGETHER):
            matrix @ matrix
        quickest = min(quickest, time.thread_time() - start)
    return 2 * _SIDE**3 * _TOGETHER / quickest


def _cores() -> int:
    return os.cpu_count() or 1

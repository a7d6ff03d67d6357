"""Sixty SIGKILLs at random moments, ten to a run, and each run ends with the bits of one that nobody disturbed."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from tones import adapter, config, folder_of, in_child, logged, told, tones, train

from studio.config import TrainConfig
from studio.runs.events import Finished, StepDone

SEEDS = (1, 2, 3, 4, 5, 6)
KILLS = 10  # to a run
STEPS = 40
SETTINGS = config(max_steps=STEPS, eval_every=3, patience=STEPS)

Where = Literal["anywhere", "while it saves", "while it scores"]


@dataclass(frozen=True, slots=True)
class Moment:
    """Once `step` is done: after some milliseconds, or at the n-th touch of the disk or n-th clip from then on."""

    step: int
    where: Where
    number: int


def moments(seed: int) -> list[Moment]:
    """Ten, one after another in the course of a run: three while a checkpoint is written, three while it scores."""
    numbers = random.Random(seed)
    steps = sorted(numbers.randrange(STEPS - 10) for _ in range(KILLS))
    places: list[Where] = ["while it saves"] * 3 + ["while it scores"] * 3 + ["anywhere"] * (KILLS - 6)
    numbers.shuffle(places)
    most: dict[Where, int] = {"while it saves": 6, "while it scores": 4, "anywhere": 40}
    return [Moment(step, where, numbers.randint(1, most[where])) for step, where in zip(steps, places, strict=True)]


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(number: int, owner: Any, names: tuple[str, ...]) -> None:
    """From now on be killed at the n-th call of any of these functions of `owner`."""
    calls = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number:
                killed()
            return call(*arguments)

        return instead

    for name in names:
        setattr(owner, name, counted(getattr(owner, name)))


def train_until(workspace: Path, run: str, settings: TrainConfig, moment: Moment) -> None:
    """Run or go on, and be killed at `moment`."""
    from studio.models.echo import Echo

    def arm() -> None:
        match moment.where:
            case "anywhere":
                threading.Timer(moment.number / 1000, killed).start()
            case "while it saves":
                at_call(moment.number, os, ("fsync", "replace", "rename"))
            case "while it scores":
                at_call(moment.number, Echo, ("transcribe",))

    armed = moment.step == 0
    if armed:
        arm()
    for event in logged(workspace, run, settings, True):
        if not armed and isinstance(event, StepDone) and event.step >= moment.step:
            armed = True
            arm()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("workspace")
    tones(root)
    train(root, "whole", SETTINGS)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.thorough
def test_a_run_killed_ten_times_at_random_moments_ends_with_the_bits_of_one_that_nobody_killed(
    seed: int, workspace: Path
) -> None:
    run = f"killed-{seed}"
    for moment in moments(seed):
        assert in_child(train_until, workspace, run, SETTINGS, moment) == -signal.SIGKILL, moment
        assert not folder_of(workspace, run).done.exists()
    assert isinstance(train(workspace, run, SETTINGS, resume=True)[-1], Finished)
    assert adapter(workspace, run) == adapter(workspace, "whole")
    assert told(workspace, run) == told(workspace, "whole")

"""Runs of the fake family, for the tests of training: a dataset of tones, and runs, whole or cut short."""

from __future__ import annotations

import io
import multiprocessing
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

from studio.config import TrainConfig
from studio.data.manifest import Dataset
from studio.data.utterance import Split
from studio.models.echo import speak
from studio.runs import events
from studio.runs.events import Event, Phase
from studio.runs.folder import RunFolder
from studio.text import digits_to_words
from studio.train.loop import Learner, fresh_learner
from studio.workspace import Workspace

SPLITS: tuple[Split, ...] = ("train", "train", "train", "validation", "test")
SETTINGS: dict[str, Any] = {
    "dataset": "tones",
    "model": "echo",
    "replay": "none",  # a test that replays says what
    "targets": "all",
    "rank": 8,
    "alpha": 16.0,
    "dropout": 0.2,  # so that the random state matters
    "learning_rate": 0.02,
    "warmup_steps": 2,
    "max_steps": 10,
    "batch_size": 2,
    "accumulation": 2,
    "eval_every": 4,
    "threads": 1,
}
PRELOADED = ["torch", "peft", "accelerate", "transformers", "studio.train.stages", "studio.models.echo"]
TIMES = ("at", "seconds", "clips_per_second", "peak_memory")


def wav(text: str) -> bytes:
    """`text` as the fake family hears it, as a sound file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, speak(text), 16_000, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def tones(workspace: Path, clips: int = 20) -> Dataset:
    """A dataset of `clips` orders, spoken as digits and labelled as words, three fifths to learn from."""
    dataset = Dataset.create(workspace / "recordings" / "tones")
    numbers = random.Random(0)
    for place in range(clips):
        order = f"order {numbers.randrange(10_000):04d}"
        dataset.add(wav(order), text=digits_to_words(order), prompt=order, split=SPLITS[place % len(SPLITS)])
    return dataset


def config(**changes: Any) -> TrainConfig:
    """Settings that teach the fake to write words in ten steps."""
    return TrainConfig(**{**SETTINGS, **changes})


def folder_of(workspace: Path, run: str) -> RunFolder:
    """The folder of the run called `run`, made."""
    folder = RunFolder(workspace / "outputs" / run)
    folder.path.mkdir(parents=True, exist_ok=True)
    return folder


def train(workspace: Path, run: str, settings: TrainConfig, *, resume: bool = False) -> list[Event]:
    """Run as the verb `train` does, events to the log; all of them."""
    return list(logged(workspace, run, settings, resume))


def in_child(function: Callable[..., Any], *arguments: Any) -> int | None:
    """Call `function` in a process of its own, which has imported everything already; how that process ended."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    child = context.Process(target=function, args=arguments)
    child.start()
    child.join(120)
    return child.exitcode


def train_until(
    workspace: Path, run: str, settings: TrainConfig, events_until_killed: int, resume: bool = False
) -> None:
    """Run, and be killed by SIGKILL right after that many events."""
    for count, _ in enumerate(logged(workspace, run, settings, resume), start=1):
        if count == events_until_killed:
            os.kill(os.getpid(), signal.SIGKILL)


def train_until_write(workspace: Path, run: str, settings: TrainConfig, calls_until_killed: int) -> None:
    """Run, and be killed by SIGKILL while it writes: at that many flushes to disk or new names."""
    calls = 0

    def counted(call: Callable[..., None]) -> Callable[..., None]:
        def instead(*arguments: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == calls_until_killed:
                os.kill(os.getpid(), signal.SIGKILL)
            call(*arguments)

        return instead

    for name in ("fsync", "replace", "rename"):
        setattr(os, name, counted(getattr(os, name)))
    train(workspace, run, settings)


def logged(workspace: Path, run: str, settings: TrainConfig, resume: bool) -> Any:
    from studio.train.finetune import run as fine_tune

    folder = folder_of(workspace, run)
    with pytest.MonkeyPatch.context() as patch, folder.events.open("a", encoding="utf-8") as log:
        patch.setenv("STUDIO_WORKSPACE", str(workspace))
        for event in fine_tune(settings, folder, Workspace(workspace), resume=resume):
            events.write(log, event)
            yield event


TEXTS = ["order 12", "a much longer order 98765", "3", "phone 555 then 11", "code 0", "order 40 40"]


def learner_of(settings: TrainConfig) -> Learner:
    """A fresh adapter on the fake, and rows of very different lengths."""
    from studio.models import adapters, load
    from studio.models.base import Clip

    recogniser = adapters.attach(
        load("echo"), settings.rank, settings.alpha, settings.dropout, settings.targets, settings.seed
    )
    learner = fresh_learner(recogniser, settings)
    for text in TEXTS:
        clip = Clip(speak(text), digits_to_words(text))
        learner.rows.append(recogniser.family.prepare(recogniser.model, recogniser.processor, clip))
    return learner


def weights(learner: Learner) -> list[Any]:
    return [parameter.detach().clone() for parameter in learner.parameters.values()]


def go_on() -> None:
    """A check that never asks to stop."""


def adapter(workspace: Path, run: str) -> bytes:
    """The weights that a run left, to the bit."""
    return (workspace / "outputs" / run / "lora_adapter" / "adapter_model.safetensors").read_bytes()


def told(workspace: Path, run: str) -> dict[str, list[dict[str, Any]]]:
    """What a reader makes of a log, without times: the later of two lines about one thing stands for both."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for _, event in events.read(workspace / "outputs" / run / "events.jsonl"):
        if isinstance(event, events.Started):
            found = {key: facts for key, facts in found.items() if (facts.get("step") or 0) <= event.resumed_from}
        facts = {name: value for name, value in event.model_dump().items() if name not in TIMES}
        found[event.type, facts.get("step"), facts.get("split")] = facts
    kinds = ("step", "evaluated", "finished")
    return {kind: [facts for key, facts in sorted(found.items(), key=repr) if key[0] == kind] for kind in kinds}


def kinds(events: list[Event]) -> list[str]:
    """The order of the story, without repetitions."""
    names = [event.name if isinstance(event, Phase) else event.type for event in events]
    return [name for name, before in zip(names, [None, *names], strict=False) if name != before and name != "sample"]


def run_until(workspace: Path, run: str, wanted: Callable[[Event], bool], how: str = "", **changes: Any) -> list[Event]:
    """Ask a run to stop as soon as `wanted` says so of an event: by SIGTERM, or by a note in its folder."""
    asked, seen = False, []
    for event in logged(workspace, run, config(**changes), False):
        seen.append(event)
        if not asked and wanted(event):
            asked = True
            if how:
                folder_of(workspace, run).request_stop(how)  # type: ignore[arg-type]
            else:
                os.kill(os.getpid(), signal.SIGTERM)
    return seen

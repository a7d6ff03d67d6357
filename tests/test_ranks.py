"""Several processes share the clips of every step, and the run is the one that a single process would have made."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import tiny_models
from eventually import until
from hypothesis import given
from hypothesis import strategies as st
from tones import PRELOADED, SPLITS, adapter, config, folder_of, told, train, wav
from typer.testing import CliRunner

from studio.cli import app
from studio.config import TrainConfig
from studio.data.manifest import Dataset
from studio.errors import ConfigError
from studio.runs import control, events
from studio.runs.events import Event, Failed, Finished, Started, StepDone, Stopped, Warned
from studio.text import digits_to_words
from studio.train.batches import share_of
from studio.train.ranks import are_launched
from studio.workspace import Workspace

SETTINGS = config(dropout=0)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of seven to thirty-two tones: shares of a step differ much in tokens."""
    root = tmp_path_factory.mktemp("workspace")
    dataset = Dataset.create(root / "recordings" / "tones")
    numbers = random.Random(1)
    for place in range(20):
        order = "order " + "".join(f"{numbers.randrange(10)}" for _ in range(1 + 5 * (place % 6)))
        dataset.add(wav(order), text=digits_to_words(order), prompt=order, split=SPLITS[place % len(SPLITS)])
    return root


@pytest.fixture(scope="module")
def whole(workspace: Path) -> list[Event]:
    """What one process makes of SETTINGS, in the run `alone`."""
    return train(workspace, "alone", SETTINGS)


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def launch(workspace: Path, run: str, settings: TrainConfig, processes: int = 2) -> subprocess.Popen[str]:
    """The command of the README, on CPUs."""
    words = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", f"{processes}"]
    words += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    words += ["--main_process_port", f"{free_port()}", "-m", *settings.command(run), "--device", "cpu"]
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=workspace,
        env={**os.environ, "STUDIO_WORKSPACE": str(workspace), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def process_of_rank(launched: subprocess.Popen[str], rank: int) -> psutil.Process:
    children = psutil.Process(launched.pid).children(recursive=True)
    return next(child for child in children if child.environ().get("RANK") == f"{rank}")


def in_step(number: int, act: Callable[[], None]) -> None:
    """From now on `act` when this process computes its share for the time `number`."""
    from studio.train import loop

    share, calls = loop._own_gradients, itertools.count(1)

    def instead(*arguments: Any) -> Any:
        if next(calls) == number:
            act()
        return share(*arguments)

    loop._own_gradients = instead


def run_short_of_memory() -> None:
    """From now on no more than two clips fit into memory while training."""
    from studio.models.echo import Echo

    loss = Echo.loss

    def tight(family: Any, model: Any, batch: Any) -> Any:
        if model.training and len(batch["labels"]) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return loss(family, model, batch)

    Echo.loss = tight  # type: ignore[method-assign]


def one_of(
    rank: int, size: int, port: int, workspace: Path, run: str, settings: TrainConfig,
    victim: int | None, short_of_memory: int | None,
) -> None:  # fmt: skip
    """What a launcher starts, in a process that has imported everything already."""
    from studio.cli.rendering.together import train_together
    from studio.errors import StudioError

    if rank == victim:
        in_step(6, lambda: os.kill(os.getpid(), signal.SIGKILL))
    if rank == short_of_memory:
        run_short_of_memory()
    os.environ |= {"RANK": f"{rank}", "LOCAL_RANK": f"{rank}", "WORLD_SIZE": f"{size}", "LOCAL_WORLD_SIZE": f"{size}"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": f"{port}", "STUDIO_WORKSPACE": str(workspace)}
    try:
        train_together(Workspace(workspace), settings, run)
    except StudioError:
        sys.exit(1)


Together = Callable[..., list[int | None]]


@pytest.fixture(scope="module")
def together() -> Together:
    """Run as several processes; how each ended."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)

    def call(
        workspace: Path, run: str, settings: TrainConfig, size: int = 2,
        victim: int | None = None, short_of_memory: int | None = None,
    ) -> list[int | None]:  # fmt: skip
        shared = (size, free_port(), workspace, run, settings, victim, short_of_memory)
        processes: list[Any] = [context.Process(target=one_of, args=(rank, *shared)) for rank in range(size)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
        return [process.exitcode for process in processes]

    return call


def log_of(workspace: Path, run: str) -> list[Event]:
    log = workspace / "outputs" / run / "events.jsonl"
    return [event for _, event in events.read(log)] if log.exists() else []


def losses(story: list[Event]) -> list[float]:
    return [event.loss for event in story if isinstance(event, StepDone)]


@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 6))
def test_the_shares_of_all_processes_are_the_step_in_its_order_and_none_is_in_larger_micro_batches(
    accumulation: int, size: int, ranks: int
) -> None:
    step = [list(range(size * place, size * (place + 1))) for place in range(accumulation)]
    shares = [share_of(rank, ranks, step) for rank in range(ranks)]
    assert [clip for share in shares for batch in share for clip in batch] == list(range(size * accumulation))
    counts = [sum(map(len, share)) for share in shares]
    assert max(counts) - min(counts) <= 1
    assert all(0 < len(batch) <= size for share in shares for batch in share)
    assert share_of(0, 1, step) == step


@pytest.mark.thorough
def test_accelerate_launch_on_two_processes_makes_the_run_of_one(workspace: Path, whole: list[Event]) -> None:
    launched = launch(workspace, "launched", SETTINGS)
    said, _ = launched.communicate(timeout=240)
    assert launched.returncode == 0, said
    story = log_of(workspace, "launched")
    (started,) = (event for event in story if isinstance(event, Started))
    assert started.processes == 2
    assert "echo on 2 × cpu" in said
    assert losses(story) == pytest.approx(losses(whole), abs=1e-5)
    assert [event.type for event in story] == [event.type for event in whole]  # once each: one process writes
    assert told(workspace, "launched")["evaluated"] == [
        {name: pytest.approx(value, abs=1e-5) if isinstance(value, float) else value for name, value in facts.items()}
        for facts in told(workspace, "alone")["evaluated"]
    ]
    assert said.count("Finished in") == 1
    assert control.state(folder_of(workspace, "launched")).status == "finished"
    left = {path.name for path in folder_of(workspace, "launched").path.iterdir()}
    assert left == {path.name for path in folder_of(workspace, "alone").path.iterdir()} | {"job.json"}


@pytest.mark.thorough
@pytest.mark.parametrize("size", [2, 3])
def test_a_real_architecture_takes_the_same_steps_however_its_clips_are_dealt_out(
    size: int, workspace: Path, tmp_path: Path, together: Together
) -> None:
    model = tiny_models.moonshine(tmp_path / "tiny")
    settings = config(model=str(model), targets="deep", dropout=0, max_steps=4, batch_size=4, accumulation=1)
    alone = train(workspace, f"real-alone-{size}", settings)
    assert together(workspace, f"real-{size}", settings, size) == [0] * size
    assert losses(log_of(workspace, f"real-{size}")) == pytest.approx(losses(alone), abs=1e-5)


@pytest.mark.thorough
def test_processes_that_drop_out_at_random_repeat_their_run_to_the_bit(workspace: Path, together: Together) -> None:
    for run in ("random", "random-again"):
        assert together(workspace, run, config()) == [0, 0]
    assert adapter(workspace, "random") == adapter(workspace, "random-again")


@pytest.mark.thorough
@pytest.mark.parametrize(("victim", "size"), [(1, 3), (0, 1), (0, 3), (1, 2)])
def test_a_killed_process_fails_the_run_with_a_sentence_and_another_number_of_them_takes_it_up(
    victim: int, size: int, workspace: Path, whole: list[Event], together: Together
) -> None:
    run = f"killed-{victim}-{size}"
    ended = together(workspace, run, SETTINGS, victim=victim)
    assert ended[victim] == -signal.SIGKILL
    assert ended[1 - victim] == 1
    (failed,) = (event for event in log_of(workspace, run) if isinstance(event, Failed))
    assert "process of the run has ended: it was killed" in failed.message
    assert "Resume" in failed.remedy
    assert control.state(folder_of(workspace, run)).status == "failed"
    if size == 1:
        train(workspace, run, SETTINGS, resume=True)
    else:
        assert together(workspace, run, SETTINGS, size) == [0] * size
    story = log_of(workspace, run)
    assert [event.resumed_from for event in story if isinstance(event, Started)] == [0, 4]
    assert isinstance(story[-1], Finished)
    assert losses(story)[-6:] == pytest.approx(losses(whole)[-6:], abs=1e-5)


@pytest.mark.thorough
def test_a_launched_process_that_is_killed_fails_the_run_with_a_sentence_though_the_launcher_then_ends_the_leader(
    workspace: Path,
) -> None:
    run = "launched-killed"
    launched = launch(workspace, run, config(max_steps=10_000, eval_every=1, patience=10_000))
    until(lambda: len(losses(log_of(workspace, run))) > 20)
    process_of_rank(launched, 1).kill()
    said, _ = launched.communicate(timeout=120)
    assert launched.returncode
    last = log_of(workspace, run)[-1]
    assert isinstance(last, Failed)
    assert "Another process of the run has ended: it was killed" in last.message
    assert last.message in said


@pytest.mark.thorough
def test_a_launcher_that_is_told_to_end_leaves_a_checkpoint_to_go_on_from(workspace: Path) -> None:
    launched = launch(workspace, "told-to-end", config(max_steps=10_000, eval_every=10_000))
    until(lambda: len(losses(log_of(workspace, "told-to-end"))) > 20)
    launched.terminate()
    launched.communicate(timeout=120)
    last = log_of(workspace, "told-to-end")[-1]
    assert isinstance(last, Stopped)
    assert last.reason == "interrupted"
    assert (folder_of(workspace, "told-to-end").checkpoints / f"step-{last.step:06d}").is_dir()


@pytest.mark.thorough
def test_two_processes_that_run_out_of_memory_halve_their_batches_together(workspace: Path, together: Together) -> None:
    settings = config(dropout=0, batch_size=4, accumulation=2)
    roomy = train(workspace, "roomy", settings)
    assert together(workspace, "tight", settings, short_of_memory=1) == [0, 0]
    story = log_of(workspace, "tight")
    assert any(isinstance(event, Warned) and "taken in two halves" in event.message for event in story)
    assert losses(story) == pytest.approx(losses(roomy), abs=1e-5)


@pytest.mark.thorough
def test_a_mistake_is_one_sentence_and_nobody_waits(workspace: Path, together: Together) -> None:
    assert together(workspace, "mistaken", config(targets="no such layer")) == [1, 0]
    assert isinstance(log_of(workspace, "mistaken")[-1], Failed)


def test_a_launch_that_starts_one_process_where_several_were_meant_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not are_launched()
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with pytest.raises(ConfigError, match="starts a single process"):
        are_launched()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert are_launched()


def test_under_a_launcher_the_verb_resume_takes_the_run_up_with_all_its_processes(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr("studio.cli.rendering.together.train_together", lambda _, *rest: calls.append(rest))
    monkeypatch.setenv("STUDIO_WORKSPACE", str(workspace))
    train(workspace, "begun", SETTINGS)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert CliRunner().invoke(app, ["resume", "begun"]).exit_code == 0
    assert calls == [(SETTINGS, "begun")]

"""Checkpoints: whole or not there, exact, and few."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tones import config, go_on, learner_of, weights

from studio.errors import DiskError, ModelError
from studio.train import checkpoint, randomness
from studio.train.loop import Learner, take_step
from studio.train.progress import Scoring


def stepped(count: int) -> Learner:
    """A learner after `count` steps."""
    learner = learner_of(config(dropout=0.3))
    for _ in range(count):
        take_step(learner, 0.05, go_on)
    return learner


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_loaded_checkpoint_goes_on_exactly_as_the_one_that_was_saved(tmp_path: Path) -> None:
    import torch

    saved = stepped(3)
    checkpoint.save(saved, tmp_path)
    other = stepped(1)
    assert checkpoint.load(other, tmp_path)
    assert other.progress == saved.progress
    losses = [(take_step(saved, 0.05, go_on), take_step(other, 0.05, go_on)) for _ in range(4)]
    assert all(one == two for one, two in losses)
    assert all(torch.equal(one, two) for one, two in zip(weights(saved), weights(other), strict=True))


def test_a_checkpoint_holds_no_pickle(tmp_path: Path) -> None:
    path = checkpoint.save(stepped(1), tmp_path)
    assert names(path) == ["adapter.safetensors", "optimizer.safetensors", "random.safetensors", "state.json"]


def test_the_last_two_and_the_best_are_kept_and_what_a_crash_left_is_swept(tmp_path: Path) -> None:
    learner = stepped(0)
    (tmp_path / ".step-000001.crashed").mkdir()
    for step in range(1, 7):
        take_step(learner, 0.05, go_on)
        learner.progress.count(Scoring(step=step, wer=abs(step - 2), loss=1))
        checkpoint.save(learner, tmp_path)
    assert names(tmp_path) == ["step-000002", "step-000005", "step-000006"]


def test_checkpoints_are_ordered_by_their_step_not_by_their_name(tmp_path: Path) -> None:
    learner = stepped(1)
    for step in (999_999, 1_000_000):
        learner.progress.step = step
        checkpoint.save(learner, tmp_path)
    other = stepped(0)
    assert checkpoint.load(other, tmp_path)
    assert other.progress.step == 1_000_000


def test_without_a_checkpoint_nothing_is_loaded(tmp_path: Path) -> None:
    learner = stepped(0)
    assert not checkpoint.load(learner, tmp_path)
    assert not checkpoint.load(learner, tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["adapter.safetensors", "optimizer.safetensors", "random.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "empty"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(name: str, damage: str, tmp_path: Path) -> None:
    learner = stepped(1)
    checkpoint.save(learner, tmp_path)
    take_step(learner, 0.05, go_on)
    file = checkpoint.save(learner, tmp_path) / name
    content = file.read_bytes()
    file.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "missing": b""}[damage])
    if damage == "missing":
        file.unlink()
    other = stepped(0)
    assert checkpoint.load(other, tmp_path)
    assert other.progress.step == 1


def test_a_checkpoint_of_another_adapter_is_refused(tmp_path: Path) -> None:
    checkpoint.save(stepped(1), tmp_path)
    with pytest.raises(ModelError, match="of another adapter"):
        checkpoint.load(learner_of(config(rank=2)), tmp_path)


def test_a_failed_save_leaves_the_checkpoints_that_were_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = stepped(1)
    checkpoint.save(learner, tmp_path)
    take_step(learner, 0.05, go_on)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("studio.workspace.os.fsync", full)
        with pytest.raises(DiskError, match="disk is full"):
            checkpoint.save(learner, tmp_path)
    assert names(tmp_path) == ["step-000001"]


def test_the_random_state_is_put_back_to_the_bit() -> None:
    import numpy as np
    import torch

    randomness.seed_everything(5)
    state = randomness.capture()
    first = random.random(), np.random.rand(), torch.rand(3).tolist(), random.gauss(0, 1), np.random.randn()
    randomness.restore(state)
    assert (
        random.random(),
        np.random.rand(),
        torch.rand(3).tolist(),
        random.gauss(0, 1),
        np.random.randn(),
    ) == first

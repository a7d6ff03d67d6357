"""A run goes on where it can: with less memory, without a clip that vanished; and stops whole on a full disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tones import adapter, config, folder_of, learner_of, logged, tones, train, weights

from studio.data.manifest import Dataset, Utterance
from studio.errors import DataError, DeviceError, DiskError
from studio.evaluation.evaluate import Evaluation
from studio.runs.events import Event, Finished, StepDone, Warned
from studio.train import loop
from studio.train.loop import take_step


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("workspace")
    tones(root)
    return root


def short_of_memory(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """From now on no more than `most` clips fit into memory at once while training."""
    from studio.models.echo import Echo

    loss = Echo.loss

    def tight(family: Any, model: Any, batch: Any) -> Any:
        if model.training and len(batch["labels"]) > most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return loss(family, model, batch)

    monkeypatch.setattr(Echo, "loss", tight)


def warnings(events: list[Event]) -> str:
    return " ".join(event.message for event in events if isinstance(event, Warned))


def test_with_too_little_memory_batches_are_halved_once_and_the_steps_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    roomy, tight = (learner_of(config(batch_size=4, accumulation=1, dropout=0)) for _ in range(2))
    expected = [take_step(roomy, 0.01, lambda: None) for _ in range(4)]
    short_of_memory(monkeypatch, 2)
    assert [take_step(tight, 0.01, lambda: None) for _ in range(4)] == pytest.approx(expected, rel=1e-5)
    for one, other in zip(weights(roomy), weights(tight), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def test_a_halved_run_says_so_once_and_stays_halved_when_it_is_resumed(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_of_memory(monkeypatch, 2)
    settings = config(batch_size=4, accumulation=1)
    seen = train(workspace, "tight", settings)
    assert isinstance(seen[-1], Finished)
    assert warnings(seen).count("taken in two halves") == 1
    assert "not enough memory for 4 clips at once: from step 1 on" in warnings(seen)
    tried: list[int] = []
    collate = loop._micro_batches

    def counted(learner: Any, step: int) -> Iterator[Any]:
        for batch in collate(learner, step):
            tried.append(len(batch["labels"]))
            yield batch

    for event in logged(workspace, "cut", settings, False):
        if isinstance(event, StepDone) and event.step == 5:
            break
    monkeypatch.setattr(loop, "_micro_batches", counted)
    assert "taken in two halves" not in warnings(train(workspace, "cut", settings, resume=True))
    assert max(tried) == 2
    assert adapter(workspace, "cut") == adapter(workspace, "tight")


def test_where_half_does_not_fit_either_the_run_fails_with_advice(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_of_memory(monkeypatch, 1)
    with pytest.raises(DeviceError, match="not enough memory"):
        train(workspace, "too-tight", config(batch_size=4, accumulation=1))


def test_clips_that_vanish_or_break_during_a_run_are_skipped_listed_and_counted(tmp_path: Path) -> None:
    dataset = tones(tmp_path)
    gone: list[Utterance] = []
    seen: list[Event] = []
    for event in logged(tmp_path, "vanishing", config(), False):
        seen.append(event)
        if isinstance(event, StepDone) and not gone:
            gone = [
                next(clip for clip in dataset.utterances() if clip.split == side) for side in ("validation", "test")
            ]
            dataset.clip_path(gone[0]).unlink()
            dataset.clip_path(gone[1]).write_bytes(b"no sound")
    assert isinstance(seen[-1], Finished)
    assert warnings(seen).count("Skipped while scoring (1)") >= 2
    assert all(clip.id in warnings(seen) for clip in gone)
    folder = folder_of(tmp_path, "vanishing")
    before, after = Evaluation.read(folder.baseline), Evaluation.read(folder.tuned)
    assert before is not None
    assert after is not None
    assert before.test_set_hash == after.test_set_hash
    assert before.score.clips == after.score.clips == 3
    assert gone[1].id in " ".join(after.skipped)


def test_a_dataset_that_vanishes_whole_is_a_sentence(tmp_path: Path) -> None:
    dataset = tones(tmp_path)

    def run() -> None:
        for event in logged(tmp_path, "emptied", config(), False):
            if isinstance(event, StepDone):
                shutil.rmtree(dataset.folder / "clips", ignore_errors=True)

    with pytest.raises(DataError, match="None of the validation clips can be read"):
        run()
    assert Dataset(dataset.folder).manifest.is_file()


def test_a_disk_that_is_nearly_full_stops_the_run_and_what_was_saved_resumes_to_the_same_bits(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(workspace, "whole", config())

    def run() -> None:
        for event in logged(workspace, "full", config(), False):
            if isinstance(event, StepDone) and event.step == 5:
                monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=40 * 2**20))

    with pytest.raises(DiskError, match=r"nearly full: 42 MB are free.*step-000004 is whole"):
        run()
    folder = folder_of(workspace, "full")
    assert not folder.done.exists()
    monkeypatch.undo()
    train(workspace, "full", config(), resume=True)
    assert adapter(workspace, "full") == adapter(workspace, "whole")

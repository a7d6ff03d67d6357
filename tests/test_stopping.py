"""How a run ends before its last step: by itself, on request, or by a signal."""

from __future__ import annotations

import os
import re
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from tones import (
    adapter,
    config,
    folder_of,
    run_until,
    told,
    tones,
    train,
)

from studio.evaluation.evaluate import Evaluation
from studio.runs.events import CheckpointSaved, Evaluated, Event, Finished, Phase, Started, StepDone, Stopped, Warned


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One dataset for all runs of this file."""
    root = tmp_path_factory.mktemp("workspace")
    tones(root)
    return root


@pytest.fixture(scope="module")
def whole(workspace: Path) -> list[Event]:
    """A run that nobody disturbed, called `whole`."""
    return train(workspace, "whole", config())


def sums(tensors: dict[str, Any]) -> list[float]:
    """What two files of the same weights share, whatever they call them."""
    return sorted(value.sum().item() for value in tensors.values())


@pytest.mark.parametrize("step", [1, 4, 7])
def test_sigterm_writes_a_checkpoint_and_the_run_goes_on_from_that_very_step(
    step: int, workspace: Path, whole: list[Event]
) -> None:
    name = f"terminated-{step}"
    seen = run_until(workspace, name, lambda event: isinstance(event, StepDone) and event.step == step)
    assert seen[-1] == Stopped(step=step, reason="interrupted", at=seen[-1].at)
    assert CheckpointSaved in {type(event) for event in seen[-2:]} | {type(event) for event in seen if step == 4}
    resumed = train(workspace, name, config(), resume=True)
    assert next(event.resumed_from for event in resumed if isinstance(event, Started)) == step
    assert adapter(workspace, name) == adapter(workspace, "whole")
    assert told(workspace, name) == told(workspace, "whole")


@pytest.mark.parametrize("micro_batch", [3, 8, 11])
def test_sigterm_between_two_micro_batches_takes_the_step_back(
    micro_batch: int, workspace: Path, whole: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.models.echo import Echo

    loss, calls = Echo.loss, 0

    def counted(*arguments: Any) -> Any:
        nonlocal calls
        calls += arguments[1].training
        if calls == micro_batch and arguments[1].training:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss(*arguments)

    name = f"between-{micro_batch}"
    with monkeypatch.context() as patch:
        patch.setattr(Echo, "loss", counted)
        seen = train(workspace, name, config())
    assert calls == micro_batch
    assert isinstance(seen[-1], Stopped)
    train(workspace, name, config(), resume=True)
    assert adapter(workspace, name) == adapter(workspace, "whole")


@pytest.mark.parametrize("how", ["save", "discard", ""])
@pytest.mark.parametrize("phase", ["baseline", "validating"])
def test_a_request_to_stop_is_met_after_the_batch_that_is_being_decoded(
    how: str, phase: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.models.limits.BATCH_SECONDS", 0.1)  # one clip a batch
    name = f"decoding-{phase}-{how or 'term'}"
    seen = run_until(
        workspace,
        name,
        lambda event: isinstance(event, Phase) and (event.name, event.done) == (phase, 1),
        how,
    )
    assert isinstance(seen[-1], Stopped)
    assert seen[-1].step == 0
    assert not any(isinstance(event, Phase) and event.name == phase and event.done > 2 for event in seen)
    assert not folder_of(workspace, name).done.exists()
    assert folder_of(workspace, name).stop_request() is None


def test_stop_and_save_keeps_the_best_so_far_scores_it_and_marks_it_done(workspace: Path) -> None:
    seen = run_until(workspace, "saved", lambda event: isinstance(event, StepDone) and event.step == 6, "save")
    finished = seen[-1]
    assert isinstance(finished, Finished)
    assert (finished.step, finished.best_step) == (6, 4)
    assert Stopped(step=6, reason="stop and save", at=0) in [
        event.model_copy(update={"at": 0}) for event in seen if isinstance(event, Stopped)
    ]
    folder = folder_of(workspace, "saved")
    assert folder.done.exists()
    assert folder.stop_request() is None
    tuned = Evaluation.read(folder.tuned)
    assert tuned is not None
    assert tuned.score.wer == finished.wer_after


def test_stop_and_save_before_the_first_scoring_keeps_the_adapter_as_it_is_and_says_so(
    workspace: Path,
) -> None:
    seen = run_until(workspace, "early", lambda event: isinstance(event, StepDone) and event.step == 2, "save")
    assert isinstance(seen[-1], Finished)
    assert seen[-1].best_step == 2
    assert any(isinstance(event, Warned) and "not scored yet" in event.message for event in seen)


def test_stop_and_save_cut_short_while_scoring_is_met_again_by_the_resume(workspace: Path) -> None:
    def cut(event: Event) -> bool:
        if isinstance(event, StepDone) and event.step == 6:
            folder_of(workspace, "cut").request_stop("save")
        return isinstance(event, Phase) and event.name == "tuned"

    seen = run_until(workspace, "cut", cut)
    assert isinstance(seen[-1], Stopped)
    assert seen[-1].reason == "interrupted"
    resumed = train(workspace, "cut", config(), resume=True)
    assert isinstance(resumed[-1], Finished)
    assert (resumed[-1].step, resumed[-1].best_step) == (6, 4)


@pytest.mark.parametrize("moment", ["step", "tuned", "scored"])
def test_discard_removes_what_was_learnt_and_leaves_the_story(moment: str, workspace: Path) -> None:
    def wanted(event: Event) -> bool:
        if moment == "step":
            return isinstance(event, StepDone) and event.step == 6
        if moment == "scored":
            return isinstance(event, Evaluated) and event.split == "test" and event.step > 0
        return isinstance(event, Phase) and event.name == moment

    name = f"discarded-{moment}"
    seen = run_until(workspace, name, wanted, "discard")
    assert isinstance(seen[-1], Stopped)
    assert seen[-1].reason == "discard"
    left = {path.name for path in folder_of(workspace, name).path.iterdir()}
    assert left == {"config.json", "manifest.jsonl", "events.jsonl", "heldout_baseline.json"}


def test_training_stops_early_when_validation_no_longer_gets_better_and_keeps_the_best(
    workspace: Path,
) -> None:
    settings = config(learning_rate=0.5, max_steps=60, eval_every=2, patience=2)
    seen = train(workspace, "patient", settings)
    stopped = next(event for event in seen if isinstance(event, Stopped))
    finished = seen[-1]
    assert isinstance(finished, Finished)
    assert stopped.reason == "early stop"
    assert finished.step == stopped.step == finished.best_step + 2 * 2
    scorings = [event for event in seen if isinstance(event, Evaluated) and event.split == "validation" and event.step]
    best = min(scorings, key=lambda event: (event.wer, event.loss))
    assert finished.best_step == best.step
    assert [event.step for event in scorings if event.best][-1] == best.step
    kept = load_file(folder_of(workspace, "patient").checkpoints / f"step-{best.step:06d}" / "adapter.safetensors")
    saved = load_file(folder_of(workspace, "patient").adapter / "adapter_model.safetensors")
    assert sums(kept) == sums(saved)


def test_when_no_adapter_beats_the_base_model_it_is_said_plainly(workspace: Path) -> None:
    seen = train(workspace, "useless", config(learning_rate=1e-9, max_steps=4))
    warnings = [event.message for event in seen if isinstance(event, Warned)]
    assert isinstance(seen[-1], Finished)
    assert seen[-1].wer_after == seen[-1].wer_before
    assert any(re.search(r"did not help: .* is \d+\.\d % without an adapter", message) for message in warnings)
    assert folder_of(workspace, "useless").adapter.is_dir()


def test_a_run_outside_the_main_thread_works_without_a_signal_handler(workspace: Path, whole: list[Event]) -> None:
    thread = threading.Thread(target=train, args=(workspace, "threaded", config()))
    thread.start()
    thread.join()
    assert adapter(workspace, "threaded") == adapter(workspace, "whole")


def test_signals_mean_what_they_meant_before_once_the_run_is_over(workspace: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    train(workspace, "polite", config(max_steps=1))
    assert signal.getsignal(signal.SIGTERM) == before

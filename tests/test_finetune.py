"""A whole run: what it leaves behind, how it stops, and that being cut short does not change its result."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import tiny_models
from safetensors.torch import load_file
from tones import (
    SPLITS,
    adapter,
    config,
    folder_of,
    logged,
    told,
    tones,
    train,
    train_until,
    train_until_write,
    wav,
)

from studio.errors import ConfigError, DataError, DeviceError, JobError, ModelError
from studio.evaluate import Evaluation
from studio.events import (
    CheckpointSaved,
    Evaluated,
    Event,
    Failed,
    Finished,
    Phase,
    Started,
    StepDone,
    Stopped,
    Warned,
    parse,
)
from studio.train.record import RunRecord

_PRELOADED = ["torch", "peft", "transformers", "studio.train.stages", "studio.models.echo_network"]


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


@pytest.fixture
def in_child() -> Callable[..., int | None]:
    """Call a function in a process of its own; how that process ended."""
    context = multiprocessing.get_context("forkserver")  # so that torch is imported once for all of them
    context.set_forkserver_preload(_PRELOADED)

    def call(function: Callable[..., Any], *arguments: Any) -> int | None:
        child = context.Process(target=function, args=arguments)
        child.start()
        child.join(120)
        return child.exitcode

    return call


def kinds(events: list[Event]) -> list[str]:
    """The order of the story, without repetitions."""
    names = [event.name if isinstance(event, Phase) else event.type for event in events]
    return [
        name
        for name, before in zip(names, [None, *names], strict=False)
        if name != before and name != "sample"
    ]


def test_a_run_goes_from_the_base_models_score_to_the_adapters_and_marks_itself_done_last(
    workspace: Path, whole: list[Event]
) -> None:
    folder = folder_of(workspace, "whole")
    story = kinds(whole)
    order = ["loading", "started", "encoding", "baseline", "validating", "step", "tuned", "finished"]
    assert sorted(order, key=story.index) == order
    assert story[-1] == "finished"
    finished = whole[-1]
    assert isinstance(finished, Finished)
    assert finished.wer_before is not None
    assert finished.wer_before > 0.5
    assert finished.wer_after == 0
    names = {path.name for path in folder.path.iterdir()}
    assert names >= {
        "config.json",
        "manifest.jsonl",
        "heldout_baseline.json",
        "heldout_tuned.json",
        "report.md",
        "DONE",
    }
    others = [
        path.stat().st_mtime_ns for path in folder.path.iterdir() if path.name not in ("DONE", "events.jsonl")
    ]
    assert folder.done.stat().st_mtime_ns >= max(others)


def test_the_baseline_is_the_base_model_and_the_tuned_score_is_the_saved_adapters(
    workspace: Path, whole: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.data.manifest import Dataset
    from studio.evaluate import evaluate
    from studio.models import load

    folder = folder_of(workspace, "whole")
    dataset = Dataset.open(workspace / "recordings" / "tones")
    recogniser = load("echo", adapter=folder.adapter)
    for path, with_adapter in ((folder.baseline, False), (folder.tuned, True)):
        kept, again = Evaluation.read(path), evaluate(recogniser, dataset, with_adapter=with_adapter)
        assert kept is not None
        assert kept.score == again.score
        assert [row.hypothesis for row in kept.rows] == [row.hypothesis for row in again.rows]


def test_config_json_holds_all_that_is_needed_to_repeat_the_run(workspace: Path, whole: list[Event]) -> None:
    record = RunRecord.read(folder_of(workspace, "whole"))
    assert record.config == config()
    assert record.resolved_device == "cpu"
    assert record.resolved_threads == 1
    assert {"python", "torch", "transformers", "peft", "studio"} <= record.versions.keys()
    assert record.clips == {"train": 12, "validation": 4, "test": 4}
    tuned = Evaluation.read(folder_of(workspace, "whole").tuned)
    assert tuned is not None
    assert record.test_set_hash == tuned.test_set_hash
    assert record.started_by.startswith("studio train tones --model echo")
    flat = json.loads(folder_of(workspace, "whole").config.read_text())
    assert (flat["model"], flat["dataset"]) == ("echo", "tones")


def test_the_same_seed_gives_the_same_adapter_and_the_same_story_and_another_seed_another(
    workspace: Path, whole: list[Event]
) -> None:
    train(workspace, "again", config())
    train(workspace, "other", config(seed=43))
    assert adapter(workspace, "again") == adapter(workspace, "whole")
    assert told(workspace, "again") == told(workspace, "whole")
    assert adapter(workspace, "other") != adapter(workspace, "whole")


def test_global_random_state_and_caller_settings_do_not_reach_a_run(
    workspace: Path, whole: list[Event]
) -> None:
    import torch

    torch.manual_seed(7)
    random.seed(7)
    threads = torch.get_num_threads()
    train(workspace, "elsewhere", config())
    assert adapter(workspace, "elsewhere") == adapter(workspace, "whole")
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("moment", random.Random(2026).sample(range(1, 60), 9))
def test_a_run_killed_at_any_event_resumes_to_the_same_bits(
    moment: int, workspace: Path, whole: list[Event], in_child: Callable[..., int | None]
) -> None:
    name = f"killed-{moment}"
    assert in_child(train_until, workspace, name, config(), moment) == -signal.SIGKILL
    assert not folder_of(workspace, name).done.exists()
    resumed = train(workspace, name, config(), resume=True)
    assert isinstance(resumed[-1], Finished)
    assert adapter(workspace, name) == adapter(workspace, "whole")
    assert told(workspace, name) == told(workspace, "whole")


@pytest.mark.parametrize("write", [2, 5, 8, 11, 17, 20, 23, 32, 37, 42, 48])
def test_a_run_killed_while_it_writes_resumes_to_the_same_bits(
    write: int, workspace: Path, whole: list[Event], in_child: Callable[..., int | None]
) -> None:
    name = f"torn-{write}"
    assert in_child(train_until_write, workspace, name, config(), write) == -signal.SIGKILL
    train(workspace, name, config(), resume=True)
    assert adapter(workspace, name) == adapter(workspace, "whole")
    assert told(workspace, name) == told(workspace, "whole")
    litter = [path for path in folder_of(workspace, name).checkpoints.iterdir() if path.name.startswith(".")]
    assert litter == []


def test_a_run_killed_twice_tells_one_story_without_a_contradiction(
    workspace: Path, whole: list[Event], in_child: Callable[..., int | None]
) -> None:
    for moment, resume in ((50, False), (36, True)):
        assert in_child(train_until, workspace, "twice", config(), moment, resume) == -signal.SIGKILL
    resumed = train(workspace, "twice", config(), resume=True)
    started = next(event for event in resumed if isinstance(event, Started))
    assert started.resumed_from > 0
    assert next(event.step for event in resumed if isinstance(event, StepDone)) == started.resumed_from + 1
    assert told(workspace, "twice") == told(workspace, "whole")
    assert adapter(workspace, "twice") == adapter(workspace, "whole")


def test_a_resumed_run_does_not_score_the_base_model_again(workspace: Path, whole: list[Event]) -> None:
    run_until(workspace, "scored", lambda event: isinstance(event, StepDone))
    resumed = train(workspace, "scored", config(), resume=True)
    assert "baseline" not in kinds(resumed)
    assert Evaluated in {type(event) for event in resumed if getattr(event, "split", "") == "test"}


def test_the_time_of_a_resumed_run_counts_what_went_before(workspace: Path) -> None:
    run_until(workspace, "long", lambda event: isinstance(event, StepDone) and event.step == 5)
    state = folder_of(workspace, "long").checkpoints / "step-000005" / "state.json"
    content = json.loads(state.read_text())
    content["progress"] |= {"wall_seconds": 1000.0, "seconds": 500.0, "peak_memory": 10**15}
    state.write_text(json.dumps(content))
    resumed = train(workspace, "long", config(), resume=True)
    finished = resumed[-1]
    assert isinstance(finished, Finished)
    assert 1000 < finished.seconds < 1300
    assert finished.peak_memory == 10**15
    assert all(500 < event.seconds < 800 for event in resumed if isinstance(event, StepDone))


def test_a_lost_baseline_is_scored_again_on_the_base_model_not_on_what_was_learnt(
    workspace: Path, whole: list[Event]
) -> None:
    run_until(workspace, "lost", lambda event: isinstance(event, StepDone) and event.step == 8)
    folder_of(workspace, "lost").baseline.unlink()
    resumed = train(workspace, "lost", config(), resume=True)
    assert "baseline" in kinds(resumed)
    assert told(workspace, "lost") == told(workspace, "whole")


def run_until(
    workspace: Path, run: str, wanted: Callable[[Event], bool], how: str = "", **changes: Any
) -> list[Event]:
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


@pytest.mark.parametrize("step", [1, 4, 7])
def test_sigterm_writes_a_checkpoint_and_the_run_goes_on_from_that_very_step(
    step: int, workspace: Path, whole: list[Event]
) -> None:
    name = f"terminated-{step}"
    seen = run_until(workspace, name, lambda event: isinstance(event, StepDone) and event.step == step)
    assert seen[-1] == Stopped(step=step, reason="interrupted", at=seen[-1].at)
    assert CheckpointSaved in {type(event) for event in seen[-2:]} | {
        type(event) for event in seen if step == 4
    }
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
    monkeypatch.setattr("studio.evaluate.BATCH_SECONDS", 0.1)  # one clip a batch
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
    seen = run_until(
        workspace, "saved", lambda event: isinstance(event, StepDone) and event.step == 6, "save"
    )
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
    seen = run_until(
        workspace, "early", lambda event: isinstance(event, StepDone) and event.step == 2, "save"
    )
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
    scorings = [
        event for event in seen if isinstance(event, Evaluated) and event.split == "validation" and event.step
    ]
    best = min(scorings, key=lambda event: (event.wer, event.loss))
    assert finished.best_step == best.step
    assert [event.step for event in scorings if event.best][-1] == best.step
    kept = load_file(
        folder_of(workspace, "patient").checkpoints / f"step-{best.step:06d}" / "adapter.safetensors"
    )
    saved = load_file(folder_of(workspace, "patient").adapter / "adapter_model.safetensors")
    assert sums(kept) == sums(saved)


def sums(tensors: dict[str, Any]) -> list[float]:
    """What two files of the same weights share, whatever they call them."""
    return sorted(value.sum().item() for value in tensors.values())


def test_when_no_adapter_beats_the_base_model_it_is_said_plainly(workspace: Path) -> None:
    seen = train(workspace, "useless", config(learning_rate=1e-9, max_steps=4))
    warnings = [event.message for event in seen if isinstance(event, Warned)]
    assert isinstance(seen[-1], Finished)
    assert seen[-1].wer_after == seen[-1].wer_before
    assert any("did not help" in message for message in warnings)
    assert folder_of(workspace, "useless").adapter.is_dir()


def test_a_loss_that_is_no_longer_a_number_fails_with_a_sentence_and_keeps_the_best_checkpoint(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.models.echo import Echo

    loss, calls = Echo.loss, 0

    def sometimes(*arguments: Any) -> Any:
        nonlocal calls
        calls += arguments[1].training
        total, tokens = loss(*arguments)
        return (total * float("nan") if calls == 13 else total), tokens

    monkeypatch.setattr(Echo, "loss", sometimes)
    with pytest.raises(ConfigError, match=r"step 7.*step 4.*Lower the learning rate"):
        train(workspace, "diverged", config())
    folder = folder_of(workspace, "diverged")
    last = parse(folder.events.read_bytes().splitlines()[-1])
    assert isinstance(last, Failed)
    assert "learning rate" in last.remedy
    assert (folder.checkpoints / "step-000004" / "adapter.safetensors").is_file()
    assert not folder.done.exists()


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
        ),
        MemoryError(),
    ],
)
def test_too_little_memory_fails_with_what_to_try(
    error: Exception, workspace: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    from studio.models.echo import Echo

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Echo, "loss", fail)
    with pytest.raises(DeviceError, match=r"Halve the batch size.*gradient checkpointing"):
        train(workspace, request.node.name, config())


def test_other_errors_of_the_runtime_are_not_taken_for_too_little_memory(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.models.echo import Echo

    def fail(*_: Any) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(Echo, "loss", fail)
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(workspace, "bug", config())


def test_clips_that_cannot_be_used_are_left_out_by_name_and_the_run_goes_on(tmp_path: Path) -> None:
    dataset = tones(tmp_path)
    spoiled = {clip.id: dataset.clip_path(clip) for clip in dataset.utterances() if clip.split == "train"}
    missing, text, short, nan, *_ = spoiled.values()
    missing.unlink()
    text.write_text("this is no sound")
    soundfile.write(short, np.zeros(16, np.float32), 16_000)
    soundfile.write(nan, np.full(8_000, np.nan, np.float32), 16_000, format="WAV", subtype="FLOAT")
    with dataset.manifest.open("a") as manifest:
        manifest.write(json.dumps({"audio_filepath": "clips/x.wav", "text": "", "duration": 1.0}) + "\n")
    seen = train(tmp_path, "spoiled", config(max_steps=2))
    assert isinstance(seen[-1], Finished)
    warnings = " ".join(event.message for event in seen if isinstance(event, Warned))
    assert "Left out (3)" in warnings
    assert "The dataset has problems (2)" in warnings
    assert all(name in warnings for name in list(spoiled)[:4])
    assert RunRecord.read(folder_of(tmp_path, "spoiled")).clips["train"] == 8


def test_a_clip_that_the_family_refuses_while_preparing_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.models.echo import Echo

    dataset = tones(tmp_path)
    prepare, refused = Echo.prepare, dataset.utterances()[0].id

    def picky(family: Any, model: Any, processor: Any, clip: Any) -> Any:
        if clip.id == refused:
            raise DataError("Its label is longer than the model can write.")
        return prepare(family, model, processor, clip)

    monkeypatch.setattr(Echo, "prepare", picky)
    seen = train(tmp_path, "picky", config(max_steps=2))
    assert isinstance(seen[-1], Finished)
    assert any(isinstance(event, Warned) and refused in event.message for event in seen)


def test_a_run_goes_on_with_the_clips_it_began_with_whatever_happened_to_the_dataset_since(
    tmp_path: Path,
) -> None:
    dataset = tones(tmp_path)
    train(tmp_path, "whole", config())
    seen = run_until(tmp_path, "grown", lambda event: isinstance(event, StepDone) and event.step == 5)
    assert isinstance(seen[-1], Stopped)
    for place, split in enumerate(SPLITS):
        dataset.add(wav(f"order 99{place}"), text="order nine nine", split=split)
    dataset.edit(dataset.utterances()[0].id, text="something else")
    train(tmp_path, "grown", config(), resume=True)
    assert adapter(tmp_path, "grown") == adapter(tmp_path, "whole")
    assert told(tmp_path, "grown")["evaluated"] == told(tmp_path, "whole")["evaluated"]


def test_a_small_dataset_is_split_and_told_what_it_cannot_show(tmp_path: Path) -> None:
    dataset = tones(tmp_path, clips=0)
    for place in range(9):
        dataset.add(wav(f"order {place}"), text=f"order {place}", split="train")
    warnings = [
        event.message for event in train(tmp_path, "small", config(max_steps=1)) if isinstance(event, Warned)
    ]
    assert "4 were moved for good" in warnings[0]
    assert "a single wrong word moves its WER by 25.0 points" in warnings[1]


@pytest.mark.parametrize(
    ("changes", "error", "what"),
    [
        ({"dataset": "nothing"}, DataError, "no dataset “nothing”.*studio record"),
        ({"model": "no/such"}, ModelError, "no/such"),
        ({"targets": "embed"}, ConfigError, "matches no layer"),
        ({"gradient_checkpointing": True}, ConfigError, "gradient checkpointing off"),
        ({"device": "cuda:7"}, DeviceError, "cuda:7"),
    ],
)
def test_what_cannot_be_trained_fails_with_a_sentence_in_the_log(
    changes: dict[str, Any], error: type[Exception], what: str, workspace: Path
) -> None:
    name = "-".join(changes)
    with pytest.raises(error, match=what):
        train(workspace, name, config(**changes))
    last = parse(folder_of(workspace, name).events.read_bytes().splitlines()[-1])
    assert isinstance(last, Failed)


def test_too_few_clips_say_how_many_are_missing(tmp_path: Path) -> None:
    tones(tmp_path, clips=3)
    with pytest.raises(DataError, match="Record 5 more"):
        train(tmp_path, "few", config())


def test_a_finished_run_a_taken_name_and_changed_settings_are_refused(
    workspace: Path, whole: list[Event]
) -> None:
    with pytest.raises(JobError, match="is finished"):
        train(workspace, "whole", config(), resume=True)
    run_until(workspace, "begun", lambda event: isinstance(event, StepDone))
    with pytest.raises(JobError, match="already"):
        train(workspace, "begun", config())
    with pytest.raises(ConfigError, match="begun with rank 8, not 4"):
        train(workspace, "begun", config(rank=4), resume=True)


@pytest.mark.parametrize("targets", ["attention", "conventions"])
def test_a_real_architecture_resumes_to_the_same_bits(
    targets: str, workspace: Path, tmp_path: Path, in_child: Callable[..., int | None]
) -> None:
    model = tiny_models.moonshine(tmp_path / "tiny")
    settings = config(model=str(model), targets=targets, max_steps=5, eval_every=2)
    train(workspace, f"real-{targets}", settings)
    name = f"real-killed-{targets}"
    assert in_child(train_until, workspace, name, settings, 48) == -signal.SIGKILL
    resumed = train(workspace, name, settings, resume=True)
    assert next(event.resumed_from for event in resumed if isinstance(event, Started)) > 0
    assert adapter(workspace, name) == adapter(workspace, f"real-{targets}")
    assert told(workspace, name) == told(workspace, f"real-{targets}")


@pytest.mark.slow
def test_the_starter_resumes_to_the_same_bits(workspace: Path, in_child: Callable[..., int | None]) -> None:
    settings = config(model="starter", targets="attention", max_steps=6, eval_every=2, dropout=0.1)
    train(workspace, "starter", settings)
    assert in_child(train_until, workspace, "starter-killed", settings, 51) == -signal.SIGKILL
    resumed = train(workspace, "starter-killed", settings, resume=True)
    assert next(event.resumed_from for event in resumed if isinstance(event, Started)) > 0
    assert adapter(workspace, "starter-killed") == adapter(workspace, "starter")
    assert told(workspace, "starter-killed") == told(workspace, "starter")


def test_recomputed_activations_and_half_precision_train_the_same_real_architecture(
    workspace: Path, tmp_path: Path
) -> None:
    model = tiny_models.moonshine(tmp_path / "tiny")
    settings = {"model": str(model), "targets": "attention", "max_steps": 3, "dropout": 0}
    losses = {}
    for name, changes in {
        "plain": {},
        "recomputed": {"gradient_checkpointing": True},
        "half": {"precision": "bf16"},
    }.items():
        seen = train(workspace, name, config(**settings, **changes))
        losses[name] = [event.loss for event in seen if isinstance(event, StepDone)]
    assert losses["recomputed"] == pytest.approx(losses["plain"], rel=1e-4)
    assert losses["half"] == pytest.approx(losses["plain"], rel=0.05)
    assert losses["half"] != losses["plain"]
    saved = load_file(folder_of(workspace, "half").adapter / "adapter_model.safetensors")
    assert {str(value.dtype) for value in saved.values()} == {"torch.float32"}


def test_a_run_outside_the_main_thread_works_without_a_signal_handler(
    workspace: Path, whole: list[Event]
) -> None:
    thread = threading.Thread(target=train, args=(workspace, "threaded", config()))
    thread.start()
    thread.join()
    assert adapter(workspace, "threaded") == adapter(workspace, "whole")


def test_signals_mean_what_they_meant_before_once_the_run_is_over(workspace: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    train(workspace, "polite", config(max_steps=1))
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_adapter_loads_with_plain_peft(workspace: Path, whole: list[Event]) -> None:
    from peft import PeftModel

    from studio.models import load
    from studio.models.base import Clip
    from studio.models.echo import speak

    base = load("echo")
    model = PeftModel.from_pretrained(base.model, folder_of(workspace, "whole").adapter)
    heard = base.family.transcribe(model, base.processor, Clip(speak("order 42")))
    assert heard.text == "order four two"

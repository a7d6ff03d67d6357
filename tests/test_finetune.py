"""A whole run: what it leaves behind, how it repeats, and what it says of data that does not fit."""

from __future__ import annotations

import json
import random
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import tiny_models
from safetensors.torch import load_file
from tones import (
    adapter,
    config,
    folder_of,
    kinds,
    told,
    tones,
    train,
    wav,
)

from studio.errors import ConfigError, DataError, DeviceError, ModelError
from studio.evaluation.evaluate import Evaluation
from studio.runs.events import Event, Failed, Finished, StepDone, Stopped, Warned, parse
from studio.runs.metadata import RunRecord
from studio.train import finetune


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
    others = [path.stat().st_mtime_ns for path in folder.path.iterdir() if path.name not in ("DONE", "events.jsonl")]
    assert folder.done.stat().st_mtime_ns >= max(others)


def test_the_baseline_is_the_base_model_and_the_tuned_score_is_the_saved_adapters(
    workspace: Path, whole: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.data.manifest import Dataset
    from studio.evaluation.evaluate import evaluate
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
    assert (record.precision, record.resolved_precision) == ("auto", "fp32")
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


def test_global_random_state_and_caller_settings_do_not_reach_a_run(workspace: Path, whole: list[Event]) -> None:
    import torch

    torch.manual_seed(7)
    random.seed(7)
    threads = torch.get_num_threads()
    train(workspace, "elsewhere", config())
    assert adapter(workspace, "elsewhere") == adapter(workspace, "whole")
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("bad_batch", [3, 13])
def test_a_loss_that_is_no_longer_a_number_stops_with_the_last_good_state_and_advice(
    bad_batch: int, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.models.echo import Echo

    loss, calls = Echo.loss, 0

    def sometimes(*arguments: Any) -> Any:
        nonlocal calls
        calls += arguments[1].training
        total, tokens = loss(*arguments)
        return (total * float("nan") if calls == bad_batch else total), tokens

    monkeypatch.setattr(Echo, "loss", sometimes)
    name = f"diverged-{bad_batch}"
    folder = folder_of(workspace, name)
    if bad_batch == 3:  # before any adapter was scored: there is nothing to keep
        with pytest.raises(ConfigError, match=r"step 2.*Lower the learning rate"):
            train(workspace, name, config())
        last = parse(folder.events.read_bytes().splitlines()[-1])
        assert isinstance(last, Failed)
        assert not folder.done.exists()
        return
    seen = train(workspace, name, config())
    finished = seen[-1]
    assert isinstance(finished, Finished)
    assert (finished.step, finished.best_step) == (6, 4)
    assert any(isinstance(event, Stopped) and event.reason == "diverged" for event in seen)
    warnings = " ".join(event.message for event in seen if isinstance(event, Warned))
    assert re.search(r"step 7\..*step 4, is kept\. Lower the learning rate", warnings)
    assert folder.done.exists()


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
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


def test_a_small_dataset_is_split_and_told_what_it_cannot_show(tmp_path: Path) -> None:
    dataset = tones(tmp_path, clips=0)
    for place in range(9):
        dataset.add(wav(f"order {place}"), text=f"order {place}", split="train")
    warnings = [event.message for event in train(tmp_path, "small", config(max_steps=1)) if isinstance(event, Warned)]
    assert "4 clips were moved permanently" in warnings[0]
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
    with pytest.raises(DataError, match="Record 37 more"):
        train(tmp_path, "few", config())


@pytest.mark.thorough
@pytest.mark.parametrize("targets", ["conventions", "deep"])
@pytest.mark.parametrize("family", ["moonshine", "moonshine_streaming"])
def test_recomputed_activations_and_half_precision_train_the_same_real_architecture(
    family: str, targets: str, workspace: Path, tmp_path: Path
) -> None:
    model = getattr(tiny_models, family)(tmp_path / "tiny")
    settings: dict[str, Any] = {"model": str(model), "targets": targets, "max_steps": 3, "dropout": 0}
    losses = {}
    ways: dict[str, dict[str, Any]] = {
        "plain": {},
        "recomputed": {"gradient_checkpointing": True},
        "half": {"precision": "bf16"},
    }
    for name, changes in ways.items():
        seen = train(workspace, f"{name}-{family}-{targets}", config(**settings, **changes))
        losses[name] = [event.loss for event in seen if isinstance(event, StepDone)]
    assert losses["recomputed"] == pytest.approx(losses["plain"], rel=1e-4)
    assert losses["half"] == pytest.approx(losses["plain"], rel=0.05)
    assert losses["half"] != losses["plain"]
    saved = load_file(folder_of(workspace, f"half-{family}-{targets}").adapter / "adapter_model.safetensors")
    assert {str(value.dtype) for value in saved.values()} == {"torch.float32"}


def test_the_adapter_loads_with_plain_peft(workspace: Path, whole: list[Event]) -> None:
    from peft import PeftModel

    from studio.models import load
    from studio.models.base import Clip
    from studio.models.echo import speak

    base = load("echo")
    model = PeftModel.from_pretrained(base.model, folder_of(workspace, "whole").adapter)
    heard = base.family.transcribe(model, base.processor, Clip(speak("order 42")))
    assert heard.text == "order four two"


def test_the_time_of_a_run_counts_from_its_first_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tones(tmp_path)
    plan = finetune._plan

    def slow(*arguments: Any) -> Any:
        time.sleep(2)
        return plan(*arguments)

    monkeypatch.setattr(finetune, "_plan", slow)
    finished = train(tmp_path, "slow", config(max_steps=1))[-1]
    assert isinstance(finished, Finished)
    assert finished.seconds >= 2

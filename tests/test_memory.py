"""The estimate of a run's memory follows what the run really keeps, and is told before the run starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from typer.testing import CliRunner

from studio.audio import write_wav
from studio.cli import app
from studio.config import TrainConfig
from studio.data.manifest import Dataset
from studio.models import Clip, load
from studio.models.adapters import attach, trainable
from studio.models.memory import MemoryEstimate, estimate, recompute_activations
from studio.runs.folder import RunFolder

MAKERS: dict[str, Any] = {
    "moonshine": tiny_models.moonshine,
    "streaming": tiny_models.moonshine_streaming,
    "whisper": tiny_models.whisper,
}
SECONDS = 6.0


@pytest.fixture(scope="module", params=["moonshine", pytest.param("streaming", marks=pytest.mark.thorough), "whisper"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = MAKERS[request.param](tmp_path_factory.mktemp(request.param))
    return made


def guess(folder: Path, seconds: float = SECONDS, clips: int = 1, **changes: Any) -> MemoryEstimate:
    found = estimate(TrainConfig(dataset="any", model=str(folder), **changes), [seconds] * clips)
    assert found is not None
    return found


def test_of_a_kyutai_model_the_estimate_follows_clips_batch_rank_and_precision(tmp_path: Path) -> None:
    folder = tiny_models.kyutai(tmp_path)
    usual = guess(folder, batch_size=8)
    network = sum(
        weight.numel() for name, weight in load(folder, "cpu").model.named_parameters() if "codec" not in name
    )
    halved = guess(folder, batch_size=8, precision="bf16")
    assert usual.weights - halved.weights == 2 * network  # the codec stays fp32
    assert guess(folder, batch_size=16).activations == pytest.approx(2 * usual.activations, rel=1e-6)
    assert guess(folder, seconds=30).activations / usual.activations == pytest.approx((31.5 / 7.5), rel=0.02)
    assert guess(folder, gradient_checkpointing=True, batch_size=8).activations < usual.activations
    assert guess(folder, rank=64).adapter == 2 * guess(folder, rank=32).adapter
    trained = sum(weight.numel() for weight in trainable(attach(load(folder, "cpu"), 32, 64, 0.0, "full", 0)))
    assert usual.adapter == 16 * trained
    assert guess(folder, clips=10).clips == 10 * 94 * 4 * 2


def kept_for_gradients(folder: Path, config: TrainConfig) -> int:
    """Bytes of every tensor that autograd keeps of one batch, each storage once, the model's own left out."""
    import torch

    adapted = attach(
        load(folder, "cpu", config.precision), config.rank, config.alpha, config.dropout, config.targets, 0
    )
    if config.gradient_checkpointing:
        recompute_activations(adapted)
    text = "zq" * round(SECONDS * 10)  # spelled letter by letter: as many tokens as decoding allows
    clip = Clip(tiny_models.noise(SECONDS), text)
    rows = [adapted.family.prepare(adapted.model, adapted.processor, clip)] * config.batch_size
    own = {tensor.untyped_storage().data_ptr() for tensor in adapted.model.state_dict().values()}
    kept: dict[int, Any] = {}

    def keep(tensor: Any) -> Any:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    adapted.model.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        adapted.family.loss(adapted.model, adapted.family.collate(rows))
    return sum(tensor.untyped_storage().nbytes() for place, tensor in kept.items() if place not in own)


@pytest.mark.parametrize("targets", ["conventions", "voice", "deep", "full"])
def test_the_estimate_of_a_batch_is_near_what_autograd_keeps(folder: Path, targets: str) -> None:
    """Narrow layers keep more beside their widths (heads, masks) than the true ones, for which the factors are."""
    config = TrainConfig(dataset="any", model=str(folder), targets=targets, batch_size=2)
    assert 0.6 < guess(folder, targets=targets, batch_size=2).activations / kept_for_gradients(folder, config) < 2.5


def test_checkpointing_dropout_and_bf16_save_what_the_estimate_says(folder: Path) -> None:
    dear: dict[str, Any] = {"targets": "deep", "batch_size": 2, "dropout": 0.05}
    plain = TrainConfig(dataset="any", model=str(folder), **dear)
    kept, guessed = kept_for_gradients(folder, plain), guess(folder, **dear).activations
    for changes in ({"gradient_checkpointing": True}, {"dropout": 0.0}, {"precision": "bf16"}):
        saved = kept_for_gradients(folder, plain.model_copy(update=changes)) / kept
        said = guess(folder, **(dear | changes)).activations / guessed
        assert saved < 0.95
        assert said < 0.95
        assert said == pytest.approx(saved, abs=0.35)


@pytest.mark.parametrize("targets", ["conventions", "voice", "deep", "full"])
def test_the_adapters_parameters_are_counted_to_a_tenth(folder: Path, targets: str) -> None:
    parameters = sum(parameter.numel() for parameter in trainable(attach(load(folder, "cpu"), 4, 8, 0.0, targets, 0)))
    wide_heads = "streaming" in str(folder)  # of this narrow one: its heads are wider than its layers
    assert guess(folder, targets=targets, rank=4).adapter / 16 == pytest.approx(
        parameters, rel=0.4 if wide_heads else 0.1
    )


def test_longer_clips_and_larger_batches_need_more_but_whispers_frame_is_always_whole(folder: Path) -> None:
    short, long = guess(folder, 2.0), guess(folder, 20.0)
    assert guess(folder, 2.0, batch_size=16).activations == pytest.approx(2 * short.activations, rel=0.01)
    assert (long.clips == short.clips) == ("whisper" in str(folder))
    assert long.activations > short.activations
    assert guess(folder, 2.0, clips=50).clips == 50 * short.clips


def test_weights_that_are_converted_are_there_twice_for_a_moment(folder: Path) -> None:
    plain, half = guess(folder), guess(folder, precision="bf16", gradient_checkpointing=True)
    assert (plain.loading, half.loading) == (0, 2 * half.weights)
    large = replace(half, loading=10**9)
    assert large.total == large.process + large.weights + 10**9
    assert plain.total == plain.process + plain.weights + plain.adapter + plain.reading + plain.activations


def test_on_a_gpu_only_its_own_memory_counts(folder: Path) -> None:
    config = TrainConfig(dataset="any", model=str(folder))
    on_gpu = estimate(config, [SECONDS], "cuda:0")
    assert on_gpu is not None
    assert on_gpu.process == 0 < on_gpu.weights


def test_what_cannot_be_known_is_not_guessed() -> None:
    for model in ("echo", "UsefulSensors/moonshine-base", "no such folder"):
        assert estimate(TrainConfig(dataset="any", model=model), [1.0]) is None
    assert estimate(TrainConfig(dataset="any"), []) is None


def test_the_sentence_names_what_is_large_and_what_to_do_where_it_is_too_much() -> None:
    large = MemoryEstimate(
        process=600_000_000,
        weights=1_060_000_000,
        loading=0,
        adapter=0,
        clips=4_000_000,
        reading=0,
        activations=7_400_000_000,
    )
    named = "Memory: about 9.1 GB at the peak (1.1 GB for weights, 7.4 GB for one batch)"
    assert large.as_text(free=16_000_000_000) == f"{named}; 16.0 GB are free."
    assert large.as_text(free=4_000_000_000).startswith(f"{named}, but only 4.0 GB are free. Halve the batch size")


def test_train_tells_the_memory_before_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Dataset.create(tmp_path / "recordings" / "me")
    write_wav(tmp_path / "clip.wav", tiny_models.noise(2.0), 16_000)
    for word in ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"):
        dataset.add(tmp_path / "clip.wav", text=word)
    folder, started = tiny_models.whisper(tmp_path / "model"), []
    monkeypatch.setattr(
        "studio.runs.control.start_training", lambda *given: started.append(given) or RunFolder(tmp_path / "r")
    )
    command = ["--workspace", str(tmp_path), "train", "me", "--model", str(folder), "--detach"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "\nMemory: about 0." in done.output
    assert started

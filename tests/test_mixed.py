"""Mixed precision: which products are computed in bf16, when “auto” chooses it, and that a run keeps to the choice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from tones import adapter, config, folder_of, logged, tones, train
from torch import nn

from studio import audio
from studio.errors import DeviceError
from studio.inference.transcribe import transcribe
from studio.models import Clip, adapters, load, precision
from studio.models.device import pick_dtype
from studio.models.kernels import mixed
from studio.models.kernels.mixed import LEAST_GAIN, LEAST_ROWS, MixedLinear, mix
from studio.models.precision import pick_precision
from studio.runs.events import StepDone
from studio.runs.metadata import RunRecord
from studio.text.metrics import score

WIDTH, ROWS = 64, 4 * LEAST_ROWS
MODELS = Path(__file__).resolve().parents[2] / "shared" / "models"


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def both_layers() -> tuple[nn.Linear, nn.Linear]:
    """A frozen layer, and the same in mixed precision."""
    plain, mixed_one = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
    mixed_one.load_state_dict(plain.state_dict())
    mix(nn.Sequential(mixed_one))
    return plain.requires_grad_(False), mixed_one.requires_grad_(False)


def measures(monkeypatch: pytest.MonkeyPatch, gain: float) -> None:
    """Say what this processor gains, and let models and batches be as small as a test's."""
    monkeypatch.setattr(mixed, "bf16_gain", lambda *widths: gain)
    monkeypatch.setattr(precision, "LEAST_WIDTH", 1)
    monkeypatch.setattr(mixed, "LEAST_ROWS", 1)


def test_a_product_of_many_rows_is_rounded_to_bf16_and_so_is_its_gradient() -> None:
    plain, mixed_one = both_layers()
    given = [drawn(ROWS, WIDTH).requires_grad_() for _ in range(2)]
    expected, found = plain(given[0]), mixed_one(given[1])
    assert found.dtype == torch.float32
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)
    for output in (expected, found):
        (output * drawn(ROWS, WIDTH, seed=1)).sum().backward()
    assert given[0].grad is not None
    torch.testing.assert_close(given[1].grad, given[0].grad, rtol=0.02, atol=0.02)


def test_a_product_of_few_rows_as_in_decoding_stays_in_fp32() -> None:
    plain, mixed_one = both_layers()
    given = drawn(LEAST_ROWS - 1, WIDTH)
    torch.testing.assert_close(mixed_one(given), plain(given), rtol=1e-6, atol=1e-6)


def test_weights_that_are_trained_stay_in_fp32() -> None:
    plain, mixed_one = (layer.requires_grad_() for layer in both_layers())
    given = drawn(ROWS, WIDTH)
    for layer in (plain, mixed_one):
        layer(given).sum().backward()
    assert plain.weight.grad is not None
    assert torch.equal(mixed_one.weight.grad, plain.weight.grad)  # type: ignore[arg-type]


def test_the_adapter_and_the_projection_on_the_vocabulary_stay_in_fp32(tmp_path: Path) -> None:
    recogniser = load(tiny_models.moonshine(tmp_path / "tiny"), "cpu", "mixed")
    adapted = adapters.attach(recogniser, 4, 8, 0.0, "deep", seed=0)
    layers = dict(adapted.model.named_modules())
    kinds = {name: type(layer) for name, layer in layers.items() if isinstance(layer, nn.Linear)}
    assert {kind for name, kind in kinds.items() if ".layers." in name and "lora_" not in name} == {MixedLinear}
    assert MixedLinear not in {kind for name, kind in kinds.items() if "lora_" in name or "proj_out" in name}
    assert {weight.dtype for weight in adapted.model.parameters()} == {torch.float32}


@pytest.mark.parametrize(("gain", "chosen"), [(LEAST_GAIN, "mixed"), (LEAST_GAIN - 0.1, "fp32")])
def test_auto_is_mixed_where_the_processor_is_faster_in_bf16_and_fp32_elsewhere(
    gain: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    measures(monkeypatch, gain)
    assert pick_precision("auto", "starter", "cpu") == chosen
    assert pick_precision("auto", "starter", "cuda:0") == pick_precision("fp32", "starter", "cpu") == "fp32"


@pytest.mark.parametrize("model", ["starter", "echo", "no/such-model"])
def test_a_narrow_or_unknown_model_is_trained_in_fp32_without_a_measurement(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(mixed, "bf16_gain")
    assert pick_precision("auto", model, "cpu") == "fp32"


def test_the_measurement_gives_a_ratio_and_leaves_the_threads_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixed, "_SECONDS", 0.0)
    before = torch.get_num_threads()
    assert mixed.bf16_gain.__wrapped__(WIDTH, WIDTH) > 0
    assert torch.get_num_threads() == before


def test_mixed_precision_on_a_gpu_is_refused_with_the_remedy() -> None:
    with pytest.raises(DeviceError, match="for CPUs") as refused:
        pick_dtype("mixed", "cuda:0")
    assert "bf16" in refused.value.remedy


@pytest.mark.thorough
def test_a_resumed_run_keeps_the_precision_that_was_chosen_when_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tones(tmp_path)
    wanted: dict[str, Any] = {"model": str(tiny_models.moonshine(tmp_path / "tiny")), "targets": "deep", "max_steps": 4}
    measures(monkeypatch, 2.0)
    train(tmp_path, "whole", config(**wanted))
    for event in logged(tmp_path, "stopped", config(**wanted), False):
        if isinstance(event, StepDone) and event.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
    measures(monkeypatch, 1.0)
    train(tmp_path, "stopped", config(**wanted), resume=True)
    train(tmp_path, "in fp32", config(**wanted))
    chosen = {
        run: RunRecord.read(folder_of(tmp_path, run)).resolved_precision for run in ("whole", "stopped", "in fp32")
    }
    assert chosen == {"whole": "mixed", "stopped": "mixed", "in fp32": "fp32"}
    assert adapter(tmp_path, "stopped") == adapter(tmp_path, "whole") != adapter(tmp_path, "in fp32")


def test_a_run_that_began_before_there_was_auto_goes_on_as_it_was(tmp_path: Path) -> None:
    tones(tmp_path)
    train(tmp_path, "whole", config(model="echo", precision="bf16", max_steps=1))
    folder = folder_of(tmp_path, "whole")
    record = json.loads(folder.config.read_bytes())
    del record["resolved_precision"]
    folder.config.write_text(json.dumps(record))
    assert RunRecord.read(folder).resolved_precision == "bf16"
    del record["precision"]
    folder.config.write_text(json.dumps(record))
    assert RunRecord.read(folder).resolved_precision == RunRecord.read(folder).precision == "fp32"


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_a_real_model_makes_as_few_errors_on_real_clips_in_mixed_precision(tmp_path: Path, speech_folder: Path) -> None:
    unpack = MODELS / "unpack.py"
    if not unpack.is_file():
        pytest.skip("the real models are absent: they belong in shared/models next to the project")
    folder = tmp_path / "moonshine-tiny"
    subprocess.run([sys.executable, str(unpack), "moonshine-tiny", str(folder)], check=True, capture_output=True)
    rows = map(json.loads, (speech_folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines())
    rows = [row for row in rows if row["split"] == "test" and row["set"] in ("kathleen", "fsdd_connected")][::2]
    clips = [Clip(audio.read(speech_folder / row["file_name"], 16_000).samples, row["text"]) for row in rows]
    texts = [[said.text for said in transcribe(load(folder, "cpu", way), clips)] for way in ("fp32", "mixed")]
    was, now = (score([clip.text for clip in clips], written, "spoken").wer for written in texts)
    assert now == pytest.approx(was, abs=0.005)

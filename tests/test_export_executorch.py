"""A tuned Moonshine as one file of ExecuTorch: what PyTorch computes, by the runtime that phones have."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from exports import (
    REFUSED_BY_STAGE,
    RUN,
    SOUNDS,
    check_refused_where_eight_times_as_strong,
    small_run,
    strengthen,
)
from numpy.typing import NDArray

from studio.audio import write_wav
from studio.errors import ModelError
from studio.export import gate
from studio.export.executorch import ExecuTorch
from studio.export.executorch_program import FILE
from studio.export.exporting import export_run
from studio.export.gate import ExportReport
from studio.export.reference import ENCODER, FIRST_LOGITS, Reference
from studio.export.uses import uses_of
from studio.progress import unwatched
from studio.runs.folder import RunFolder
from studio.workspace import Workspace

Exported = Callable[[str], ExportReport]
CONVERTS = pytest.mark.thorough  # 90 s of a processor; of typing models one is converted in each run of all tests


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return small_run(tmp_path_factory.mktemp("moonshine"))


@pytest.fixture(scope="module")
def exported(workspace: Workspace, quickened: None) -> Exported:
    """By precision; each made once, however often it is asked for."""
    pytest.importorskip("executorch")
    return cache(lambda precision: export_run(workspace, RUN, "executorch", precision))


# What is traced


@pytest.mark.parametrize("tied", [True, False])
def test_what_is_traced_computes_what_transformers_does_whatever_lies_in_its_memory(tied: bool, tmp_path: Path) -> None:
    import torch

    from studio.export.traceable_moonshine import Decoder, Encoder

    reference = Reference.of(tiny_models.moonshine(tmp_path / "model", tie_word_embeddings=tied))
    encoder, decoder = Encoder(reference.recogniser.model), Decoder(reference.recogniser.model)
    decoder.keys.fill_(torch.nan)
    decoder.values.fill_(torch.nan)
    with torch.no_grad():
        hidden, *heard = encoder(torch.from_numpy(SOUNDS[0])[None])
        first = decoder(torch.tensor(reference.rules.prompt), torch.tensor([0]), *heard)
    expected = reference.stages(SOUNDS[0])
    assert np.allclose(hidden, expected[ENCODER], atol=1e-4)
    assert np.allclose(first, expected[FIRST_LOGITS], atol=1e-4)


def test_a_table_of_embeddings_in_eight_bits_is_within_half_a_step_in_each_row() -> None:
    import torch

    from studio.export.traceable import ByteEmbedding

    table = torch.randn(20, 16) * torch.logspace(-3, 2, 20)[:, None]
    steps = table.abs().amax(1, keepdim=True) / 127
    assert ((ByteEmbedding(table)(torch.arange(20)) - table).abs() <= 0.501 * steps).all()


# The file


@CONVERTS
def test_a_run_passes_the_gate_in_eight_bits(exported: Exported) -> None:
    report = exported("8da8w")
    assert {stage.name for stage in report.stages} == {ENCODER, FIRST_LOGITS}
    assert min(stage.psnr for stage in report.stages) > 25
    assert {"executorch", "torchao"} <= set(report.versions)
    names = {path.name for path in report.folder.iterdir()}
    assert {FILE, "config.json", "generation_config.json", "tokenizer.json", "export.json"} <= names
    assert not any("safetensors" in name for name in names)


@CONVERTS
def test_fp32_has_the_texts_of_pytorch_and_is_far_larger_than_eight_bits(exported: Exported) -> None:
    report = exported("fp32")
    assert min(stage.psnr for stage in report.stages) > 90
    assert report.others == []
    assert (exported("8da8w").folder / FILE).stat().st_size < 2 / 3 * (report.folder / FILE).stat().st_size


@CONVERTS
def test_an_adapter_of_eight_times_the_strength_is_refused_at_the_stage_that_it_changes(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("executorch")
    check_refused_where_eight_times_as_strong(workspace, "executorch", "8da8w", tmp_path, monkeypatch)


@CONVERTS
def test_a_file_of_an_eighth_of_the_adapters_strength_is_refused_at_the_stage_that_differs(
    workspace: Workspace, exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, out = exported("8da8w").folder, tmp_path / "out"
    run = shutil.copytree(workspace.run(RUN), workspace.run("strong"), ignore=shutil.ignore_patterns("exports"))
    strengthen(RunFolder(run).adapter)
    monkeypatch.setattr(
        ExecuTorch, "write", lambda self, merged, folder, *more: shutil.copytree(made, folder, dirs_exist_ok=True)
    )
    with pytest.raises(ModelError, match=REFUSED_BY_STAGE):
        export_run(workspace, "strong", "executorch", "8da8w", out)
    assert not out.exists()


@CONVERTS
def test_each_text_begins_anew_and_a_sound_may_have_any_length(exported: Exported, reference: Reference) -> None:
    runtime = ExecuTorch().open(exported("8da8w").folder, reference)
    sounds = [tiny_models.noise(seconds, seed=5) for seconds in (4.0, 0.11, 4.0)]
    first, _, again = (runtime.transcribe(samples) for samples in sounds)
    assert first == again
    assert min(stage.psnr for stage in gate._stages(reference, runtime, sounds)) > 25


@CONVERTS
def test_opening_a_file_prints_nothing(
    exported: Exported, reference: Reference, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = exported("8da8w").folder
    capfd.readouterr()
    ExecuTorch().open(folder, reference)
    assert capfd.readouterr() == ("", "")


@CONVERTS
def test_a_sound_too_short_for_the_file_is_lengthened(exported: Exported, reference: Reference) -> None:
    runtime = ExecuTorch().open(exported("8da8w").folder, reference)
    assert runtime.stages(tiny_models.noise(0.06))[ENCODER].shape == (2, 64)


@CONVERTS
def test_the_lines_of_python_on_the_card_write_what_the_gate_compared(
    exported: Exported, reference: Reference, tmp_path: Path
) -> None:
    cards = uses_of(exported("8da8w"))
    assert [card.program for card in cards] == [
        "an Android app",
        "an app for iPhone or Mac",
        "Python, with ExecuTorch",
    ]
    (lines,) = [passage.text for passage in cards[-1].passages if passage.is_code]
    write_wav(tmp_path / "clip.wav", SOUNDS[0], 16_000)
    printed = subprocess.run([sys.executable, "-c", lines], cwd=tmp_path, check=True, capture_output=True, text=True)
    expected = ExecuTorch().open(exported("8da8w").folder, reference).transcribe(SOUNDS[0])
    assert printed.stdout.startswith(expected)  # the card's lines know no limit by the seconds of a sound


def test_a_model_that_needs_normalised_sound_is_refused_in_a_sentence(tmp_path: Path) -> None:
    folder = tiny_models.moonshine(tmp_path / "model", do_normalize=True)
    with pytest.raises(ModelError, match="an app does not normalise it"):
        ExecuTorch().write(folder, tmp_path, "fp32", unwatched)


@pytest.mark.thorough
@pytest.mark.parametrize(("precision", "least"), [("fp32", 90), ("8da8w", 25)])
def test_the_real_moonshine_writes_what_it_does_in_pytorch(
    precision: str, least: float, moonshine_tiny: Path, spoken: list[NDArray[np.float32]], tmp_path: Path
) -> None:
    pytest.importorskip("executorch")
    ExecuTorch().write(moonshine_tiny, tmp_path, precision, unwatched)
    reference = Reference.of(moonshine_tiny)
    runtime = ExecuTorch().open(tmp_path, reference)
    assert min(stage.psnr for stage in gate._stages(reference, runtime, spoken)) > least
    others = sum(runtime.transcribe(samples) != reference.transcribe(samples) for samples in spoken)
    assert others <= (precision == "8da8w")

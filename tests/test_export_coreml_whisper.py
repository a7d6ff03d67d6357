"""A tuned Whisper as packages of Core ML: samples go in, and its features are computed in the encoder's package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from core_ml import converted_once, printed_by_the_card
from exports import RUN, check_refused_where_eight_times_as_strong, run_on
from numpy.typing import NDArray

from studio.errors import ConfigError, DataError
from studio.export import gate
from studio.export.coreml.packages import PACKAGES, CoreML
from studio.export.exporting import export_run, size_of
from studio.export.gate import ExportReport
from studio.export.reference import ENCODER, FIRST_LOGITS, Reference
from studio.export.targets import target_named
from studio.export.uses import uses_of
from studio.progress import unwatched
from studio.workspace import Workspace

SOUNDS = tuple(np.pad(tiny_models.noise(seconds, seed), 4000) for seed, seconds in enumerate((1.2, 0.9)))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run on a tiny multilingual Whisper of one layer each: converting a layer takes seconds."""
    root = tmp_path_factory.mktemp("whisper")
    sizes = {"encoder_layers": 1, "decoder_layers": 1, "max_target_positions": 40}
    return run_on(tiny_models.whisper(root / "base", multilingual=True, std=0.1, **sizes), root, "voice", SOUNDS)


@pytest.fixture(scope="module")
def report(workspace: Workspace, in_bytes: Path) -> ExportReport:
    """Of the run in fp16."""
    return export_run(workspace, RUN, "coreml")


@pytest.fixture(scope="module")
def in_bytes(merged: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The packages in int8."""
    with converted_once():
        folder = tmp_path_factory.mktemp("int8")
        CoreML().write(merged, folder, "int8", unwatched)
        yield folder


def least_psnr(stages: list[gate.Stage]) -> float:
    return min(stage.psnr for stage in stages)


@pytest.mark.parametrize("sound", [SOUNDS[0], tiny_models.noise(30.0, 3), np.zeros(16_000, np.float32)])
def test_what_is_traced_computes_what_transformers_does_whatever_lies_in_its_memory(
    sound: NDArray[np.float32], reference: Reference
) -> None:
    import torch

    from studio.export.traceable_whisper import Decoder, Encoder

    model = reference.recogniser.model
    encoder, decoder = Encoder(model, reference.recogniser.processor.feature_extractor), Decoder(model)
    decoder.keys.fill_(torch.nan)
    decoder.values.fill_(torch.nan)
    with torch.no_grad():
        hidden, *heard = encoder(torch.from_numpy(np.pad(sound, (0, 480_000 - len(sound))))[None])
        for position, token in enumerate(reference.rules.prompt):
            first = decoder(torch.tensor([token]), torch.tensor([position]), *heard)
    expected = reference.stages(sound)
    assert np.allclose(hidden, expected[ENCODER], atol=1e-3)
    assert np.allclose(first, expected[FIRST_LOGITS], atol=1e-3)


def test_a_run_passes_the_gate_in_fp16(report: ExportReport) -> None:
    assert {stage.name for stage in report.stages} == {ENCODER, FIRST_LOGITS}
    assert least_psnr(report.stages) > 45
    assert report.others == []
    names = {path.name for path in report.folder.iterdir()}
    assert {*PACKAGES, "generation_config.json", "tokenizer.json", "export.json"} <= names


def test_eight_bits_are_smaller_and_near_enough(in_bytes: Path, report: ExportReport, reference: Reference) -> None:
    stages = gate._stages(reference, CoreML().open(in_bytes, reference), SOUNDS)
    assert least_psnr(stages) > 25
    decoder = PACKAGES[1]  # more than half of so small an encoder are the waves that its features are found with
    assert size_of(in_bytes / decoder) < 0.75 * size_of(report.folder / decoder)


@pytest.mark.thorough  # as slow as a whole export; the run of all tests has it for ONNX
def test_an_adapter_of_eight_times_the_strength_is_refused_at_the_stage_that_it_changes(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("coremltools")
    check_refused_where_eight_times_as_strong(workspace, "coreml", "int8", tmp_path, monkeypatch)


@pytest.mark.thorough
@pytest.mark.timeout(2400)
def test_a_run_on_the_real_whisper_writes_what_pytorch_does(
    whisper_base: Path, spoken: list[NDArray[np.float32]], tmp_path: Path
) -> None:
    pytest.importorskip("coremltools")
    tuned = run_on(f"{whisper_base}:en", tmp_path, "voice", spoken[:2], strength=0.02)
    report = export_run(tuned, RUN, "coreml", "fp16")
    assert least_psnr(report.stages) > 45
    assert (report.clips, report.others) == (2, [])


@pytest.mark.parametrize(("precision", "least"), [("fp16", 55), ("int8", 42)])
def test_features_are_exact_in_every_precision(
    precision: str, least: float, report: ExportReport, in_bytes: Path, reference: Reference
) -> None:
    """Of a hum over faint noise: with features in fp16 or waves in 8 bits the noise would be another, of 34 dB."""
    runtime = CoreML().open(in_bytes if precision == "int8" else report.folder, reference)
    hum = np.sin(np.arange(len(SOUNDS[0])) * 2 * np.pi * 200 / 16_000) * np.hanning(len(SOUNDS[0]))
    sound = (0.5 * hum + 1e-4 * SOUNDS[0]).astype(np.float32)
    assert least_psnr(gate._stages(reference, runtime, [sound])) > least


def test_each_text_begins_anew(report: ExportReport, reference: Reference) -> None:
    runtime = CoreML().open(report.folder, reference)
    first, _, again = (runtime.transcribe(SOUNDS[place]) for place in (0, 1, 0))
    assert first == again == reference.transcribe(SOUNDS[0])


def test_the_card_says_that_samples_go_in_and_which_tokens_are_forbidden(report: ExportReport) -> None:
    cards = uses_of(report)
    assert [card.program for card in cards] == ["an app for iPhone or Mac, in Swift", "Python on a Mac"]
    lines = "".join(passage.text for card in cards for passage in card.passages if passage.is_code)
    assert all(f"xcrun coremlcompiler compile {package} ." in lines for package in PACKAGES)
    assert lines.count("begin_suppress_tokens") == 2
    written = " ".join((report.folder / "README.md").read_text(encoding="utf-8").split())
    assert "always 30 s, with zeros after a shorter sound. It computes Whisper's features itself" in written


@pytest.mark.thorough
@pytest.mark.usefixtures("librosa_at_once")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # librosa's own imports
def test_the_lines_of_python_on_the_card_write_what_the_gate_compared(
    report: ExportReport,
    reference: Reference,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = CoreML().open(report.folder, reference).transcribe(SOUNDS[0])
    printed = printed_by_the_card(report, SOUNDS[0], tmp_path, monkeypatch, capsys)
    assert printed.startswith(expected)  # the card's lines know no limit by the seconds of a sound


def test_a_family_that_it_does_not_know_is_refused_with_the_targets_that_do() -> None:
    with pytest.raises(ConfigError, match="coreml does not take kyutai_speech_to_text models"):
        target_named("coreml").checked("kyutai_speech_to_text", None)


def test_a_run_whose_held_out_clips_are_longer_than_a_frame_is_refused_in_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("coremltools")
    long = run_on(tiny_models.whisper(tmp_path / "base"), tmp_path, "voice", [tiny_models.noise(31.0, 0)])
    with pytest.raises(DataError, match="no held-out clips that can be read"):
        export_run(long, RUN, "coreml")

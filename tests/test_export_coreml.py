"""A tuned Moonshine as packages of Core ML: what PyTorch computes, on a Mac by Core ML, elsewhere by an interpreter."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from core_ml import converted_once, printed_by_the_card
from exports import RUN, SOUNDS, check_refused_where_eight_times_as_strong, small_run
from numpy.typing import NDArray
from tqdm import tqdm

from studio.errors import ModelError
from studio.export import gate
from studio.export.coreml import interpreter, packages
from studio.export.coreml.packages import PACKAGES, CoreML
from studio.export.exporting import export_run, size_of
from studio.export.gate import ExportReport
from studio.export.reference import ENCODER, FIRST_LOGITS, Reference
from studio.export.uses import uses_of
from studio.progress import unwatched
from studio.workspace import Workspace

Exported = Callable[[str], ExportReport]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return small_run(tmp_path_factory.mktemp("moonshine"))


@pytest.fixture(scope="module")
def exported(workspace: Workspace, quickened: None) -> Iterator[Exported]:
    """By precision; each made once, however often it is asked for."""
    with converted_once():
        yield cache(lambda precision: export_run(workspace, RUN, "coreml", precision))


def test_a_run_passes_the_gate_in_fp16(exported: Exported) -> None:
    report = exported("fp16")
    assert {stage.name for stage in report.stages} == {ENCODER, FIRST_LOGITS}
    assert min(stage.psnr for stage in report.stages) > 45
    assert "coremltools" in report.versions
    names = {path.name for path in report.folder.iterdir()}
    assert {*PACKAGES, "config.json", "generation_config.json", "tokenizer.json", "export.json"} <= names
    assert not any("safetensors" in name for name in names)


@pytest.mark.thorough
def test_eight_bits_are_far_smaller_and_near_enough(exported: Exported) -> None:
    report = exported("int8")
    assert min(stage.psnr for stage in report.stages) > 25
    small, whole = (sum(size_of(exported(name).folder / part) for part in PACKAGES) for name in ("int8", "fp16"))
    assert small < 0.75 * whole  # so small a model has many numbers that stay as they are


@pytest.mark.thorough  # as slow as a whole export; the run of all tests has it for ONNX
def test_an_adapter_of_eight_times_the_strength_is_refused_at_the_stage_that_it_changes(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("coremltools")
    check_refused_where_eight_times_as_strong(workspace, "coreml", "int8", tmp_path, monkeypatch)


@pytest.mark.thorough
def test_each_text_begins_anew_and_a_sound_may_have_any_length(exported: Exported, reference: Reference) -> None:
    runtime = CoreML().open(exported("fp16").folder, reference)
    sounds = [tiny_models.noise(seconds, seed=5) for seconds in (3.0, 0.11, 3.0)]
    first, _, again = (runtime.transcribe(samples) for samples in sounds)
    assert first == again
    stages = gate._stages(reference, runtime, sounds)
    assert min(stage.psnr for stage in stages) > 45


def test_the_card_has_the_line_that_compiles_and_those_for_swift_and_python(exported: Exported) -> None:
    cards = uses_of(exported("fp16"))
    assert [card.program for card in cards] == ["an app for iPhone or Mac, in Swift", "Python on a Mac"]
    lines = "".join(passage.text for card in cards for passage in card.passages if passage.is_code)
    assert all(f"xcrun coremlcompiler compile {package} ." in lines for package in PACKAGES)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # librosa's own imports
def test_the_lines_of_python_on_the_card_write_what_the_gate_compared(
    exported: Exported,
    reference: Reference,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = CoreML().open(exported("fp16").folder, reference).transcribe(SOUNDS[0])
    printed = printed_by_the_card(exported("fp16"), SOUNDS[0], tmp_path, monkeypatch, capsys)
    assert printed.startswith(expected)  # the card's lines know no limit by the seconds of a sound


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has Core ML itself")
def test_an_operation_that_the_interpreter_does_not_know_is_told_by_its_name(
    exported: Exported, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {name: computed for name, computed in interpreter._OPERATIONS.items() if name != "gelu"}
    monkeypatch.setattr(interpreter, "_OPERATIONS", known)
    runtime = CoreML().open(exported("fp16").folder, reference)
    with pytest.raises(ModelError, match="an operation that is not known here: gelu"):
        runtime.transcribe(SOUNDS[0])


def test_a_converter_prints_neither_bars_nor_warnings(capfd: pytest.CaptureFixture[str]) -> None:
    with packages._quiet():
        list(tqdm(range(2)))
        logging.getLogger("coremltools").warning("Torch version 2.13.0 has not been tested with coremltools.")
        warnings.warn("the same", stacklevel=1)
    assert capfd.readouterr() == ("", "")


def test_a_model_that_needs_normalised_sound_is_refused_in_a_sentence(tmp_path: Path) -> None:
    folder = tiny_models.moonshine(tmp_path / "model", do_normalize=True)
    with pytest.raises(ModelError, match="an app does not normalise it"):
        CoreML().write(folder, tmp_path, "fp16", unwatched)


@pytest.mark.thorough
@pytest.mark.parametrize(("precision", "least"), [("fp16", 40), ("int8", 25)])
def test_the_real_moonshine_stays_near(
    precision: str, least: float, moonshine_tiny: Path, spoken: list[NDArray[np.float32]], tmp_path: Path
) -> None:
    pytest.importorskip("coremltools")
    CoreML().write(moonshine_tiny, tmp_path, precision, unwatched)
    reference = Reference.of(moonshine_tiny)
    runtime = CoreML().open(tmp_path, reference)
    assert min(stage.psnr for stage in gate._stages(reference, runtime, spoken)) > least
    others = sum(runtime.transcribe(samples) != reference.transcribe(samples) for samples in spoken)
    assert others <= 1

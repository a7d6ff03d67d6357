"""A tuned Whisper in the runtimes that people use: CTranslate2 and faster-whisper, whisper.cpp."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from exports import RUN, check_refused_where_eight_times_as_strong, run_on

from studio.audio import write_wav
from studio.errors import ModelError
from studio.export import gate
from studio.export.block_quantisation import F16, F32, Q5_0, Q8_0, Kind, packed, unpacked
from studio.export.exporting import export_run
from studio.export.ggml import FILE, Ggml, read
from studio.export.reference import ENCODER, FIRST_LOGITS, Reference
from studio.export.uses import uses, uses_of
from studio.models import load
from studio.runs.folder import RunFolder
from studio.workspace import Workspace

WIDE = {"encoder_ffn_dim": 256, "decoder_ffn_dim": 256}  # 4 times as wide as the rest, as every real Whisper is
SOUNDS = tuple(np.pad(tiny_models.noise(seconds, seed), 4000) for seed, seconds in enumerate((1.2, 0.9, 1.5)))

THOROUGH = pytest.mark.thorough


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run on a tiny multilingual Whisper, whose weights are spread so little that rounding them changes little."""
    root = tmp_path_factory.mktemp("whisper")
    base = tiny_models.whisper(root / "base", multilingual=True, std=0.1, **WIDE)
    return run_on(base, root, "voice", SOUNDS)


def unwatched(done: int, total: int) -> None:
    """For what is written without anybody looking."""


def psnr(found: list[gate.Stage]) -> dict[str, float]:
    return {stage.name: stage.psnr for stage in found}


# CTranslate2


@pytest.mark.parametrize(
    "precision", [pytest.param("fp32", marks=THOROUGH), pytest.param("fp16", marks=THOROUGH), "int8"]
)
def test_ctranslate2_computes_what_pytorch_does_and_reports_it(precision: str, workspace: Workspace) -> None:
    report = export_run(workspace, RUN, "ctranslate2", precision)
    assert list(psnr(report.stages)) == [ENCODER, FIRST_LOGITS]
    assert min(psnr(report.stages).values()) > {"fp32": 90, "fp16": 55, "int8": 24}[precision]
    assert precision == "int8" or report.others == []
    assert "ctranslate2" in report.versions
    assert report.size < report.model_size or precision == "fp32"
    names = {path.name for path in report.folder.iterdir()}
    files = {"model.bin", "config.json", "vocabulary.json", "tokenizer.json", "preprocessor_config.json"}
    assert names == files | {"generation_config.json", "export.json", "README.md"}


def test_faster_whisper_loads_the_folder_and_writes_the_same(workspace: Workspace, reference: Reference) -> None:
    faster_whisper = pytest.importorskip("faster_whisper")
    folder = export_run(workspace, RUN, "ctranslate2", "fp32").folder
    model = faster_whisper.WhisperModel(str(folder), device="cpu", cpu_threads=1)
    assert model.hf_tokenizer.get_vocab_size() == reference.recogniser.model.config.vocab_size
    assert f"WhisperModel({str(folder)!r}" in (folder / "README.md").read_text()
    for samples in SOUNDS:
        features = model.feature_extractor(samples)
        expected = reference.mel(samples)[0, :, : features.shape[-1]]
        assert np.abs(features - expected).max() < 1e-3


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("target", "precision", "programs"),
    [
        ("merged", "fp32", ["Python, with plain transformers"]),
        (
            "ctranslate2",
            "fp32",
            ["Python, with faster-whisper", "Home Assistant", "WhisperX and Whisper-WebUI"],
        ),
    ],
)
def test_the_lines_of_python_on_a_card_run_as_they_are(
    target: str, precision: str, programs: list[str], workspace: Workspace, tmp_path: Path
) -> None:
    if target == "ctranslate2":
        pytest.importorskip("faster_whisper")
    report = export_run(workspace, RUN, target, precision)
    cards = uses_of(report)
    assert [card.program for card in cards] == programs
    written = (report.folder / "README.md").read_text(encoding="utf-8")
    assert all(passage.text in written for card in cards for passage in card.passages if passage.is_code)
    (lines,) = [passage.text for passage in cards[0].passages if passage.is_code]
    write_wav(tmp_path / "clip.wav", SOUNDS[0], 16_000)
    subprocess.run([sys.executable, "-c", lines], cwd=tmp_path, check=True, capture_output=True)


def test_a_card_without_headings_of_its_own_has_the_name_of_the_target() -> None:
    (card,) = uses("Two lines\nof text:\n\n```js\nload();\n```\n", "transformers.js")
    assert card.program == "transformers.js"
    assert [(passage.text, passage.is_code) for passage in card.passages] == [
        ("Two lines of text:", False),
        ("load();\n", True),
    ]


@pytest.mark.parametrize(
    ("target", "precision"), [("ctranslate2", "int8"), pytest.param("ggml", "q8_0", marks=THOROUGH)]
)
def test_an_adapter_of_eight_times_the_strength_is_refused_at_the_stage_that_it_changes(
    target: str, precision: str, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pywhispercpp" if target == "ggml" else "ctranslate2")
    check_refused_where_eight_times_as_strong(workspace, target, precision, tmp_path, monkeypatch)


# GGML


@pytest.mark.parametrize(
    ("kind", "step"),
    [(F32, 0.0), (F16, 2**-11), (Q8_0, 1 / 127 / 2), (Q5_0, 1 / 16)],
    ids=lambda given: str(given)[:12],
)
def test_blocks_keep_each_value_to_a_part_of_the_largest_in_its_block(kind: Kind, step: float) -> None:
    values = np.random.default_rng(0).standard_normal((6, 64)).astype(np.float32)
    values[2, :32] = 0.0
    kept = unpacked(io.BytesIO(packed(values, kind)), kind.number, values.shape)
    largest = np.abs(values.reshape(-1, 32)).max(axis=1, keepdims=True)
    assert (np.abs(kept - values).reshape(-1, 32) <= largest * step * 1.01).all()
    assert len(packed(values, kind)) == values.size // kind.block * kind.size
    assert (kept[2, :32] == 0).all()


def test_a_block_of_five_bits_lies_in_memory_as_ggml_reads_it() -> None:
    values = np.zeros(32, np.float32)
    values[0], values[1], values[17] = -16.0, 15.0, 3.0  # scale 1: steps 0, 31, 19; the others 16
    block = packed(values, Q5_0)
    assert np.frombuffer(block[:2], "<f2")[0] == 1.0
    assert int.from_bytes(block[2:6], "little") == 0xFFFFFFFE  # the fifth bit of all but the first
    assert (block[6], block[7]) == (0x00, 0x3F)  # value 16 above value 0, value 17 above value 1
    assert set(block[8:]) == {0}


def test_a_ggml_file_in_half_precision_holds_every_weight_rounded_once(merged: Path, tmp_path: Path) -> None:
    Ggml().write(merged, tmp_path, "f16", unwatched)
    found, model = dict(read(tmp_path / FILE)), load(merged, "cpu").model
    assert len(found) == len(dict(model.model.named_parameters()))
    query = model.model.decoder.layers[1].encoder_attn.q_proj
    assert (found["decoder.blocks.1.cross_attn.query.weight"] == query.weight.detach().half().float().numpy()).all()
    assert (found["decoder.blocks.1.cross_attn.query.bias"] == query.bias.detach().numpy()).all()
    assert found["encoder.conv1.bias"].shape == (64, 1)


@pytest.mark.parametrize(
    ("precision", "least"),
    [("f16", 30), pytest.param("q8_0", 30, marks=THOROUGH), pytest.param("q5_0", 24, marks=THOROUGH)],
)
def test_whisper_cpp_computes_what_pytorch_does(
    precision: str, least: float, merged: Path, reference: Reference, tmp_path: Path
) -> None:
    """A random network makes much of whisper.cpp's own approximations (GELU, attention in fp16): 34 dB, not 50."""
    pytest.importorskip("pywhispercpp")
    Ggml().write(merged, tmp_path, precision, unwatched)
    runtime = Ggml().open(tmp_path, reference)
    assert min(psnr(gate._stages(reference, runtime, SOUNDS)).values()) > least
    other = Reference.of(spread(merged, tmp_path / "other", 2.0))
    assert min(psnr(gate._stages(other, runtime, SOUNDS)).values()) < least


def test_the_lines_of_python_for_a_ggml_file_load_it(merged: Path, tmp_path: Path) -> None:
    """They do not transcribe here: whisper.cpp's own search takes every vocabulary to have Whisper's 50,257 tokens."""
    pytest.importorskip("pywhispercpp")
    Ggml().write(merged, tmp_path, "f16", unwatched)
    first, _, last = uses(Ggml().usage(tmp_path, merged), "whisper.cpp")
    assert f"-m {tmp_path / FILE} -l " in first.passages[0].text
    lines = next(passage.text for passage in last.passages if passage.is_code)
    load, _, _ = lines.partition("print")
    subprocess.run([sys.executable, "-c", load], check=True, capture_output=True)


def spread(merged: Path, folder: Path, factor: float) -> Path:
    """The model `merged` with matrices of another spread."""
    import torch

    recogniser = load(merged, "cpu")
    with torch.no_grad():
        for parameter in recogniser.model.parameters():
            parameter.mul_(factor if parameter.dim() > 1 else 1.0)
    folder.mkdir()
    recogniser.family.save(recogniser.model, recogniser.processor, folder)
    return folder


def test_a_file_that_whisper_cpp_cannot_read_is_refused_in_a_sentence(
    merged: Path, reference: Reference, tmp_path: Path
) -> None:
    pytest.importorskip("pywhispercpp")
    Ggml().write(merged, tmp_path, "f16", unwatched)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(b"lmgh" + whole[4:])
    with pytest.raises(ModelError, match=r"whisper.cpp cannot load .*ggml-model.bin"):
        Ggml().open(tmp_path, reference)


def test_a_shape_that_whisper_cpp_does_not_know_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("pywhispercpp")
    workspace = run_on(tiny_models.whisper(tmp_path / "base"), tmp_path, "voice", SOUNDS[:1])
    with pytest.raises(ModelError, match="MLPs are 256 wide, 4 times the other layers; here they have 128"):
        export_run(workspace, RUN, "ggml")
    assert list(RunFolder(workspace.run(RUN)).exports.iterdir()) == []

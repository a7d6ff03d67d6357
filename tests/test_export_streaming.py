"""A tuned streaming Moonshine in its makers' runtime: what PyTorch computes, by their own exporter."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from exports import REFUSED_BY_STAGE, RUN, SOUNDS, run_on

from studio.audio import write_wav
from studio.errors import ModelError
from studio.export.exporting import export_run
from studio.export.gate import ExportReport
from studio.export.onnx import streaming
from studio.export.onnx.streaming import MoonshineStreamingVoice, StreamingGraphs
from studio.export.reference import ENCODER, FIRST_LOGITS, Reference
from studio.export.uses import uses_of
from studio.workspace import Workspace

pytest.importorskip("onnxscript")
pytest.importorskip("moonshine_voice")

TARGET = "moonshine-streaming"
WINDOWS = [[16, 4], [16, 0]]
ENCODER_OF_TWO_LAYERS = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 4, "head_dim": 16, "sliding_windows": WINDOWS,
}  # fmt: skip
Traced = Callable[[Path, str, Path], Path]
Exported = Callable[[str], ExportReport]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run on a streaming Moonshine of 2 + 1 layers."""
    root = tmp_path_factory.mktemp("streaming")
    base = tiny_models.moonshine_streaming(
        root / "base", encoder_config=ENCODER_OF_TWO_LAYERS, num_hidden_layers=1, num_attention_heads=4
    )
    return run_on(base, root, "voice")


@pytest.fixture(scope="module")
def makers_graphs(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    """The makers' graph of a name, traced once for each config: the encoder alone takes ten seconds."""
    kept, traced = tmp_path_factory.mktemp("graphs"), streaming._makers_graph

    def once(model: Path, name: str, out: Path) -> Path:
        config = (model / "config.json").read_bytes() if name == "encoder" else b""
        folder = kept / f"{name}-{hashlib.sha256(config).hexdigest()}"
        if not folder.exists():
            folder.mkdir()
            traced(model, name, folder)
        shutil.copytree(folder, out, dirs_exist_ok=True)
        return out / f"{name}.onnx"

    return once


@pytest.fixture(scope="module")
def exported(workspace: Workspace, makers_graphs: Traced) -> Exported:
    """By precision; each made once, however often it is asked for."""

    def export(precision: str) -> ExportReport:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(streaming, "_makers_graph", makers_graphs)
            return export_run(workspace, RUN, TARGET, precision)

    return cache(export)


def opened(report: ExportReport, reference: Reference) -> StreamingGraphs:
    found = MoonshineStreamingVoice().open(report.folder, reference)
    assert isinstance(found, StreamingGraphs)
    return found


def test_a_streaming_run_passes_the_gate_in_fp32_with_the_texts_of_pytorch(exported: Exported) -> None:
    report = exported("fp32")
    assert {stage.name for stage in report.stages} == {ENCODER, FIRST_LOGITS}
    assert min(stage.psnr for stage in report.stages) > 90
    assert report.others == []
    graphs = {f"{name}.ort" for name in ("frontend", "encoder", "adapter", "cross_kv", "decoder_kv")}
    rest = {"streaming_config.json", "tokenizer.bin", "export.json", "README.md"}
    assert {path.name for path in report.folder.iterdir()} == graphs | rest
    assert (report.folder / "encoder.ort").read_bytes()[4:8] == b"ORTM"


@pytest.mark.usefixtures("librosa_at_once")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # librosa's own imports
def test_each_way_to_use_it_has_a_card_and_its_lines_run(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moonshine_voice import MicTranscriber

    found = uses_of(exported("fp32"))
    programs = ["Python", "Python while you speak", "an app for Android or iOS"]
    assert [use.program for use in found] == [f"{name}, with Moonshine's own runtime" for name in programs]
    write_wav(tmp_path / "clip.wav", SOUNDS[0], 16_000)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(MicTranscriber, "start", lambda self: self)  # there may be no microphone
    monkeypatch.setattr("builtins.input", lambda prompt: "")
    for use in found[:2]:
        (code,) = [passage.text for passage in use.passages if passage.is_code and "import" in passage.text]
        names: dict[str, Any] = {}
        exec(compile(code, "card", "exec"), names)
    assert names["microphone"].mic_stream is None  # closed


def test_eight_bits_are_smaller_and_near_enough(exported: Exported) -> None:
    whole, small = exported("fp32"), exported("int8")
    assert min(stage.psnr for stage in small.stages) > 25
    assert size(small, "decoder_kv") < 0.5 * size(whole, "decoder_kv")
    assert size(small, "frontend") == size(whole, "frontend")


def size(report: ExportReport, graph: str) -> int:
    return (report.folder / f"{graph}.ort").stat().st_size


def test_a_sound_in_parts_has_the_features_of_the_whole(exported: Exported, reference: Reference) -> None:
    runtime, samples = opened(exported("fp32"), reference), SOUNDS[0]
    parts = np.split(samples, [3213, 3213 + 640, 3213 + 640 + 8000])  # 13 samples wait for their frame each time
    assert np.allclose(runtime.features(parts), runtime.features([samples]), atol=1e-5)


def test_tokens_one_by_one_have_the_logits_of_all_at_once(exported: Exported, reference: Reference) -> None:
    runtime = opened(exported("fp32"), reference)
    encoded, ids = runtime._encoded(runtime.features([SOUNDS[0]])), [*reference.rules.prompt, 7, 9, 11]
    together, single = (runtime._following(encoded) for _ in range(2))
    expected = together(ids)
    for token in ids:
        found = single([token])
    assert np.allclose(found, expected, atol=1e-4)


@pytest.mark.thorough
def test_the_windows_as_the_makers_exporter_counts_them_are_refused_by_stage(
    workspace: Workspace, makers_graphs: Traced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a window's widths for the frames around its own, of which transformers counts one less."""
    assert [streaming._reach(*window) for window in WINDOWS] == [(15, 3), (15, 0)]
    monkeypatch.setattr(streaming, "_makers_graph", makers_graphs)
    monkeypatch.setattr(streaming, "_reach", lambda *window: window)
    with pytest.raises(ModelError, match=REFUSED_BY_STAGE):
        export_run(workspace, RUN, TARGET, "fp32", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_the_makers_exporter_prints_is_not_printed_here(
    reference: Reference, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        streaming._makers_graph(reference.recogniser.folder, "adapter", tmp_path)
    assert capfd.readouterr() == ("", "")
    assert "wrote adapter.onnx" in caplog.text


def test_a_model_that_begins_its_texts_otherwise_is_refused_in_a_sentence(
    tmp_path: Path,
) -> None:
    folder = tiny_models.moonshine_streaming(tmp_path / "model", decoder_start_token_id=5)
    with pytest.raises(ModelError, match="begins and ends a text with one token each"):
        MoonshineStreamingVoice().write(folder, tmp_path, "fp32", lambda done, total: None)


def test_a_failure_of_the_makers_exporter_is_told_in_a_sentence(tmp_path: Path) -> None:
    folder = tiny_models.moonshine_streaming(tmp_path / "model")
    with pytest.raises(ModelError, match="makers' exporter cannot convert this model: "):
        streaming._makers_graph(folder / "nowhere", "frontend", tmp_path)


def test_moonshines_runtime_loads_the_folder_by_any_streaming_name_and_needs_each_graph(
    exported: Exported, tmp_path: Path
) -> None:
    """The texts of noise are not compared: the runtime cuts and feeds it in its own way, and a random model is torn."""
    import moonshine_voice

    folder = shutil.copytree(exported("fp32").folder, tmp_path / "copy")
    for size in (moonshine_voice.ModelArch.TINY_STREAMING, moonshine_voice.ModelArch.SMALL_STREAMING):
        runtime: Any = moonshine_voice.Transcriber(str(folder), size, options={"vad_threshold": "0"})
        written = [runtime.transcribe_without_streaming(samples.tolist(), 16_000) for samples in SOUNDS]
        assert all(found.lines[0].text for found in written)
        runtime.close()
    (folder / "cross_kv.ort").unlink()
    with pytest.raises(moonshine_voice.MoonshineError):
        moonshine_voice.Transcriber(str(folder), size)

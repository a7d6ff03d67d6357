"""A tuned model as ONNX: what PyTorch computes, in the layouts of ONNX Runtime, sherpa-onnx and Moonshine's runtime."""

from __future__ import annotations

import base64
import contextlib
import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from exports import RUN, run_on
from numpy.typing import NDArray

from studio.audio import write_wav
from studio.errors import ModelError
from studio.export import gate
from studio.export.exporting import export_run
from studio.export.gate import ExportReport
from studio.export.onnx import weights
from studio.export.onnx.graph import Graph, quantised
from studio.export.onnx.huggingface import HuggingFace
from studio.export.onnx.runtime import MergedGraphs, session
from studio.export.onnx.sherpa import Sherpa
from studio.export.onnx.tokens import write_base64, write_list
from studio.export.onnx.voice import MoonshineVoice
from studio.export.reference import ENCODER, FIRST_LOGITS, Reference
from studio.export.uses import uses_of
from studio.models import load
from studio.models.makers_package import tokenizer
from studio.workspace import Workspace

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

MAKERS = {  # the shape of Moonshine tiny
    "hidden_size": 288, "intermediate_size": 320, "encoder_num_hidden_layers": 1, "decoder_num_hidden_layers": 6,
    "encoder_num_attention_heads": 8, "decoder_num_attention_heads": 8, "max_position_embeddings": 194,
}  # fmt: skip
SOUNDS = tuple(tiny_models.noise(seconds, seed) for seed, seconds in enumerate((1.2, 0.9, 1.5)))
FAMILIES = ["moonshine", "whisper"]
WHISPER_TOO = ["moonshine", pytest.param("whisper", marks=pytest.mark.thorough)]
Exported = Callable[[str, str, str], ExportReport]


def unwatched(done: int, total: int) -> None:
    """For what is written without anybody looking."""


@pytest.fixture(scope="module")
def workspaces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Workspace]:
    """A run on a tiny model of each family."""
    roots = {name: tmp_path_factory.mktemp(name) for name in FAMILIES}
    bases = {
        "moonshine": tiny_models.moonshine(roots["moonshine"] / "base"),
        "whisper": tiny_models.whisper(roots["whisper"] / "base", multilingual=True),
    }
    counts = {"moonshine": 3, "whisper": 2}  # Whisper computes 30 s for each
    return {name: run_on(bases[name], root, "voice", SOUNDS[: counts[name]]) for name, root in roots.items()}


@pytest.fixture(scope="module")
def exported(workspaces: dict[str, Workspace]) -> Exported:
    """By family, target and precision; each made once, however often it is asked for."""
    return cache(lambda family, target, precision: export_run(workspaces[family], RUN, target, precision))


@pytest.fixture(scope="module")
def merged(workspaces: dict[str, Workspace]) -> dict[str, Path]:
    """Their models in PyTorch."""
    return {name: export_run(workspace, RUN, "merged").folder for name, workspace in workspaces.items()}


def psnr(reference: Reference, runtime: Any) -> dict[str, float]:
    return {stage.name: stage.psnr for stage in gate._stages(reference, runtime, SOUNDS)}


# What is computed


@pytest.mark.parametrize(
    ("family", "target"),
    [
        ("moonshine", "onnx"),
        ("moonshine", "sherpa"),
        ("whisper", "onnx"),
        pytest.param("whisper", "sherpa", marks=pytest.mark.thorough),
    ],
)
def test_a_run_passes_the_gate_in_fp32_with_the_texts_of_pytorch(family: str, target: str, exported: Exported) -> None:
    report = exported(family, target, "fp32")
    assert {stage.name for stage in report.stages} == {ENCODER, FIRST_LOGITS}
    assert min(stage.psnr for stage in report.stages) > 90
    assert report.others == []
    assert {"onnx", "onnxruntime"} <= set(report.versions)


@pytest.mark.parametrize("family", WHISPER_TOO)
def test_eight_bits_are_far_smaller_and_near_enough(family: str, exported: Exported) -> None:
    report = exported(family, "onnx", "int8")
    assert min(stage.psnr for stage in report.stages) > 25
    whole = exported(family, "onnx", "fp32")
    assert sizes(report.folder) < 0.6 * sizes(whole.folder)


def sizes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "onnx").iterdir())


def test_one_scale_for_each_output_is_nearer_than_one_for_a_matrix() -> None:
    matrix = np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32)
    matrix[:, 3] *= 100  # an output that would coarsen all the others
    values, scale = quantised(matrix, axis=1)
    kept = (values.astype(np.float32) - 128) * scale
    assert values.dtype == np.uint8
    assert scale.shape == (8,)
    assert (np.abs(kept - matrix) <= np.abs(matrix).max(axis=0) / 254 * 1.001).all()


def test_an_output_of_zeros_stays_zero_in_eight_bits() -> None:
    values, scale = quantised(np.zeros((4, 2), np.float32), axis=1)
    assert (values == 128).all()
    assert np.isfinite(scale).all()


@pytest.mark.parametrize("by_row", [False, True])
def test_a_loud_row_coarsens_the_others_only_where_all_share_a_scale(by_row: bool, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    matrix = generator.standard_normal((16, 32)).astype(np.float32)
    given = generator.standard_normal((1, 3, 32)).astype(np.float32)
    given[0, 0] *= 1000  # as Whisper's first token is
    graph = Graph({"layer.weight": matrix}, "int8", by_row)
    graph.output("y", graph.linear(graph.input("x", np.float32, [1, 3, 32]), "layer"), [1, 3, 16])
    path = tmp_path / "graph.onnx"
    path.write_bytes(graph.model().SerializeToString())
    (found,) = session(path, 1).run(None, {"x": given})
    others = np.abs(found - given @ matrix.T)[0, 1:].max()
    assert (others < 0.5) == by_row


@pytest.mark.thorough
@pytest.mark.parametrize("family", FAMILIES)
def test_a_first_token_ignores_what_is_in_the_cache(family: str, merged: dict[str, Path], tmp_path: Path) -> None:
    """transformers.js gives an empty cache, Moonshine's runtime one of length 1."""
    HuggingFace().write(merged[family], tmp_path, "fp32", unwatched)
    decoder = session(tmp_path / "onnx" / "decoder_model_merged.onnx", 1)
    hidden = np.random.default_rng(0).standard_normal((2, 40, 64)).astype(np.float32)
    given = {"input_ids": np.array([[1], [5]]), "encoder_hidden_states": hidden, "use_cache_branch": [False]}
    caches = [each for each in decoder.get_inputs() if each.name.startswith("past")]
    found = [
        decoder.run(["logits"], given | {each.name: np.ones((2, each.shape[1], length, each.shape[3]), np.float32)
                                         for each in caches})[0]
        for length in (0, 1)
    ]  # fmt: skip
    assert np.array_equal(found[0], found[1])
    assert [each.name for each in decoder.get_inputs()][:3] == [
        "input_ids",
        "encoder_hidden_states",
        "past_key_values.0.decoder.key",
    ]  # sherpa-onnx goes by the order


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_one_by_one_have_the_logits_of_all_at_once(family: str, merged: dict[str, Path], tmp_path: Path) -> None:
    HuggingFace().write(merged[family], tmp_path, "fp32", unwatched)
    reference = Reference.of(merged[family])
    runtime = HuggingFace().open(tmp_path, reference)
    assert isinstance(runtime, MergedGraphs)
    ids = [*reference.rules.prompt, 7, 9, 11]
    together, single = (runtime._following(runtime._encoded(SOUNDS[0])) for _ in range(2))
    expected = together(ids)
    for token in ids:
        found = single([token])
    assert np.allclose(found, expected, atol=1e-4)


def test_a_model_with_a_projection_of_its_own_keeps_it(tmp_path: Path) -> None:
    folder = tiny_models.moonshine(tmp_path / "model", tie_word_embeddings=False)
    (tmp_path / "out").mkdir()
    HuggingFace().write(folder, tmp_path / "out", "fp32", unwatched)
    reference = Reference.of(folder)
    assert min(psnr(reference, HuggingFace().open(tmp_path / "out", reference)).values()) > 90


# Layouts


def test_hugging_faces_layout_has_the_names_that_programs_look_for(exported: Exported) -> None:
    folder = exported("moonshine", "onnx", "int8").folder
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    graphs = {"onnx/encoder_model_quantized.onnx", "onnx/decoder_model_merged_quantized.onnx"}
    assert graphs | {"config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json"} <= names
    assert not any("safetensors" in name for name in names)
    assert '{ dtype: "q8" }' in (folder / "README.md").read_text()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_lines_for_transformers_js_allow_local_models_and_as_many_tokens_as_pytorch(
    family: str, exported: Exported, merged: dict[str, Path]
) -> None:
    card = uses_of(exported(family, "onnx", "fp32"))[0]
    lines = next(passage.text for passage in card.passages if passage.is_code)
    length = Reference.of(merged[family]).length
    assert "env.allowLocalModels = true;" in lines  # which a page does not by itself
    assert f"Math.ceil({length.per_second:g} * samples.length / 16_000)" in lines
    assert f"Math.min(Math.max(tokens, {length.least}), {length.most})" in lines


@pytest.mark.usefixtures("librosa_at_once")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # librosa's own imports
@pytest.mark.parametrize("family", WHISPER_TOO)
def test_the_loop_in_the_card_writes_what_pytorch_does(
    family: str, exported: Exported, merged: dict[str, Path], next_to_a_clip: None
) -> None:
    folder = exported(family, "onnx", "fp32").folder
    written = printed(folder / "README.md")
    if family == "moonshine":  # of Whisper the card has no rules on what is never written
        assert written == Reference.of(merged[family]).transcribe(SOUNDS[0])
    assert written


@pytest.fixture
def next_to_a_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder with clip.wav, as the cards call it.

    Their sessions have one thread here: with one a core, which wait by spinning, they take ten times as long while
    other tests use the cores.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda path, given=None, **more: session(path, given or options, **more)
    )
    write_wav(tmp_path / "clip.wav", SOUNDS[0], 16_000)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("librosa_at_once")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # librosa's own imports
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_sherpa_onnx_writes_what_pytorch_does_by_the_lines_in_the_card(
    precision: str, exported: Exported, merged: dict[str, Path], next_to_a_clip: None
) -> None:
    pytest.importorskip("sherpa_onnx")
    folder = exported("moonshine", "sherpa", precision).folder
    expected = Sherpa().open(folder, Reference.of(merged["moonshine"])).transcribe(SOUNDS[0])
    written = printed(folder / "README.md")
    assert expected.startswith(written[: len(expected)])
    assert len(written) > 0.7 * len(expected)  # sherpa-onnx has a limit of its own


@pytest.mark.usefixtures("librosa_at_once")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # librosa's own imports
def test_sherpa_onnx_takes_a_whisper_by_the_lines_in_the_card(exported: Exported, next_to_a_clip: None) -> None:
    pytest.importorskip("sherpa_onnx")
    folder = exported("whisper", "sherpa", "int8").folder
    assert printed(folder / "README.md")


def printed(card: Path) -> str:
    """What the Python in a model card prints, run where clip.wav is."""
    _, _, code = card.read_text().partition("```python\n")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code.partition("```")[0], "card", "exec"), {})
    return out.getvalue().strip()


def test_moonshines_runtime_gets_graphs_of_its_format_and_its_list_of_tokens(tmp_path: Path) -> None:
    folder = tiny_models.moonshine(tmp_path / "model", **MAKERS)
    for precision, least in (("fp32", 90), ("int8", 25)):
        out = tmp_path / precision
        out.mkdir()
        MoonshineVoice().write(folder, out, precision, unwatched)
        reference = Reference.of(folder)
        assert min(psnr(reference, MoonshineVoice().open(out, reference)).values()) > least
        names = {path.name for path in out.iterdir()}
        assert names == {"encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin", "config.json"}
        assert (out / "encoder_model.ort").read_bytes()[4:8] == b"ORTM"
    assert "ModelArch.TINY" in MoonshineVoice().usage(tmp_path / "fp32", tmp_path / "fp32")


def test_moonshines_runtime_refuses_other_shapes_in_a_sentence(workspaces: dict[str, Workspace]) -> None:
    with pytest.raises(ModelError, match="shape of Moonshine tiny or base"):
        export_run(workspaces["moonshine"], RUN, "moonshine-voice")


def test_a_runtime_that_does_not_normalise_is_not_given_a_model_that_needs_it(tmp_path: Path) -> None:
    folder = tiny_models.moonshine(tmp_path / "model", do_normalize=True)
    with pytest.raises(ModelError, match="sherpa-onnx does not normalise"):
        Sherpa().write(folder, tmp_path, "fp32", unwatched)


def test_a_graph_too_large_for_one_file_is_refused_with_the_precision_that_fits(
    merged: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_MOST", 100_000)
    with pytest.raises(ModelError, match=r"encoder_model.onnx would have .* Export it in int8"):
        HuggingFace().write(merged["moonshine"], tmp_path, "fp32", unwatched)


def test_each_place_where_a_model_can_run_has_a_card_with_the_files_that_are_there(exported: Exported) -> None:
    found = uses_of(exported("moonshine", "sherpa", "int8"))
    programs = " | ".join(use.program for use in found)
    assert all(name in programs for name in ("Python", "Raspberry Pi", "Android", "iOS"))
    lines = "".join(passage.text for use in found for passage in use.passages if passage.is_code)
    assert "--moonshine-merged-decoder=decoder_model_merged.int8.onnx" in lines
    assert [use.program for use in uses_of(exported("moonshine", "onnx", "int8"))] == [
        "a web page or in Node, with transformers.js",
        "Python, with ONNX Runtime",
    ]


# Tokens


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bytes_of_tokens_write_what_the_tokenizer_does(
    family: str, merged: dict[str, Path], tmp_path: Path
) -> None:
    processor = load(merged[family], "cpu").processor
    write_base64(processor.tokenizer, tmp_path / "tokens.txt")
    known = {int(number): base64.b64decode(token) for token, number in lines(tmp_path / "tokens.txt")}
    for text in (*tiny_models.TEXTS, "née, 7 €"):
        ids = processor.tokenizer(text, add_special_tokens=False).input_ids
        written = b"".join(known[number] for number in ids).decode().replace("▁", " ").strip()
        assert written == processor.tokenizer.decode(ids).strip()
    assert not set(processor.tokenizer.all_special_ids) & set(known)


def lines(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()]


def test_the_list_of_tokens_is_the_one_that_the_makers_write(tmp_path: Path) -> None:
    processor = load(tiny_models.moonshine(tmp_path / "model"), "cpu").processor
    write_list(processor.tokenizer, tmp_path / "tokenizer.bin")
    vocabulary = processor.tokenizer.get_vocab()
    place, found = 0, []
    data = (tmp_path / "tokenizer.bin").read_bytes()
    while place < len(data):
        size, place = data[place], place + 1
        found.append(data[place : place + size])
        place += size
    assert len(found) == len(vocabulary)
    assert found[vocabulary["▁order"]] == "▁order".encode()
    assert found[vocabulary["<0xC3>"]] == b"\xc3"
    assert found[vocabulary["</s>"]] == b"</s>"


def test_a_token_of_128_bytes_has_a_length_of_two(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    long = "▁" * 50  # 150 bytes
    plain = Tokenizer(models.WordLevel({"a": 0, long: 1}, unk_token="a"))
    write_list(PreTrainedTokenizerFast(tokenizer_object=plain), tmp_path / "tokenizer.bin")
    assert (tmp_path / "tokenizer.bin").read_bytes() == b"\x01a" + bytes([128 + 22, 1]) + long.encode()


# The real models


@pytest.mark.slow
def test_the_real_moonshine_writes_the_same_in_every_runtime(
    moonshine_tiny: Path, spoken: list[NDArray[np.float32]], tmp_path: Path
) -> None:
    sherpa_onnx, moonshine_voice = pytest.importorskip("sherpa_onnx"), pytest.importorskip("moonshine_voice")
    for name in ("sherpa", "voice"):
        (tmp_path / name).mkdir()
    Sherpa().write(moonshine_tiny, tmp_path / "sherpa", "fp32", unwatched)
    MoonshineVoice().write(moonshine_tiny, tmp_path / "voice", "fp32", unwatched)
    reference = Reference.of(moonshine_tiny)
    expected = [reference.transcribe(samples) for samples in spoken]

    runtime = MoonshineVoice().open(tmp_path / "voice", reference)
    assert [runtime.transcribe(samples) for samples in spoken] == expected
    assert min(stage.psnr for stage in gate._stages(reference, runtime, spoken)) > 100

    files = {part: f"{tmp_path}/sherpa/{name}" for part, name in SHERPAS.items()}
    recogniser = sherpa_onnx.OfflineRecognizer.from_moonshine_v2(**files)
    assert [by_sherpa(recogniser, samples) for samples in spoken] == expected

    transcriber = moonshine_voice.Transcriber(tmp_path / "voice", moonshine_voice.ModelArch.TINY)
    transcripts = (transcriber.transcribe_without_streaming(samples.tolist(), 16_000) for samples in spoken)
    assert [" ".join(line.text for line in each.lines) for each in transcripts] == expected
    transcriber.close()


SHERPAS = {"encoder": "encoder_model.onnx", "decoder": "decoder_model_merged.onnx", "tokens": "tokens.txt"}


def by_sherpa(recogniser: Any, samples: NDArray[np.float32]) -> str:
    stream = recogniser.create_stream()
    stream.accept_waveform(16_000, samples)
    recogniser.decode_stream(stream)
    return str(stream.result.text).strip()


@pytest.mark.thorough
def test_the_real_moonshine_in_eight_bits_stays_near(
    moonshine_tiny: Path, spoken: list[NDArray[np.float32]], tmp_path: Path
) -> None:
    MoonshineVoice().write(moonshine_tiny, tmp_path, "int8", unwatched)
    reference = Reference.of(moonshine_tiny)
    runtime = MoonshineVoice().open(tmp_path, reference)
    assert min(stage.psnr for stage in gate._stages(reference, runtime, spoken)) > 30
    others = sum(runtime.transcribe(samples) != reference.transcribe(samples) for samples in spoken)
    assert others <= 1
    assert sum(path.stat().st_size for path in tmp_path.glob("*.ort")) < 30e6


@pytest.mark.slow
def test_the_real_list_of_tokens_is_the_makers_own(moonshine_tiny: Path, tmp_path: Path) -> None:
    write_list(load(moonshine_tiny, "cpu").processor.tokenizer, tmp_path / "tokenizer.bin")
    original = json.loads((moonshine_tiny / "tokenizer.json").read_text())
    assert tokenizer((tmp_path / "tokenizer.bin").read_bytes()) == original

"""A tuned typing model as one file for llama.cpp: what PyTorch computes, read back by transformers and by llama.cpp."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from exports import RUN, check_refused_where_eight_times_as_strong, typing_run

from studio.config import TYPING_STARTER
from studio.errors import ConfigError, ModelError
from studio.export import gate, gguf_tokens
from studio.export.exporting import export_run
from studio.export.gate import ExportReport
from studio.export.gguf import FILE, Gguf
from studio.export.prompt import Prompt
from studio.export.reference import FIRST_LOGITS, Reference, clip_of
from studio.export.targets import TARGETS
from studio.export.uses import uses_of
from studio.inference.mend import mend
from studio.models import load, locate
from studio.models.causal_lm.gguf import unpack
from studio.models.causal_lm.template import ids_of
from studio.progress import unwatched
from studio.runs.folder import RunFolder
from studio.typing_starter import HELD_OUT
from studio.ui import exporting, exporting_runs
from studio.workspace import Workspace

pytest.importorskip("gguf")
TYPED = (
    "teh meetign is at noon, dont be late",
    "i'll come tomorow if its ok",
    "Please sned the  parcel to Anna's adress (12b), thx",
    "we recieved you're letter.",
)
FAMILIES = TARGETS["gguf"].families
GEMMAS_LAYERS = ("full_attention", "sliding_attention")
ONE_AND_THOROUGH = [FAMILIES[0], *(pytest.param(family, marks=pytest.mark.thorough) for family in FAMILIES[1:])]
Exported = Callable[[str, str], ExportReport]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Workspace]:
    """A run on a tiny model of a family; each made once."""

    def made(family: str) -> Workspace:
        root = tmp_path_factory.mktemp(family)
        return typing_run(tiny_models.causal_lm(root / "base", family), root)

    return cache(made)


@pytest.fixture(scope="module")
def exported(runs: Callable[[str], Workspace]) -> Exported:
    """By family and precision; each made once."""
    return cache(lambda family, precision: export_run(runs(family), RUN, "gguf", precision))


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled starter as F16, without an adapter."""
    folder = tmp_path_factory.mktemp("starter")
    Gguf().write(locate(TYPING_STARTER), folder, "f16", unwatched)
    return folder


def tensors(folder: Path) -> dict[str, Any]:
    from gguf import GGUFReader

    return {tensor.name: tensor for tensor in GGUFReader(folder / FILE).tensors}


# The file


@pytest.mark.parametrize(("precision", "least"), [("f16", 60), pytest.param("q8_0", 30, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("family", ONE_AND_THOROUGH)
def test_a_typing_run_passes_the_gate(exported: Exported, family: str, precision: str, least: float) -> None:
    report = exported(family, precision)
    (stage,) = report.stages
    assert (stage.name, stage.psnr > least) == (FIRST_LOGITS, True)
    assert report.typing is not None
    assert precision == "q8_0" or len(report.others) <= 1, "random weights write what the least rounding changes"
    assert re.search(r"texts: (the same on 3 texts|\d of 3 texts written differently)", report.figures())
    card = (report.folder / "README.md").read_text()
    assert "On 3 held-out texts." in card
    assert "clip" not in card
    assert {path.name for path in report.folder.iterdir()} == {
        FILE, "tokenizer.json", "prompt.json", "export.json", "README.md"
    }  # fmt: skip


def test_matrices_are_kept_in_the_precision_and_vectors_in_fp32(exported: Exported) -> None:
    found = tensors(exported("qwen2", "q8_0").folder)
    kinds = {name: tensor.tensor_type.name for name, tensor in found.items()}
    assert (kinds["blk.0.attn_q.weight"], kinds["token_embd.weight"]) == ("Q8_0", "Q8_0")
    assert (kinds["blk.1.attn_norm.weight"], kinds["blk.1.attn_k.bias"]) == ("F32", "F32")
    assert "output.weight" not in found, "tied to the embeddings, which are there"


def test_rows_that_are_no_whole_number_of_blocks_stay_f16(tmp_path: Path) -> None:
    base = tiny_models.causal_lm(tmp_path / "base", intermediate_size=80)
    Gguf().write(base, tmp_path, "q8_0", unwatched)
    kinds = {name: tensor.tensor_type.name for name, tensor in tensors(tmp_path).items()}
    assert (kinds["blk.0.ffn_down.weight"], kinds["blk.0.ffn_up.weight"]) == ("F16", "Q8_0")


def test_output_weights_of_their_own_are_written(tmp_path: Path) -> None:
    base = tiny_models.causal_lm(tmp_path / "base", tie_word_embeddings=False)
    Gguf().write(base, tmp_path, "f16", unwatched)
    assert "output.weight" in tensors(tmp_path)
    reference = Reference.of(base)
    (stage,) = gate._stages(reference, Gguf().open(tmp_path, reference), TYPED[:1])
    assert stage.psnr > 60


def test_an_adapter_of_eight_times_the_strength_is_refused(
    runs: Callable[[str], Workspace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_refused_where_eight_times_as_strong(runs("llama"), "gguf", "f16", tmp_path, monkeypatch)


def test_what_llama_cpp_has_no_name_for_is_refused_in_a_sentence(tmp_path: Path) -> None:
    scaled = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10_000.0}
    base = tiny_models.causal_lm(tmp_path / "scaled", rope_parameters=scaled)
    with pytest.raises(ModelError, match=r"scales its positions \(linear\)"):
        Gguf().write(base, tmp_path, "f16", unwatched)
    with pytest.raises(ConfigError, match="gguf does not take smollm3 models"):
        TARGETS["gguf"].checked("smollm3", None)
    for pre_tokenizer, sentence in (
        ({"type": "Metaspace"}, "this model's is another"),
        ({"type": "ByteLevel", "use_regex": False}, "does not split text into words"),
    ):
        with pytest.raises(ModelError, match=sentence):
            gguf_tokens.splitting({"model": {"type": "BPE"}, "pre_tokenizer": pre_tokenizer})


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"layer_types": list(GEMMAS_LAYERS)}, "pattern of layers"),
        ({"query_pre_attn_scalar": 17}, "scale of attention"),
        (
            {"rope_parameters": {kind: {"rope_type": "default", "rope_theta": 1e6} for kind in GEMMAS_LAYERS}},
            "RoPE base of its local layers",
        ),
        ({"final_logit_softcapping": 30.0}, "last layer"),
    ],
)
def test_a_gemma_that_llama_cpp_would_compute_otherwise_is_refused(
    changes: dict[str, Any], what: str, tmp_path: Path
) -> None:
    base = tiny_models.causal_lm(tmp_path / "base", "gemma3_text", **changes)
    with pytest.raises(ModelError, match=what):
        Gguf().write(base, tmp_path, "f16", unwatched)


def test_the_score_of_a_token_is_how_early_its_parts_join(tmp_path: Path) -> None:
    base = load(str(tiny_models.causal_lm(tmp_path / "base", "gemma3_text")), "cpu")
    settings = json.loads(base.processor.backend_tokenizer.to_str())
    split = gguf_tokens.splitting(settings)
    assert split == gguf_tokens.Splitting("default", True, "llama")
    size = base.model.config.vocab_size
    found = gguf_tokens.scores(settings, base.processor, size)
    kinds = [token.kind for token in gguf_tokens.tokens(base.processor, size, split)]
    joined = ["".join(pair) for pair in settings["model"]["merges"]]
    assert [found[base.processor.convert_tokens_to_ids(text)] for text in joined[:3]] == [0, -1, -2]
    assert max(found[number] for number, kind in enumerate(kinds) if kind != 1) == -1000
    assert (kinds[:3], kinds[4:260]) == ([3] * 3, [6] * 256)


def test_the_ways_to_split_text_of_known_models_have_their_names() -> None:
    levels = {"type": "ByteLevel", "use_regex": True}
    digits = {"type": "Digits", "individual_digits": True}

    def name(*parts: dict[str, Any]) -> str:
        settings = {"model": {"type": "BPE"}, "pre_tokenizer": {"type": "Sequence", "pretokenizers": list(parts)}}
        return gguf_tokens.splitting(settings).name

    assert (name(levels), name(digits, levels)) == ("gpt-2", "smollm")
    for pattern, expected in gguf_tokens._SPLITS.items():
        split = {"type": "Split", "pattern": {"Regex": pattern}}
        assert name(split, levels | {"use_regex": False}) == expected


# There and back


def test_the_starter_comes_back_from_its_file_with_the_same_corrections(starter: Path, tmp_path: Path) -> None:
    before, after = load(TYPING_STARTER, "cpu"), load(str(unpack(starter / FILE, tmp_path / "back")), "cpu")
    assert [mend(after, typed).text for typed in TYPED] == [mend(before, typed).text for typed in TYPED]
    assert mend(before, TYPED[0]).text != TYPED[0], "there was something to correct"
    for typed in (*TYPED, "naïve café, shan't <typed>"):
        assert ids_of(after.processor, typed) == ids_of(before.processor, typed)
    assert Prompt.of(after) == Prompt.of(before) == Prompt.read(starter)


def test_another_word_list_in_the_same_folder_is_left_alone(tmp_path: Path) -> None:
    Gguf().write(tiny_models.causal_lm(tmp_path / "base"), tmp_path, "f16", unwatched)
    (tmp_path / "words.txt").write_text("anything\n")
    assert not (unpack(tmp_path / FILE, tmp_path / "back") / "words.txt").exists()


def test_the_pattern_of_the_starter_is_the_one_that_llama_cpp_has_no_name_for(starter: Path) -> None:
    settings = json.loads((starter / "tokenizer.json").read_text())
    split = gguf_tokens.splitting(settings)
    assert (split.name, split.is_exact) == ("llama-bpe", False)
    assert settings["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] == gguf_tokens.STARTERS_SPLIT


def test_the_card_says_how_the_model_is_asked_and_what_llama_cpp_cannot_split(starter: Path) -> None:
    usage = Gguf().usage(Path("/models/my own"), starter)
    assert "'<typed> teh meeting is at noon<meant>'" in usage
    assert "'/models/my own/model.gguf'" in usage
    assert "words with accents" in usage
    assert "this model corrects much worse" in usage


def test_the_cards_of_an_export_are_those_of_the_two_programs(exported: Exported) -> None:
    cards = uses_of(exported("llama", "f16"))
    assert [card.program for card in cards] == ["llama.cpp", "Python, with llama.cpp"]
    assert r"'Typed: teh meeting is at noon\nMeant:'" in cards[0].passages[0].text
    for card in cards:
        assert not any("clip" in passage.text for passage in card.passages)


def test_the_export_tab_offers_what_a_typing_run_has_and_speaks_of_texts(
    runs: Callable[[str], Workspace], exported: Exported
) -> None:
    exported("llama", "f16")
    found = exporting_runs.exports_of(RunFolder(runs("llama").run(RUN)))
    assert [target.name for target in found.targets] == ["merged", "gguf", "executorch"]
    row = next(row for row in found.finished if row.precision == "f16")
    assert (row.clips, row.noun, row.each, row.digits) == (3, "text", "a text", 3)
    assert "right to the letter" in row.errors


@pytest.mark.thorough
def test_the_lines_for_a_typing_adapter_load_it_and_write_an_answer(runs: Callable[[str], Workspace]) -> None:
    lines = exporting.exports(RunFolder(runs("llama").run(RUN))).adapter.snippet
    assert "clip.wav" not in lines
    assert subprocess.run([sys.executable, "-c", lines], check=True, capture_output=True, text=True).stdout.strip()


# llama.cpp itself

WITHOUT = "llama-cpp-python is not installed: llama.cpp itself was not asked"


@pytest.mark.parametrize(("precision", "least"), [("f16", 40), ("q8_0", 25)])
@pytest.mark.parametrize("family", [*FAMILIES, "starter"])
def test_llama_cpp_computes_what_pytorch_does(family: str, precision: str, least: float, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp", reason=WITHOUT)
    base = locate(TYPING_STARTER) if family == "starter" else tiny_models.causal_lm(tmp_path / "base", family)
    (tmp_path / "out").mkdir()
    Gguf().write(base, tmp_path / "out", precision, unwatched)
    reference = Reference.of(base)
    runtime = Gguf().open(tmp_path / "out", reference)
    assert type(runtime).__name__ == "TypedRuntime"
    (stage,) = gate._stages(reference, runtime, TYPED)
    assert stage.psnr > least
    if family == "starter":  # random weights write what the least rounding changes
        texts = [(runtime.transcribe(typed), reference.transcribe(typed)) for typed in TYPED]
        assert sum(ours != theirs for ours, theirs in texts) <= (precision == "q8_0")


@pytest.mark.parametrize("family", [*FAMILIES, "starter"])
def test_llama_cpp_splits_text_into_our_tokens(family: str, starter: Path, tmp_path: Path) -> None:
    """All of it where the card says so; of the starter's held-out sentences 98 in 100."""
    llama_cpp = pytest.importorskip("llama_cpp", reason=WITHOUT)
    folder = starter
    if family != "starter":
        Gguf().write(tiny_models.causal_lm(tmp_path / "base", family), tmp_path, "f16", unwatched)
        folder = tmp_path
    base = locate(TYPING_STARTER) if family == "starter" else tmp_path / "base"
    tokenizer, model = load(base, "cpu").processor, llama_cpp.Llama(str(folder / FILE), vocab_only=True, verbose=False)
    sentences = [*TYPED, *(HELD_OUT / "test.txt").read_text().splitlines()]
    same = [
        model.tokenize(f" {text}".encode(), add_bos=False, special=False) == ids_of(tokenizer, text)
        for text in sentences
    ]
    assert np.mean(same) == 1.0 if family != "starter" else np.mean(same) > 0.98, np.mean(same)
    whole = Prompt.read(folder)
    prompt = [*whole.before_ids, *ids_of(tokenizer, TYPED[0]), *whole.between_ids]
    assert model.tokenize(whole.around(TYPED[0]).encode(), add_bos=True, special=True) == prompt


def test_the_lines_for_python_on_the_card_write_the_networks_likeliest_answer(starter: Path) -> None:
    pytest.importorskip("llama_cpp", reason=WITHOUT)
    import torch

    lines = Gguf().usage(starter, starter).split("```python\n")[1].partition("```")[0]
    printed = subprocess.run([sys.executable, "-c", lines], check=True, capture_output=True, text=True).stdout
    recogniser = load(TYPING_STARTER, "cpu")
    prompt = recogniser.family.prompt(recogniser.model, recogniser.processor, clip_of("teh meeting is at noon"))
    with torch.no_grad():
        ids = recogniser.model.generate(torch.tensor([prompt]), max_new_tokens=60, do_sample=False)[0, len(prompt) :]
    assert printed.strip() == recogniser.processor.decode(ids, skip_special_tokens=True).strip()

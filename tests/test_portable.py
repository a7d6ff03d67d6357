"""Folders that leave the studio load in the tools that people use: converters, and earlier transformers and peft."""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from test_merged import adapter

from studio.audio import write_wav
from studio.export.merged import merge
from studio.export.snippets import adapter_snippet, merged_snippet
from studio.models import Clip, load
from studio.models.adapters import attach, save

OLD_FILES = {
    "added_tokens.json",
    "generation_config.json",
    "merges.txt",
    "normalizer.json",
    "preprocessor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
}
PEFT_0_13 = frozenset({
    "peft_type", "auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode", "r",
    "target_modules", "lora_alpha", "lora_dropout", "fan_in_fan_out", "bias", "use_rslora", "modules_to_save",
    "init_lora_weights", "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern", "megatron_config",
    "megatron_core", "loftq_config", "use_dora", "layer_replication", "runtime_config",
})  # fmt: skip


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a multilingual Whisper (`base`), an adapter (`lora`) and both merged (`merged`)."""
    return _whisper(tmp_path_factory.mktemp("whisper"), multilingual=True)


def _whisper(folder: Path, *, multilingual: bool) -> Path:
    base = tiny_models.whisper(folder / "base", multilingual)
    merge(adapter(folder / "lora", base), folder / "merged")
    return folder


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_merged_whisper_has_the_files_of_transformers_4(whisper: Path) -> None:
    names = {path.name for path in (whisper / "merged").iterdir()}
    assert names >= OLD_FILES
    assert "processor_config.json" not in names, "transformers 4 fails on the one that transformers 5 writes"
    extractor = read_json(whisper / "merged" / "preprocessor_config.json")
    assert (extractor["feature_size"], extractor["processor_class"]) == (80, "WhisperProcessor")


def test_the_vocabulary_is_what_whisper_cpps_converter_walks_through(whisper: Path) -> None:
    merged = whisper / "merged"
    vocabulary, added = read_json(merged / "vocab.json"), read_json(merged / "added_tokens.json")
    assert sorted(vocabulary.values()) == list(range(len(vocabulary))), "it counts tokens, and reads no numbers"
    assert added
    assert not set(added) & set(vocabulary)
    assert not set(added.values()) & set(vocabulary.values())
    settings = read_json(merged / "config.json")
    assert settings["max_length"] == settings["max_target_positions"]
    assert {"num_mel_bins", "vocab_size", "d_model", "encoder_attention_heads", "decoder_layers"} <= set(settings)


def test_both_tokenizers_of_a_merged_model_write_the_same_ids(whisper: Path) -> None:
    before, after = (load(whisper / name, "cpu").processor.tokenizer for name in ("base", "merged"))
    for text in ("order number 1296803", " it's <|en|> 21", "naïve 日本"):
        assert before(text).input_ids == after(text).input_ids
        ids = before(text).input_ids
        assert before.decode(ids, skip_special_tokens=True) == after.decode(ids, skip_special_tokens=True)
    assert before.get_vocab() == after.get_vocab()


def test_the_english_normaliser_of_a_merged_whisper_works(whisper: Path) -> None:
    tokenizer = load(whisper / "merged", "cpu").processor.tokenizer
    assert tokenizer.normalize("The Colour, don't!") == "the color do not"


def test_ctranslate2_converts_a_merged_whisper_and_reads_the_same(whisper: Path, tmp_path: Path) -> None:
    ctranslate2 = pytest.importorskip("ctranslate2")
    from ctranslate2.converters import TransformersConverter

    copied = ["tokenizer.json", "preprocessor_config.json"]  # what faster-whisper reads
    TransformersConverter(str(whisper / "merged"), copy_files=copied).convert(str(tmp_path / "converted"))
    assert {path.name for path in (tmp_path / "converted").iterdir()} >= {"model.bin", "config.json", *copied}
    merged = load(whisper / "merged", "cpu")
    clip = Clip(tiny_models.noise(1.7))
    features = merged.processor.feature_extractor(clip.samples, sampling_rate=16_000).input_features
    converted = ctranslate2.models.Whisper(str(tmp_path / "converted"), compute_type="float32")
    prompt, most = merged.family.prompt(merged.model), merged.family.most_tokens(merged.model, clip)
    found = converted.generate(
        ctranslate2.StorageView.from_array(np.ascontiguousarray(features, np.float32)),
        [prompt], beam_size=1, max_length=most + len(prompt),
    )  # fmt: skip
    ids = [token for token in found[0].sequences_ids[0] if token not in prompt]
    text = merged.processor.tokenizer.decode(ids, skip_special_tokens=True).strip()
    here = merged.family.transcribe(merged.model, merged.processor, clip).text
    assert len(text) > 10
    assert here.startswith(text)  # it counts the most tokens differently


@pytest.mark.parametrize("make", [tiny_models.moonshine, tiny_models.moonshine_streaming])
def test_a_merged_moonshine_names_what_transformers_4_knows(make: Any, tmp_path: Path) -> None:
    merge(adapter(tmp_path / "lora", make(tmp_path / "base")), tmp_path / "merged")
    merged = tmp_path / "merged"
    assert {"preprocessor_config.json", "special_tokens_map.json"} <= {path.name for path in merged.iterdir()}
    tokenizer = read_json(merged / "tokenizer_config.json")
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast", "TokenizersBackend is unknown before 5"
    assert not {"backend", "is_local", "local_files_only"} & set(tokenizer)
    settings = read_json(merged / "config.json")
    assert settings["torch_dtype"] == settings["dtype"]
    for name, value in settings.get("rope_parameters", {}).items():
        assert name == "rope_type" or settings[name] == value


def test_the_processor_of_a_run_is_written_by_the_same_writer(whisper: Path, tmp_path: Path) -> None:
    recogniser = load(whisper / "base", "cpu")
    recogniser.family.save_processor(recogniser.processor, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == OLD_FILES - {"generation_config.json"}
    again = recogniser.family.load_processor(tmp_path)
    assert again.feature_extractor.to_dict() == recogniser.processor.feature_extractor.to_dict()
    assert again.tokenizer.get_vocab() == recogniser.processor.tokenizer.get_vocab()


def test_an_adapter_names_only_settings_that_peft_0_13_knows(whisper: Path) -> None:
    settings = read_json(whisper / "lora" / "adapter_config.json")
    assert set(settings) <= PEFT_0_13
    assert (settings["r"], settings["lora_alpha"], settings["peft_type"]) == (4, 8, "LORA")
    assert settings["inference_mode"] is True
    card = (whisper / "lora" / "README.md").read_text()
    assert "peft 0.13 or later" in card
    assert "transformers 4.46 or later" in card


def test_what_was_chosen_for_an_adapter_is_written(tmp_path: Path) -> None:
    recogniser = attach(load("echo", "cpu"), 4, 8, 0.0, "deep", seed=0, dora=True, rslora=True)
    recogniser.model.peft_config["default"].lora_bias = True  # not a choice of ours, and unknown to peft 0.13
    save(recogniser, tmp_path / "lora")
    settings = read_json(tmp_path / "lora" / "adapter_config.json")
    assert settings["use_dora"] is settings["use_rslora"] is settings["lora_bias"] is True


@pytest.fixture
def umask() -> Iterator[Any]:
    was = os.umask(0o022)
    yield os.umask
    os.umask(was)


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_that_leave_have_the_mode_that_the_umask_asks_for(
    mask: int, mode: int, umask: Any, tmp_path: Path
) -> None:
    umask(mask)
    merge(adapter(tmp_path / "lora", "echo"), tmp_path / "merged")
    for folder in (tmp_path / "lora", tmp_path / "merged"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~mask
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {mode}


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft's own call
@pytest.mark.usefixtures("librosa_at_once")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # librosa's own imports
def test_the_snippets_of_a_multilingual_whisper_name_language_and_task(
    whisper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wav(tmp_path / "clip.wav", tiny_models.noise(1.7), 16_000)
    monkeypatch.chdir(tmp_path)
    snippets = adapter_snippet(whisper / "lora"), merged_snippet(whisper / "merged")
    assert snippets[1] in (whisper / "merged" / "README.md").read_text()
    for snippet in snippets:
        assert "language='en', task='transcribe'" in snippet
        assert "transformers 4.46 or later" in snippet
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(snippet, "snippet", "exec"), {})
        assert printed.getvalue().strip()


def test_the_snippet_of_an_english_whisper_names_no_language(tmp_path: Path) -> None:
    folder = _whisper(tmp_path, multilingual=False)
    assert "language" not in merged_snippet(folder / "merged")


def test_a_language_that_the_model_was_given_is_in_the_snippet(whisper: Path) -> None:
    path = whisper / "merged" / "generation_config.json"
    before = path.read_text()
    path.write_text(json.dumps(json.loads(before) | {"language": "de"}))
    assert "language='de'" in merged_snippet(whisper / "merged")
    path.write_text(before)


READ = """
import sys, numpy as np, torch
from transformers import AutoModelForSpeechSeq2Seq, AutoProcessor
from peft import PeftModel
samples = np.load(sys.argv[1])
for base, lora in ((sys.argv[2], ""), (sys.argv[3], sys.argv[4])):
    processor = AutoProcessor.from_pretrained(base)
    model = AutoModelForSpeechSeq2Seq.from_pretrained(base)
    model = PeftModel.from_pretrained(model, lora).eval() if lora else model.eval()
    inputs = processor(samples, sampling_rate=16_000, return_tensors="pt")
    options = dict(language="en", task="transcribe") if "Whisper" in type(processor).__name__ else {}
    tokens = model.generate(**inputs, **options, max_new_tokens=12)
    print(processor.tokenizer.decode(tokens[0], skip_special_tokens=True).strip().encode())
"""


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("family", "packages"),
    [
        ("whisper", "transformers==4.46.3 tokenizers==0.20.3 peft==0.13.2 huggingface_hub==0.26.5 accelerate==1.1.1"),
        ("moonshine", "transformers==4.48.3 tokenizers==0.21.0 peft==0.13.2 huggingface_hub==0.27.1 accelerate==1.1.1"),
    ],
)
def test_the_oldest_versions_named_read_merged_model_and_adapter_alike(
    family: str, packages: str, tmp_path: Path
) -> None:
    made = tiny_models.whisper if family == "whisper" else tiny_models.moonshine
    made(base := tmp_path / "base", **({"multilingual": True} if family == "whisper" else {}))
    published = load(base, "cpu")  # a published base is not written by transformers 5
    published.family.save(published.model, published.processor, base)
    (base / "processor_config.json").unlink(missing_ok=True)
    merge(adapter(tmp_path / "lora", base), tmp_path / "merged")
    python = _old_python(tmp_path / "old", packages.split())
    samples = tiny_models.noise(1.7)
    np.save(tmp_path / "clip.npy", samples)
    arguments = [tmp_path / name for name in ("clip.npy", "merged", "base", "lora")]
    done = subprocess.run([python, "-W", "ignore", "-c", READ, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    texts = done.stdout.split("\n")[:2]
    assert texts[0] == texts[1] != "b''"
    here = load(tmp_path / "merged", "cpu")
    most = here.family.transcribe(here.model, here.processor, Clip(samples)).text
    assert most.encode()[:6] == eval(texts[0])[:6]  # as far as 12 tokens go


def _old_python(folder: Path, packages: list[str]) -> Path:
    """A Python with `packages`, and for all else with those of this one."""
    import torch

    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", *packages]
    if subprocess.run(install, capture_output=True, check=False).returncode:
        pytest.skip("earlier packages cannot be installed here")
    here = Path(torch.__file__).parent.parent
    next(folder.glob("lib/*/site-packages")).joinpath("zz_here.pth").write_text(f"{here}\n")
    return python

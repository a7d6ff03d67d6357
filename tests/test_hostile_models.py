"""A model folder that is broken, or made to do harm, is a sentence within seconds; half an adapter never loads."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from safetensors.torch import load_file, save_file
from test_merged import adapter

from studio.config import TrainConfig
from studio.errors import ConfigError, ModelError
from studio.models import before_start, load
from studio.models.adapters import add_adapter
from studio.models.catalogue import stored_numbers
from studio.models.memory import estimate

DEEP = "[" * 100_000 + "]" * 100_000
LIMIT = 10.0  # seconds


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model (`base`) and an adapter of it (`lora`)."""
    folder = tmp_path_factory.mktemp("good")
    tiny_models.moonshine(folder / "base")
    adapter(folder / "lora", folder / "base")
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A copy of it, to be harmed."""
    shutil.copytree(good, tmp_path / "copy")
    return tmp_path / "copy"


def changed(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refused(act: Callable[[], Any]) -> str:
    began = time.process_time()
    with pytest.raises(ModelError) as error:
        act()
    assert time.process_time() - began < LIMIT
    assert error.value.remedy
    return str(error.value)


@pytest.mark.parametrize(
    "values",
    [
        {"decoder_num_hidden_layers": 1_000_000},
        {"decoder_num_hidden_layers": 200},
        {"encoder_num_hidden_layers": 1},
        {"hidden_size": "wide"},
        {"hidden_size": -1},
        {"hidden_size": 10**9},
        {"hidden_size": 96},
        {"intermediate_size": 9_000_000},
        {"vocab_size": 10**12},
        {"vocab_size": 100_000},
        {"encoder_num_attention_heads": True},
        {"encoder_num_attention_heads": 0},
        {"model_type": ["moonshine"]},
        {"max_position_embeddings": [194]},
    ],
    ids=str,
)
def test_a_config_that_cannot_be_true_is_a_sentence(values: dict[str, Any], folder: Path) -> None:
    changed(folder / "base" / "config.json", **values)
    assert "Traceback" not in refused(lambda: load(folder / "base", "cpu"))


OF_CODE = re.compile(r"Validation error|NoneType|None|<class|[a-z]+ object|modulo|KeyError|Error\b|as left operand")


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("config.json", {"hidden_size": None}, "config.json cannot be used: hidden_size is null, which is no value"),
        ("config.json", {"attention_bias": "maybe"}, 'config.json cannot be used: attention_bias is "maybe", which'),
        ("config.json", {"id2label": 7}, "config.json"),  # transformers before 5.24 says which value
        ("config.json", {"encoder_num_attention_heads": 0}, "a value in its config.json or generation_config.json"),
        ("processor_config.json", {"processor_class": 7}, "one of its files is damaged"),
        ("processor_config.json", {"feature_extractor": 7}, "says how sound is prepared"),
        ("processor_config.json", {"processor_class": "Nope"}, "states no sample rate"),
        ("tokenizer_config.json", {"eos_token": 7}, "one of its files is damaged"),
    ],
)
def test_a_broken_setting_is_named_without_words_of_code(
    name: str, values: dict[str, Any], says: str, folder: Path
) -> None:
    changed(folder / "base" / name, **values)
    sentence = refused(lambda: load(folder / "base", "cpu"))
    assert says in sentence
    assert not OF_CODE.search(sentence)


@pytest.mark.parametrize(
    "name",
    ["config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json", "processor_config.json"],
)
@pytest.mark.parametrize("content", [DEEP, f'{{"a": {DEEP}}}', "7", '{"a": ', "\udcff"], ids=lambda text: text[:6])
def test_json_that_is_deep_or_torn_is_a_sentence(name: str, content: str, folder: Path) -> None:
    (folder / "base" / name).write_text(content, errors="surrogateescape")
    assert name in refused(lambda: load(folder / "base", "cpu"))


@pytest.mark.thorough
def test_a_million_added_tokens_are_a_sentence(folder: Path) -> None:
    path = folder / "base" / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    token = tokenizer["added_tokens"][0]
    tokenizer["added_tokens"] = [token | {"id": 500 + number, "content": f"<{number}>"} for number in range(300_000)]
    path.write_text(json.dumps(tokenizer))
    assert "300,000 tokens" in refused(lambda: load(folder / "base", "cpu"))
    tokenizer["added_tokens"] *= 4
    path.write_text(json.dumps(tokenizer))
    assert "tokenizer.json" in refused(lambda: load(folder / "base", "cpu"))


@pytest.mark.parametrize("size", [2**62, 50_000_000])
def test_weights_whose_header_lies_are_a_sentence(size: int, folder: Path) -> None:
    weights = folder / "base" / "model.safetensors"
    weights.write_bytes(size.to_bytes(8, "little") + weights.read_bytes()[8:])
    assert "model.safetensors" in refused(lambda: load(folder / "base", "cpu"))
    assert stored_numbers(folder / "base") == 0


def test_an_adapter_with_half_its_tensors_never_loads(folder: Path) -> None:
    path = folder / "lora" / "adapter_model.safetensors"
    tensors = load_file(path)
    save_file(dict(list(tensors.items())[::2]), path)
    base = load(folder / "base", "cpu")
    names = list(base.model.state_dict())
    assert "incomplete" in refused(lambda: load(folder / "base", "cpu", adapter=folder / "lora"))
    assert "incomplete" in refused(lambda: add_adapter(base, folder / "lora", "second"))
    assert list(base.model.state_dict()) == names, "nothing of it is left on the model"


def test_a_half_adapter_leaves_the_others_that_were_loaded(good: Path, folder: Path) -> None:
    path = folder / "lora" / "adapter_model.safetensors"
    save_file(dict(list(load_file(path).items())[:3]), path)
    both = load(good / "base", "cpu", adapter=good / "lora")
    assert "incomplete" in refused(lambda: add_adapter(both, folder / "lora", "second"))
    assert list(both.model.peft_config) == ["default"]


@pytest.mark.parametrize(
    "values", [{"r": 10**9}, {"r": "8"}, {"r": 0}, {"lora_alpha": "much"}, {"rank_pattern": {"q_proj": 10**9}},
               {"rank_pattern": 7}, {"modules_to_save": 7}, {"target_modules": 7}, {"peft_type": "NEVER"}], ids=str,
)  # fmt: skip
def test_an_adapter_config_that_cannot_be_true_is_a_sentence(values: dict[str, Any], folder: Path) -> None:
    changed(folder / "lora" / "adapter_config.json", **values)
    refused(lambda: load(folder / "base", "cpu", adapter=folder / "lora"))


ENDLESS = r"([a-z0-9_.]+)+!"  # doubles its time with every letter of a name


FIELDS = [{"exclude_modules": ENDLESS}, {"rank_pattern": {ENDLESS: 4}}, {"alpha_pattern": {ENDLESS: 4}},
          {"modules_to_save": [ENDLESS]}, {"layers_to_transform": [0], "layers_pattern": [ENDLESS]}]  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [{"target_modules": ENDLESS}, *(pytest.param(fields, marks=pytest.mark.thorough) for fields in FIELDS)],
    ids=str,
)
def test_a_pattern_of_an_adapter_that_takes_without_end_is_a_sentence(values: dict[str, Any], folder: Path) -> None:
    changed(folder / "lora" / "adapter_config.json", **values)
    assert "takes more than 2 s" in refused(lambda: load(folder / "base", "cpu", adapter=folder / "lora"))


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        pytest.param(ENDLESS, "takes more than 2 s", marks=pytest.mark.thorough),
        (r"(a+)+$", "matches no layer of starter"),
        (r".*no_such_layer", "matches no layer of starter"),
        (r".*encoder\.conv2", "below every adapter"),
        (r".*embed_tokens", "not a linear layer"),
        (r".*\.self_attn", "not a linear layer"),
    ],
)
def test_targets_that_no_run_could_adapt_are_refused_before_it_starts(targets: str, says: str) -> None:
    config = TrainConfig(dataset="me", targets=targets)
    with pytest.raises(ConfigError, match=rf"^targets: .*{says}") as error:
        before_start.check(config, [])
    assert "conventions" in error.value.remedy
    assert estimate(config, [2.0]) is None or says != "takes more than 2 s"


STOPPED = """
import os, signal
signal.signal(signal.SIGTERM, lambda *_: print("stopped"))
from studio.models import layers
layers._TRY = "import os, signal; os.killpg(os.getpgid(os.getppid()), signal.SIGTERM)" + layers._TRY
print(layers.matching(["a.*"], ["ab", "b"]))
"""


def test_a_run_that_is_stopped_while_its_targets_are_matched_is_no_slow_pattern() -> None:
    ran = subprocess.run([sys.executable, "-c", STOPPED], capture_output=True, text=True, start_new_session=True)
    assert ran.stdout.split("\n")[:2] == ["stopped", "['ab']"], ran.stderr


def test_every_preset_and_a_fitting_pattern_can_start(good: Path) -> None:
    for targets in ("conventions", "voice", "deep", "full", "all", r".*q_proj"):
        for model in ("starter", "echo", str(good / "base"), "openai/not-on-this-disk"):
            assert before_start.check(TrainConfig(dataset="me", targets=targets, model=model), []) == []


def test_the_memory_of_a_model_that_cannot_be_true_is_not_known(folder: Path) -> None:
    changed(folder / "base" / "config.json", hidden_size="wide")
    assert estimate(TrainConfig(dataset="me", model=str(folder / "base")), [2.0]) is None


def test_the_memory_estimate_counts_the_tokens_of_labels(good: Path) -> None:
    config = TrainConfig(dataset="me", model=str(good / "base"))
    usual, few = estimate(config, [2.0, 3.0]), estimate(config, [2.0, 3.0], texts=["yes", "no"])
    long = estimate(config, [2.0, 3.0], texts=["yes", "z" * 150])
    longest = estimate(config, [2.0, 3.0], texts=["yes", "z" * 2_000_000])
    assert usual is not None
    assert few is not None
    assert long is not None
    assert longest is not None
    assert usual.total == few.total < long.total < longest.total < 2 * long.total

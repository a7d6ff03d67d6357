"""LoRA adapters: what may be adapted, that "before" is the base exactly, and that folders fit plain peft."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tiny_models

from studio.errors import ConfigError, ModelError
from studio.models import Clip, Recogniser, load
from studio.models.adapters import attach, load_adapter, save, trainable, without_adapter
from studio.models.echo import speak


@pytest.fixture(scope="module")
def v1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.moonshine(tmp_path_factory.mktemp("v1"))


def adapted(source: str | Path = "echo", targets: str = "attention", seed: int = 0) -> Recogniser:
    return attach(load(source, "cpu"), 4, 8, 0.1, targets, seed)


def disturb(recogniser: Recogniser) -> None:
    """Pretend that the adapter was trained."""
    import torch

    torch.manual_seed(7)
    for parameter in trainable(recogniser):
        torch.nn.init.normal_(parameter, std=0.3)


def output(recogniser: Recogniser) -> Any:
    """The loss of a clip, which depends on every weight."""
    family = recogniser.family
    clip = Clip(speak("room 29") if family.name == "echo" else tiny_models.noise(1.0), "room 29")
    row = family.prepare(recogniser.model, recogniser.processor, clip)
    return family.loss(recogniser.model, family.collate([row]))[0].item()


def weights(recogniser: Recogniser) -> Mapping[str, Any]:
    return {name: tensor.clone() for name, tensor in recogniser.model.state_dict().items()}


@pytest.mark.parametrize("kind", ["echo", "moonshine"])
def test_a_fresh_adapter_changes_nothing_and_alone_is_trainable(kind: str, v1: Path) -> None:
    source = "echo" if kind == "echo" else v1
    base = load(source, "cpu")
    before = output(base)
    recogniser = attach(base, 4, 8, 0.1, "attention", seed=0)
    assert output(recogniser) == before
    names = [name for name, parameter in recogniser.model.named_parameters() if parameter.requires_grad]
    assert names
    assert all("lora_" in name for name in names)


def test_the_same_seed_gives_the_same_adapter_and_leaves_the_global_random_state() -> None:
    import torch

    base = load("echo", "cpu")
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = weights(attach(base, 4, 8, 0.1, "attention", seed=5))
    assert torch.rand(1) == expected
    assert all(tensor.equal(first[name]) for name, tensor in weights(adapted(seed=5)).items())
    assert not all(tensor.equal(first[name]) for name, tensor in weights(adapted(seed=6)).items())


@pytest.mark.parametrize("kind", ["echo", "moonshine"])
def test_before_is_the_base_exactly_and_after_is_back_again(kind: str, v1: Path) -> None:
    source = "echo" if kind == "echo" else v1
    base = output(load(source, "cpu"))
    recogniser = adapted(source)
    disturb(recogniser)
    after = output(recogniser)
    assert after != base
    with without_adapter(recogniser):
        assert output(recogniser) == base
    assert output(recogniser) == after


def test_a_model_without_adapter_is_its_own_before() -> None:
    echo = load("echo", "cpu")
    with without_adapter(echo):
        assert output(echo) == output(load("echo", "cpu"))


def test_looking_at_before_leaves_what_is_trainable_as_it_was(tmp_path: Path) -> None:
    save(adapted(), tmp_path / "adapter")
    recogniser = load("echo", "cpu", adapter=tmp_path / "adapter")
    with pytest.raises(RuntimeError, match="mid-way"), without_adapter(recogniser):
        raise RuntimeError("mid-way")
    assert trainable(recogniser) == []
    assert not recogniser.model.training


@pytest.mark.parametrize(("preset", "layers"), [("deep", 24), ("full", 32), ("voice", 16), ("conventions", 6)])
def test_presets_reach_the_layers_that_they_name(v1: Path, preset: str, layers: int) -> None:
    recogniser = adapted(v1, preset)
    names = {name.partition(".lora_")[0] for name, p in recogniser.model.named_parameters() if p.requires_grad}
    assert len(names) == layers
    if preset in ("voice", "conventions"):
        assert not any(".encoder." in name for name in names)


@pytest.mark.parametrize(("earlier", "now"), [("attention", "deep"), ("all", "full"), ("deep-mlp", "full")])
def test_the_names_of_earlier_versions_still_mean_the_same_layers(v1: Path, earlier: str, now: str) -> None:
    expected, found = weights(adapted(v1, now)), weights(adapted(v1, earlier))
    assert expected.keys() == found.keys()
    assert all(tensor.equal(found[name]) for name, tensor in expected.items())


@pytest.mark.parametrize("way", ["dora", "rslora"])
def test_dora_and_rslora_begin_as_the_base_and_merge_to_what_they_were(way: str, v1: Path) -> None:
    import torch

    base = output(load(v1, "cpu"))
    recogniser = attach(load(v1, "cpu"), 4, 8, 0.0, "deep", seed=0, **{way: True})
    assert output(recogniser) == pytest.approx(base, rel=1e-5)
    disturb(recogniser)
    with without_adapter(recogniser):
        assert output(recogniser) == base
    clip = Clip(tiny_models.noise(1.0), "room 29")
    family = recogniser.family
    expected = family.logits(recogniser.model, recogniser.processor, clip)
    merged = recogniser.model.merge_and_unload()
    torch.testing.assert_close(family.logits(merged, recogniser.processor, clip), expected, rtol=1e-3, atol=1e-3)


def test_layers_that_share_weights_are_known_by_their_weights_whatever_the_config_says(tmp_path: Path) -> None:
    base = load(tiny_models.moonshine_streaming(tmp_path / "tied", tie_word_embeddings=True), "cpu")
    base.model.config.tie_word_embeddings = False
    with pytest.raises(ConfigError, match="shares its weights"):
        attach(base, 4, 8, 0.0, "proj_out", seed=0)


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        (r".*embed_tokens", "shares its weights"),
        (r"proj_out", "shares its weights"),
        (r".*encoder\.conv2", "below every adapter"),
        (r".*groupnorm", "below every adapter"),
        (r".*no_such_layer", "matches no layer"),
        (r"q_proj", "matches no layer"),  # a regex is matched against the whole name
        (r".*layer_norm", "not a linear layer"),
        (r"(", "not a regular expression"),
    ],
)
def test_layers_that_cannot_be_adapted_are_refused_with_the_reason(v1: Path, targets: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        adapted(v1, targets)
    assert "conventions" in refused.value.remedy


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft's own call
def test_a_saved_adapter_loads_with_plain_peft(v1: Path, tmp_path: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import MoonshineForConditionalGeneration

    recogniser = adapted(v1)
    disturb(recogniser)
    save(recogniser, tmp_path / "adapter")
    assert {path.name for path in (tmp_path / "adapter").iterdir()} == {
        "README.md", "adapter_config.json", "adapter_model.safetensors", "base.json",
    }  # fmt: skip
    plain = MoonshineForConditionalGeneration.from_pretrained(v1, local_files_only=True)
    model = PeftModel.from_pretrained(plain, tmp_path / "adapter").eval()
    samples = torch.from_numpy(tiny_models.noise(1.0))[None]
    start = torch.tensor([[1, 9]])
    with torch.no_grad():
        theirs = model(input_values=samples, decoder_input_ids=start).logits
        ours = recogniser.model(input_values=samples, decoder_input_ids=start).logits
    assert theirs.equal(ours)


def test_a_saved_adapter_comes_back_to_the_bit_and_takes_the_place_of_another(tmp_path: Path) -> None:
    recogniser = adapted()
    disturb(recogniser)
    save(recogniser, tmp_path / "one")
    other = load_adapter(adapted(seed=9), tmp_path / "one")
    assert output(other) == output(recogniser)
    assert not trainable(other)


def test_saving_again_replaces_the_folder_whole(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "left-over").touch()
    save(adapted(), folder)
    assert not (folder / "left-over").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_a_save_that_fails_leaves_the_old_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recogniser = adapted()
    save(recogniser, tmp_path / "adapter")
    before = (tmp_path / "adapter" / "adapter_model.safetensors").read_bytes()
    disturb(recogniser)
    monkeypatch.setattr("safetensors.torch.save_file", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space")))
    with pytest.raises(Exception, match="disk is full"):
        save(recogniser, tmp_path / "adapter")
    assert (tmp_path / "adapter" / "adapter_model.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_an_adapter_of_another_model_is_refused_naming_both(v1: Path, tmp_path: Path) -> None:
    save(adapted(v1), tmp_path / "adapter")
    with pytest.raises(ModelError, match=f"{re.escape(str(v1))}.*echo"):
        load("echo", "cpu", adapter=tmp_path / "adapter")
    same_shape = shutil.copytree(v1, tmp_path / "same shape")
    weights = bytearray((same_shape / "model.safetensors").read_bytes())
    weights[-40_000:] = bytes(40_000)
    (same_shape / "model.safetensors").write_bytes(weights)
    with pytest.raises(ModelError, match="was made on"):
        load(same_shape, "cpu", adapter=tmp_path / "adapter")


def test_an_adapter_of_an_older_version_of_the_same_model_says_so(v1: Path, tmp_path: Path) -> None:
    base = shutil.copytree(v1, tmp_path / "base")
    save(adapted(base), tmp_path / "adapter")
    content = (base / "model.safetensors").read_bytes()
    (base / "model.safetensors").write_bytes(content[:-40_000] + bytes(40_000))
    with pytest.raises(ModelError, match="another version"):
        load(base, "cpu", adapter=tmp_path / "adapter")


def test_a_copy_of_the_base_elsewhere_still_takes_the_adapter(v1: Path, tmp_path: Path) -> None:
    save(adapted(v1), tmp_path / "adapter")
    copy = shutil.copytree(v1, tmp_path / "copy")
    assert load(copy, "cpu", adapter=tmp_path / "adapter")


def test_an_adapter_made_elsewhere_that_does_not_fit_is_a_sentence(v1: Path, tmp_path: Path) -> None:
    save(adapted(v1), tmp_path / "adapter")
    (tmp_path / "adapter" / "base.json").unlink()
    with pytest.raises(ModelError, match="does not fit"):
        load("echo", "cpu", adapter=tmp_path / "adapter")


def test_a_folder_without_an_adapter_or_with_a_torn_one_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"adapter_config\.json is missing"):
        load("echo", "cpu", adapter=tmp_path)
    save(adapted(), tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"torn")
    with pytest.raises(ModelError, match="its header is longer than the file"):
        load("echo", "cpu", adapter=tmp_path / "adapter")


def test_an_adapter_stays_fp32_on_a_bf16_base(v1: Path) -> None:
    import torch

    recogniser = attach(load(v1, "cpu", "bf16"), 4, 8, 0.0, "attention", seed=0)
    assert {parameter.dtype for parameter in trainable(recogniser)} == {torch.float32}
    assert output(recogniser) > 0


def test_the_saved_config_names_its_base_and_no_task(v1: Path, tmp_path: Path) -> None:
    save(adapted(v1), tmp_path / "adapter")
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(v1)
    assert config["task_type"] is None

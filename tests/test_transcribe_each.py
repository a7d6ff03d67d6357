"""Several adapters and key terms on one clip: the same texts as each alone."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from studio import cli
from studio.audio import read
from studio.errors import ConfigError, ModelError
from studio.inference.compare import compare_list, transcribe_each
from studio.inference.worker.host import ModelHost
from studio.models import Clip, Recogniser, adapters, load
from studio.models.active_adapter import BASE, in_use
from studio.models.key_terms import key_terms
from studio.models.multi_adapter import MOST_ADAPTERS, can_mix, names_on
from studio.starter import GENERAL_FOLDER

TARGETS = ("voice", "deep", "conventions", "full")
PATHS = sorted(GENERAL_FOLDER.rglob("*.flac"))[:2]


def clip(path: Path) -> Clip:
    return Clip(read(path, 16_000).samples, id=path.name)


def trained(folder: Path, targets: str, seed: int, dora: bool = False, strength: float = 0.25) -> Path:
    """An adapter on the starter that changes what it writes, as if it had been trained."""
    import torch

    recogniser = adapters.attach(load("starter", "cpu"), 4, 8, 0.0, targets, seed, dora=dora)
    torch.manual_seed(seed)
    for name, parameter in recogniser.model.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            torch.nn.init.normal_(parameter, std=strength)
    adapters.save(recogniser, folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four adapters, two of which reach the encoder."""
    root = tmp_path_factory.mktemp("adapters")
    return [trained(root / targets, targets, seed) for seed, targets in enumerate(TARGETS)]


def with_adapters(folders: list[Path]) -> Recogniser:
    recogniser = load("starter", "cpu")
    for place, folder in enumerate(folders):
        recogniser = adapters.add_adapter(recogniser, folder, f"adapter{place}")
    return recogniser


@cache
def alone(path: Path, folder: Path | None) -> str:
    recogniser = load("starter", "cpu", adapter=folder)
    return recogniser.family.transcribe(recogniser.model, recogniser.processor, clip(path)).text


def test_what_the_encoder_gave_for_all_is_multiplied_once(folders: list[Path]) -> None:
    recogniser = with_adapters([folders[TARGETS.index("voice")]])
    given = list[int]()
    for name, layer in recogniser.model.named_modules():
        if name.endswith("encoder_attn.k_proj.base_layer"):
            layer.register_forward_pre_hook(lambda _, inputs: given.append(len(inputs[0])))
    before, after = (reading.plain.text for reading in transcribe_each(recogniser, clip(PATHS[0])))
    assert (before, after) == (alone(PATHS[0], None), alone(PATHS[0], folders[TARGETS.index("voice")]))
    assert set(given) == {1}


def test_a_network_that_an_earlier_peft_merged_and_left_its_settings_on_has_no_adapter() -> None:
    from torch import nn

    merged = nn.Sequential(nn.Linear(1, 1))
    merged.peft_config = {"default": None}  # type: ignore[assignment]
    assert in_use(merged) == BASE


@pytest.mark.thorough
def test_four_adapters_in_one_batch_read_as_each_alone(folders: list[Path]) -> None:
    recogniser = with_adapters(folders)
    for path in PATHS:
        expected = [alone(path, folder) for folder in (None, *folders)]
        assert len(set(expected)) > 2
        assert [reading.plain.text for reading in transcribe_each(recogniser, clip(path))] == expected


def test_key_terms_and_adapters_together_read_as_each_alone(folders: list[Path]) -> None:
    recogniser, terms = with_adapters(folders[:1]), ["location", "contract"]
    trie = key_terms(recogniser.family, recogniser.processor, terms, 3.0)
    together = transcribe_each(recogniser, clip(PATHS[1]), terms=trie)
    for folder, reading in zip((None, folders[0]), together, strict=True):
        (own,) = transcribe_each(
            load("starter", "cpu", adapter=folder), clip(PATHS[1]), [] if folder is None else None, trie
        )[-1:]
        assert reading.biased is not None
        assert own.biased is not None
        assert (reading.plain.text, reading.biased.text) == (own.plain.text, own.biased.text)


def test_adapters_that_one_batch_cannot_hold_are_read_one_by_one(folders: list[Path], tmp_path: Path) -> None:
    dora = trained(tmp_path / "dora", "voice", 5, dora=True, strength=0.1)
    recogniser = with_adapters([dora, folders[0]])
    assert not can_mix(recogniser)
    texts = [reading.plain.text for reading in transcribe_each(recogniser, clip(PATHS[0]))]
    assert texts == [alone(PATHS[0], folder) for folder in (None, dora, folders[0])]
    assert recogniser.model.active_adapter == "adapter0"
    assert not any(parameter.requires_grad for parameter in recogniser.model.parameters())


def test_the_order_of_the_adapters_is_the_order_of_the_readings(folders: list[Path]) -> None:
    recogniser = with_adapters(folders[:2])
    texts = [reading.plain.text for reading in transcribe_each(recogniser, clip(PATHS[0]))]
    swapped = [reading.plain.text for reading in transcribe_each(recogniser, clip(PATHS[0]), ["adapter1", "adapter0"])]
    assert swapped == [texts[0], texts[2], texts[1]]


def test_an_adapter_of_another_base_is_refused_in_words(folders: list[Path], tmp_path: Path) -> None:
    other = adapters.attach(load("echo", "cpu"), 4, 8, 0.0, "voice", 0)
    adapters.save(other, tmp_path / "other")
    with pytest.raises(ModelError, match="was made on “echo”, not on “starter”"):
        compare_list(PATHS[:1], adapters=[folders[0], tmp_path / "other"])


def test_a_fifth_adapter_is_refused_in_words(folders: list[Path]) -> None:
    with pytest.raises(ConfigError, match="4 are compared at most"):
        compare_list(PATHS[:1], adapters=[*folders, folders[0]])


def held_texts(held: ModelHost, folders: list[Path]) -> list[str]:
    readings = held.transcribe_each("starter", [str(folder) for folder in folders], str(PATHS[0]), [], 2.0)
    return [reading["plain"]["text"] for reading in readings]


@pytest.mark.thorough
def test_the_worker_keeps_four_adapters_and_drops_the_one_asked_for_longest_ago(
    folders: list[Path], tmp_path: Path
) -> None:
    fifth = trained(tmp_path / "fifth", "voice", 9)
    held = ModelHost()
    first = held_texts(held, folders)
    assert held_texts(held, [folders[0], fifth]) == [first[0], first[1], alone(PATHS[0], fifth)]
    assert held._recogniser is not None
    on = names_on(held._recogniser)
    assert on == ["adapter1", "adapter3", "adapter4", "adapter5"]
    assert not any("adapter2" in name for name, _ in held._recogniser.model.named_parameters())
    assert held_texts(held, folders) == first
    assert len(names_on(held._recogniser)) == MOST_ADAPTERS


@pytest.mark.thorough
def test_an_adapter_that_was_written_anew_takes_the_place_of_the_old_one(folders: list[Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders[0], tmp_path / "lora")
    held = ModelHost()
    assert held_texts(held, [folder]) == [alone(PATHS[0], None), alone(PATHS[0], folders[0])]
    for path in folders[1].iterdir():
        shutil.copy(path, folder)
    assert held_texts(held, [folder])[1] == alone(PATHS[0], folders[1])
    assert held._recogniser is not None
    assert names_on(held._recogniser) == ["adapter2"]


def test_the_verb_prints_every_reading_without_and_with_the_terms(folders: list[Path], tmp_path: Path) -> None:
    terms = tmp_path / "terms.txt"
    terms.write_text("location code\n\n location code\n")
    command = ["transcribe", str(PATHS[0]), "--adapter", str(folders[0]), "--adapter", str(folders[1])]
    done = CliRunner().invoke(cli.app, [*command, "--terms", str(terms), "--boost", "1.5", "--device", "cpu"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["terms"], told["boost"], told["adapters"]) == (["location code"], 1.5, [str(f) for f in folders[:2]])
    (heard,) = told["clips"]
    assert [reading["plain"]["text"] for reading in heard["readings"]] == [
        alone(PATHS[0], folder) for folder in (None, *folders[:2])
    ]
    assert all(reading["biased"] for reading in heard["readings"])


def test_the_verb_says_what_is_wrong_with_terms_and_boost(tmp_path: Path) -> None:
    terms = tmp_path / "terms.txt"
    terms.write_text("location code")
    with pytest.raises(ConfigError, match="A boost of 5 is not between 0 and 4"):
        compare_list(PATHS[:1], terms=terms, boost=5)
    with pytest.raises(ConfigError, match="There is no list of key terms"):
        compare_list(PATHS[:1], terms=tmp_path / "nowhere.txt")

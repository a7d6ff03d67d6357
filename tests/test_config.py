"""Every setting once: its bounds, its help, and the command that repeats it."""

from __future__ import annotations

from typing import Any

import pytest

from studio.config import ADAPTERS, PRESETS, TrainConfig, knobs, preset
from studio.errors import ConfigError


@pytest.mark.parametrize(
    ("values", "flags"),
    [
        ({}, ["--targets", "full"]),
        ({"rank": 4, "dora": True}, ["--targets", "full", "--rank", "4", "--dora"]),
        ({"targets": "deep"}, ["--rank", "32", "--alpha", "64.0", "--targets", "deep"]),
        ({"targets": "voice", **ADAPTERS["voice"]}, ["--targets", "voice"]),
    ],
)
def test_the_command_has_the_model_and_what_is_no_default(values: dict[str, Any], flags: list[str]) -> None:
    words = TrainConfig.checked(dataset="voice", **values).command("first")
    assert words == ["studio", "train", "voice", "--model", "starter", *flags, "--name", "first"]


def test_every_setting_has_help_and_its_default_is_within_its_bounds() -> None:
    for name, info in knobs():
        assert info.description, name
        TrainConfig.checked(dataset="voice", **{name: info.default})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rank": 0}, "rank: .*LoRA rank"),
        ({"learning_rate": "fast"}, "learning_rate: .*it was 'fast'"),
        ({"device": "cuda:x"}, "device: .*cuda:N"),
        ({"steps": 3}, "steps: .*Known settings: dataset, model"),
    ],
)
def test_a_setting_out_of_bounds_says_which_and_what_is_allowed(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        TrainConfig.checked(dataset="voice", **values)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_valid_and_gives_way_to_what_a_person_sets(name: str) -> None:
    assert preset(name, dataset="voice", max_steps=7).max_steps == 7
    for setting, value in PRESETS[name].items():
        assert getattr(preset(name, dataset="voice"), setting) == value


@pytest.mark.parametrize("name", ADAPTERS)
def test_targets_bring_what_goes_with_them_and_give_way_to_what_a_person_sets(name: str) -> None:
    for setting, value in ADAPTERS[name].items():
        assert getattr(preset("quick", dataset="voice", targets=name), setting) == value
    assert preset("quick", dataset="voice", targets=name, learning_rate=0.5).learning_rate == 0.5


def test_an_unknown_preset_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no preset “fast”.*quick, balanced, thorough"):
        preset("fast", dataset="voice")


def test_a_config_comes_back_from_its_file() -> None:
    config = preset("thorough", dataset="voice", seed=7)
    assert TrainConfig.model_validate_json(config.model_dump_json()) == config

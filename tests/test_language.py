"""A multilingual model in one language: chosen by name, kept by adapter and run, passed to what leaves the studio."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import LANGUAGES, moonshine, whisper
from typer.testing import CliRunner

from studio.cli import app
from studio.config import TrainConfig, in_language, lasting_model, split_language
from studio.data.utterance import Utterance
from studio.errors import ModelError
from studio.evaluation.cache import CachedBatch, HypothesisCache
from studio.export.merged import merge
from studio.export.snippets import adapter_snippet
from studio.models import Hypothesis, adapters, load, locate
from studio.models.language import language_of, languages
from studio.ui import base_models
from studio.workspace import Workspace


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whisper(tmp_path_factory.mktemp("multilingual") / "base", multilingual=True)


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return moonshine(tmp_path_factory.mktemp("english") / "base")


@pytest.mark.parametrize(
    ("source", "split"),
    [
        ("openai/whisper-base:de", ("openai/whisper-base", "de")),
        ("openai/whisper-base:yue", ("openai/whisper-base", "yue")),
        ("openai/whisper-base", ("openai/whisper-base", "")),
        ("starter", ("starter", "")),
        ("C:/models/x", ("C:/models/x", "")),
        ("model:DE", ("model:DE", "")),
    ],
)
def test_a_language_is_named_after_a_colon(source: str, split: tuple[str, str]) -> None:
    assert split_language(source) == split
    assert in_language(split[0], split[1]) == source


def test_a_folder_whose_name_ends_like_a_language_is_that_folder(tmp_path: Path) -> None:
    folder = moonshine(tmp_path / "mine:de")
    assert split_language(str(folder)) == (str(folder), "")
    assert locate(str(folder)) == folder


def test_a_relative_folder_keeps_its_language_in_another_working_directory(
    multilingual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(multilingual.parent)
    assert lasting_model("base:de") == f"{multilingual}:de"
    assert TrainConfig(dataset="x", model="base:de").model == f"{multilingual}:de"


def test_the_model_is_told_its_language_and_without_one_it_is_english(multilingual: Path) -> None:
    assert languages(multilingual) == ["de", "en"]
    assert load(f"{multilingual}:de", "cpu").model.generation_config.language == "de"
    assert load(multilingual, "cpu").model.generation_config.language == "en"
    assert language_of(f"{multilingual}:de") == "de"


def test_a_language_that_the_model_does_not_know_is_refused_with_those_it_knows(multilingual: Path) -> None:
    with pytest.raises(ModelError, match="does not know the language “fr”") as refused:
        load(f"{multilingual}:fr", "cpu")
    assert "de, en" in refused.value.remedy


def test_a_model_of_one_language_is_only_asked_for_that_one(english: Path) -> None:
    assert languages(english) == []
    load(f"{english}:en", "cpu")
    with pytest.raises(ModelError, match="transcribes one language, “en”, and not “de”"):
        load(f"{english}:de", "cpu")


def test_an_adapter_notes_its_language_and_names_its_base_as_other_tools_know_it(
    multilingual: Path, tmp_path: Path
) -> None:
    base = load(f"{multilingual}:de", "cpu")
    adapters.save(adapters.attach(base, 2, 4, 0, "conventions", 0), tmp_path / "lora")
    assert adapters.base_note(tmp_path / "lora")["source"] == f"{multilingual}:de"
    settings = json.loads((tmp_path / "lora" / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == str(multilingual)
    snippet = adapter_snippet(tmp_path / "lora")
    assert f"base = '{multilingual}'" in snippet
    assert "language='de', task='transcribe'" in snippet


def test_a_merged_model_keeps_the_language(multilingual: Path, tmp_path: Path) -> None:
    base = load(f"{multilingual}:de", "cpu")
    adapters.save(adapters.attach(base, 2, 4, 0, "conventions", 0), tmp_path / "lora")
    merge(tmp_path / "lora", tmp_path / "merged")
    assert json.loads((tmp_path / "merged" / "generation_config.json").read_text())["language"] == "de"
    assert load(tmp_path / "merged", "cpu").model.generation_config.language == "de"


def test_what_was_written_in_one_language_is_not_taken_for_another(multilingual: Path, tmp_path: Path) -> None:
    german, other = (load(f"{multilingual}:{language}", "cpu") for language in LANGUAGES[:2])
    clip = Utterance(id="a", audio_filepath="a.wav", text="drei", duration=1, split="test")
    kept = CachedBatch(clips=["a"], heard={"a": Hypothesis(text="drei", seconds=1, latency=0)})
    HypothesisCache.of(tmp_path, german, "clips", with_adapter=False).keep(kept)
    assert HypothesisCache.of(tmp_path, german, "clips", with_adapter=False).find([clip]) == kept
    assert HypothesisCache.of(tmp_path, other, "clips", with_adapter=False).find([clip]) is None


def test_the_command_line_takes_the_language_and_a_wrong_one_is_a_sentence(
    multilingual: Path, english: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_WORKSPACE", str(tmp_path))
    clip = Path(__file__).parent.parent / "studio" / "evaluation" / "people" / "000.flac"
    words = ["transcribe", str(clip), "--model", str(multilingual)]
    found = CliRunner().invoke(app, [*words, "--language", "de"], catch_exceptions=False)
    assert json.loads(found.stdout)["model"] == f"{multilingual}:de"
    with pytest.raises(ModelError, match="“xx”"):
        CliRunner().invoke(app, [*words, "--language", "xx"], catch_exceptions=False)


def test_the_page_offers_a_multilingual_model_once_for_each_language_that_was_chosen(
    multilingual: Path, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path)
    assert base_models.add(workspace, f"{multilingual}:de") == f"{multilingual}:de"
    card = next(card for card in base_models.offered(workspace) if card.id == f"{multilingual}:de")
    assert card.title == "base (de)"
    assert base_models.languages_of(card) == ["de", "en"]
    assert base_models.known(workspace, f"{multilingual}:de") == f"{multilingual}:de"
    with pytest.raises(ModelError, match="does not know"):
        base_models.add(workspace, f"{multilingual}:fr")
    with pytest.raises(ModelError, match="does not offer"):
        base_models.known(workspace, f"{multilingual}:en")

"""The bundled typing model is what its card says, loads with plain transformers, and can be made again."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verbs import call

from studio.inference.mend import mend
from studio.models import Recogniser, load
from studio.typing_starter import HELD_OUT, MODEL_FOLDER

BUILT = (MODEL_FOLDER / "model.safetensors").is_file()
needs_weights = pytest.mark.skipif(not BUILT, reason="the starter's weights are not in the package")


@pytest.fixture(scope="module")
def starter() -> Recogniser:
    return load("typing-starter", "cpu")


@needs_weights
def test_the_shipped_model_is_small_and_in_half_precision() -> None:
    weights = MODEL_FOLDER / "model.safetensors"
    assert weights.stat().st_size <= 8 * 2**20
    header = json.loads(weights.read_bytes()[8 : 8 + int.from_bytes(weights.read_bytes()[:8], "little")])
    assert {entry["dtype"] for name, entry in header.items() if name != "__metadata__"} == {"F16"}


@needs_weights
def test_it_loads_with_plain_transformers_in_single_precision() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(MODEL_FOLDER)
    tokenizer: Any = AutoTokenizer.from_pretrained(MODEL_FOLDER)
    assert model.dtype == torch.float32
    assert len(tokenizer) == model.config.vocab_size


@needs_weights
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=80))
def test_any_text_survives_its_tokenizer(starter: Recogniser, text: str) -> None:
    from studio.models.causal_lm.template import ids_of, text_of

    assert text_of(starter.processor, ids_of(starter.processor, text)) == text


@needs_weights
def test_the_card_gives_what_was_measured_and_every_source_with_its_licence() -> None:
    from studio.typing_starter.recipe.card import card
    from studio.typing_starter.recipe.sources import SOURCES

    text = (MODEL_FOLDER / "README.md").read_text(encoding="utf-8")
    assert text == card(MODEL_FOLDER)
    assert all(source.licence in text for source in SOURCES)


@needs_weights
def test_half_of_the_typos_are_corrected_and_clean_sentences_stay(starter: Recogniser) -> None:
    """The card has 500 sentences; these few only show that the model is whole."""
    from studio.typing_starter.recipe.measure import corrector_of, examples, measured

    found = measured(corrector_of(starter), examples((HELD_OUT / "test.txt").read_text().splitlines()[:60])).score
    assert found.removed is not None
    assert found.over_correction is not None
    assert found.removed >= 0.35
    assert found.over_correction <= 0.1


@needs_weights
def test_numbers_names_and_addresses_come_through(starter: Recogniser) -> None:
    text = "please send 1296803 to Quentin Zyxwick at https://example.org/a_B?c=1 adn call 555-0199"
    found = mend(starter, text).text
    for part in ("1296803", "Quentin Zyxwick", "https://example.org/a_B?c=1", "555-0199"):
        assert part in found


@needs_weights
@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "  \t ",
        "日本語のテキスト",
        "שלום עולם",
        "🙂🙂🙂",
        "a\x00b\x07c",
        "x" * 5_000,
        "...",
        "12345",
        "1\r\n2\r3\n",
    ],
    ids=repr,
)
def test_what_is_not_english_prose_comes_back_as_it_was(starter: Recogniser, text: str) -> None:
    assert mend(starter, text).text == text


@needs_weights
def test_line_ends_and_indents_stay(starter: Recogniser) -> None:
    found = mend(starter, "  The first line.\r\n\tThe second line.\n\nThe last line.").text
    assert [len(part) - len(part.lstrip()) for part in found.split("\n")] == [2, 1, 0, 0]
    assert found.count("\r\n") == 1


@needs_weights
def test_files_and_standard_input_are_corrected(
    starter: Recogniser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import sys

    (tmp_path / "note.txt").write_text("The report is on the tabel.\n")
    out = tmp_path / "out.txt"
    assert call(tmp_path, "mend", str(tmp_path / "note.txt"), "--output", str(out)).code == 0
    assert out.read_text().endswith("\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"The flurb is here.\n")))
    ended = call(tmp_path, "mend", "--keep", "flurb", "--json")
    row = json.loads(ended.said)
    assert (ended.code, "flurb" in row["text"], row["unfinished"]) == (0, True, 0)


def test_pairs_are_made_by_seed_and_their_habits_found(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("The friend believes it.\nTheir weather is fine.\n" * 3)
    for name in ("one", "two"):
        words = ("typos", "make", str(tmp_path / "text.txt"), "--copies", "20", "--output", str(tmp_path / name))
        assert call(tmp_path, *words).code == 0
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    rows = [json.loads(line) for line in (tmp_path / "one").read_text().splitlines()]
    assert len(rows) == 40  # equal sentences once
    assert {"input", "output", "typos"} == rows[0].keys()
    ended = call(tmp_path, "typos", "profile", str(tmp_path / "one"), "--output", str(tmp_path / "profile.json"))
    assert ended.code == 0
    assert "neighbouring key" in ended.said
    again = call(tmp_path, "typos", "make", "prompts", "--profile", str(tmp_path / "profile.json"))
    assert again.code == 0


# The recipe at a tiny scale: a few sentences, a few steps.

SENTENCES = ["The weather is fine today.", "He sent the report to the office.", "They don't know the address yet."]


@pytest.fixture
def tiny_corpus() -> Any:
    from studio.typing_starter.recipe.corpus import Corpus
    from studio.typing_starter.recipe.sources import SOURCES

    words = {word.strip(".").lower() for sentence in SENTENCES for word in sentence.split()}
    held_out: Any = {"validation": SENTENCES[:1], "test": SENTENCES[:1]}
    return Corpus({SOURCES[0].title: SENTENCES}, held_out, dict.fromkeys(sorted(words), 10))


def trained(corpus: Any, work: Path, stop_after: int = 99) -> Any:
    from studio.typing_starter.recipe.network import Shape
    from studio.typing_starter.recipe.trainer import Recipe, Trainer

    work.mkdir(exist_ok=True)
    shape = Shape(vocabulary=40, capitals=5, width=32, feed_forward=48, layers=1, heads=2)
    trainer = Trainer(Recipe(shape=shape, steps=4, batch_tokens=300, save_seconds=0.0, minutes=60), corpus, work)
    for done, _ in enumerate(trainer.run(), 1):
        if done == stop_after:
            break
    return trainer


def test_a_killed_recipe_resumes_to_the_same_weights(tiny_corpus: Any, tmp_path: Path) -> None:
    import torch

    trained(tiny_corpus, tmp_path / "killed", stop_after=2)
    states = [trained(tiny_corpus, tmp_path / name).model.state_dict() for name in ("whole", "killed")]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_what_the_recipe_exports_is_a_typing_model(tiny_corpus: Any, tmp_path: Path) -> None:
    from studio.typing_starter.recipe.__main__ import export, write_held_out

    export(trained(tiny_corpus, tmp_path / "work"), tmp_path / "model")
    recogniser = load(tmp_path / "model", "cpu")
    assert recogniser.family.kind == "typing"
    assert isinstance(mend(recogniser, "Teh weather is fine.").text, str)
    write_held_out(tiny_corpus, tmp_path / "held_out")
    assert (tmp_path / "held_out/validation.txt").read_text() == f"{SENTENCES[0]}\n"


def test_no_sentence_is_on_two_sides_however_it_is_written() -> None:
    from studio.typing_starter.recipe.corpus import side_of

    assert side_of("The cat sat.") == side_of("the CAT, sat!")


def test_everyday_sentences_fill_every_slot() -> None:
    from studio.typing_starter.recipe.everyday import sentence

    assert not any("{" in sentence(random.Random(seed)) for seed in range(300))


def test_prose_becomes_clean_sentences_and_rubbish_is_left_out() -> None:
    from studio.typing_starter.recipe.corpus import sentences

    known = dict.fromkeys(("the", "cat", "sat", "on", "mat", "it", "was", "warm", "there"), 1)
    prose = ["The cat sat on the mat.  It was warm there. X = {1: 2}; Zzz qqq xxyy zzyy wwq. SHOUTING IS NOT PROSE."]
    assert list(sentences(prose, known)) == ["The cat sat on the mat.", "It was warm there."]


def test_a_step_of_muon_is_about_orthogonal() -> None:
    import torch

    from studio.typing_starter.recipe.muon import orthogonal

    torch.manual_seed(0)
    for shape in ((8, 20), (20, 8)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert values.min() > 0.5
        assert values.max() < 1.4

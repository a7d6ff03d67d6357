"""What a person reads aloud."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.data import prompts
from studio.data.manifest import Dataset
from studio.data.prompts import Prompt
from studio.data.utterance import hashed_split
from studio.errors import DataError
from studio.starter.domain import vocabulary
from studio.text import prompt_key


def shape(label: str) -> str:
    return re.sub("[0-9]+", lambda match: str(len(match[0])), label)


def test_numbers_are_fifty_cards_of_the_promised_kinds() -> None:
    counts = Counter(shape(prompt.label) for prompt in prompts.numbers("digits"))
    assert counts.pop("order number 7") == 15
    assert counts.pop("location code 6") == 15
    assert counts.pop("phone number 10") == 10
    assert sum(counts.values()) == 10
    assert len(counts) >= 3


def test_a_card_is_read_digit_by_digit_and_labelled_by_the_convention() -> None:
    for digits, words in zip(prompts.numbers("digits"), prompts.numbers("words"), strict=True):
        assert digits.text == words.text
        assert not re.search(r"\d\d", digits.text)
        assert digits.label == re.sub(r"(?<=\d) (?=\d)", "", digits.text)
        assert not re.search(r"\d", words.label)
        assert prompt_key(digits.text) == prompt_key(digits.label) == prompt_key(words.label)


def test_the_same_seed_gives_the_same_cards_and_another_seed_others() -> None:
    assert prompts.numbers("words", seed=3) == prompts.numbers("words", seed=3)
    texts = [{prompt.text for prompt in prompts.numbers("words", seed)} for seed in (3, 4)]
    assert all(len(kind) == 50 for kind in texts)
    assert not texts[0] & texts[1]


def test_every_word_of_the_built_in_scripts_is_one_that_the_starter_knows() -> None:
    known = set(vocabulary())
    for prompt in [*prompts.numbers("words"), *prompts.phrases()]:
        assert set(prompt.label.split()) <= known, prompt


def test_phrases_are_forty_to_fifty_without_numbers() -> None:
    found = prompts.phrases()
    assert 40 <= len(found) <= 50
    assert all(prompt.text == prompt.label == prompt_key(prompt.label) for prompt in found)


def test_own_text_is_one_prompt_a_line() -> None:
    text = "Good morning.\n\n  order  1 2 9\torder 129 \r\nGood morning.\n"
    assert prompts.own(text) == [Prompt("Good morning.", "Good morning."), Prompt("order 1 2 9", "order 129")]
    assert prompts.own(" \n\n") == []


@pytest.mark.parametrize("line", ["...", "\tlabel", "text\t!", "word " * 200])
def test_a_line_that_cannot_be_read_aloud_is_named(line: str) -> None:
    with pytest.raises(DataError, match="Line 2"):
        prompts.own(f"yes\n{line}")


def test_a_dataset_without_prompts_has_none(tmp_path: Path) -> None:
    assert prompts.load(Dataset.create(tmp_path)) == []


def test_a_prompt_list_that_is_not_utf8_is_a_sentence(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path)
    (tmp_path / "prompts.txt").write_bytes("grün".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        prompts.load(dataset)


@pytest.mark.parametrize("language", prompts.LANGUAGES)
def test_phrases_of_every_language_train_choose_and_measure(language: str) -> None:
    found = prompts.phrases(language)
    assert len(found) >= 40
    assert not any(character.isdigit() for prompt in found for character in prompt.label)
    sides = Counter(hashed_split(prompt.label) for prompt in found)
    assert (sides["train"] >= 20, sides["validation"] >= 1, sides["test"] >= 3) == (True, True, True), sides
    assert prompts.language_of(found) == language


def test_a_language_without_phrases_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(DataError, match="no phrases in “xx”") as refused:
        prompts.phrases("xx")
    assert "de" in refused.value.remedy


def test_both_scripts_come_back_from_disk(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path)
    for script in (prompts.numbers("words"), prompts.phrases()):
        prompts.save(dataset, script)
        assert prompts.load(dataset) == script


def test_ones_own_list_is_kept_when_another_script_takes_its_place(tmp_path: Path) -> None:
    dataset, mine = Dataset.create(tmp_path), prompts.own("show 129\tshow one two nine\nthe third")
    chosen = [Prompt("hello", "hello", "“hello” was missed")]
    assert prompts.load_own(dataset) == []
    for script in (mine, prompts.numbers("digits"), chosen, prompts.phrases(), [], prompts.numbers("words")):
        prompts.save(dataset, script)
    assert prompts.load_own(dataset) == mine
    (tmp_path / "prompts.txt").write_bytes("grün".encode("latin-1"))
    prompts.save(dataset, mine)
    assert prompts.load(dataset) == prompts.load_own(dataset) == mine


@given(text=st.text())
def test_whatever_own_text_accepts_comes_back_from_disk(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    try:
        script = prompts.own(text)
    except DataError:
        return
    dataset = Dataset(tmp_path_factory.getbasetemp() / "prompts")
    prompts.save(dataset, script)
    assert prompts.load(dataset) == script

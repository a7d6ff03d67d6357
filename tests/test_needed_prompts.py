"""What to read next, and why."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.data import prompts
from studio.data.manifest import Dataset
from studio.data.prompts.needs import ENOUGH, Misheard, misheard, needed, progress
from studio.data.prompts.script import Prompt
from studio.data.splits.assignment import FIRST_TRAINING
from studio.data.utterance import Utterance
from studio.errors import DataError
from studio.text import DIGIT_NAMES, prompt_key


def clip(text: str, number: int = 0) -> Utterance:
    return Utterance(
        id=f"c{number}", audio_filepath=f"clips/c{number}.wav", text=text, prompt=text, duration=2.0, split="train"
    )


def test_a_word_that_a_model_missed_is_asked_for_first_and_the_card_says_so() -> None:
    missed = misheard([("call fifteen now", "call fifty now"), ("room fifteen", "room fifteen")])
    assert missed == {"fifteen": Misheard(times=1, clips=2)}
    first = needed([], missed, [], count=1)[0]
    assert "fifteen" in first.text
    assert first.why == "“fifteen” was transcribed wrongly in 1 of the 2 clips that have it."


def test_missed_words_are_compared_as_spoken() -> None:
    assert misheard([("order one two", "order 12")]) == {}
    assert set(misheard([("order 125", "order one two nine")])) == {"five"}


def test_each_term_of_the_own_list_is_asked_for_until_it_was_recorded_three_times() -> None:
    chosen = needed([], {}, ["Kowalczyk"], count=60)
    with_term = [prompt for prompt in chosen if "Kowalczyk" in prompt.text]
    assert len(with_term) == ENOUGH
    assert with_term[0].why == "“Kowalczyk” is on your list: recorded 0 of 3 times."
    read = [clip(prompt.text, number) for number, prompt in enumerate(with_term)]
    assert not any("Kowalczyk" in prompt.text for prompt in needed(read, {}, ["Kowalczyk"], count=60))


def test_a_missed_digit_comes_more_often_than_by_chance() -> None:
    chosen = needed([], {"seven": Misheard(4, 5)}, [], count=3)
    words = [word for prompt in chosen for word in prompt_key(prompt.text).split()]
    digits = [word for word in words if word in DIGIT_NAMES]
    assert all("seven" in prompt_key(prompt.text) for prompt in chosen)
    assert digits.count("seven") / len(digits) > 0.15


def test_own_sentences_are_chosen_where_they_bring_new_words() -> None:
    own = [Prompt("quokka wombat numbat", "quokka wombat numbat")]
    assert own[0].text in [prompt.text for prompt in needed([], {}, [], own, count=5)]


def test_nothing_is_asked_for_twice_and_every_card_has_its_reason() -> None:
    done = [clip(prompt.label, number) for number, prompt in enumerate(prompts.phrases()[:20])]
    chosen = needed(done, {}, ["Moonshine"], count=80)
    keys = [prompt_key(prompt.text) for prompt in chosen]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {prompt_key(other.text) for other in done}
    assert all(prompt.why.endswith(".") for prompt in chosen)


def test_the_reasons_name_new_words_then_pairs_of_digits() -> None:
    reasons = " ".join(prompt.why for prompt in needed([], {}, [], count=120))
    assert "New words: " in reasons
    assert "Digit pairs not recorded yet: " in reasons


def test_labels_write_numbers_by_the_convention_asked_for() -> None:
    assert not any(char.isdigit() for prompt in needed([], {}, [], count=40) for char in prompt.label)
    labels = [prompt.label for prompt in needed([], {}, [], count=40, convention="digits")]
    assert any(char.isdigit() for label in labels for char in label)


def test_the_same_arguments_give_the_same_cards() -> None:
    assert needed([], {}, ["Anna"], count=30) == needed([], {}, ["Anna"], count=30)


def test_a_chosen_list_with_its_reasons_survives_the_disk(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "voice")
    chosen = needed([], {"five": Misheard(1, 1)}, ["Kowalczyk"], count=20)
    prompts.save(dataset, chosen)
    assert prompts.load(dataset) == chosen


def test_terms_are_taken_from_lines_and_commas_once_each(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "voice")
    prompts.save_terms(dataset, prompts.parse_terms("Kowalczyk, LoRA\n\nkowalczyk\n  Moonshine   tiny ,"))
    assert prompts.load_terms(dataset) == ["Kowalczyk", "LoRA", "Moonshine tiny"]
    assert prompts.load_terms(Dataset.create(tmp_path / "other")) == []


@pytest.mark.parametrize("text", ["x" * 81, "\n".join(f"term{number}" for number in range(501))])
def test_a_list_that_is_none_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(DataError) as caught:
        prompts.parse_terms(text)
    assert caught.value.remedy


def test_progress_counts_prompts_minutes_and_what_a_first_training_lacks() -> None:
    cards = [Prompt("one", "one"), Prompt("two", "two")]
    found = progress(cards, [clip("one"), clip("three", 1)])
    assert (found.done, found.prompts, found.clips, found.seconds) == (1, 2, 2, 4.0)
    assert found.more == FIRST_TRAINING - 2
    assert progress(cards, [clip("x", number) for number in range(50)]).more == 0


@given(st.text(max_size=200))
def test_any_text_gives_terms_or_a_sentence(text: str) -> None:
    with suppress(DataError):
        terms = prompts.parse_terms(text)
        assert prompts.parse_terms("\n".join(terms)) == terms


@pytest.mark.parametrize(
    "text", ["x" * 5_000_000, "a " * 2_500_000, "a," * 2_500_000, "\n".join(map(str, range(500_000)))]
)
def test_a_list_of_megabytes_is_tidied_or_refused_at_once(text: str) -> None:
    began = time.process_time()
    with suppress(DataError):
        assert prompts.parse_terms(text) == ["a"]
    assert time.process_time() - began < 5  # half a second on a quiet machine

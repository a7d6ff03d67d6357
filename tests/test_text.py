"""Words and digits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.text import (
    NORMALISERS,
    digits_to_words,
    plain,
    prompt_key,
    spoken,
    whisper,
    words_to_digits,
    write_numbers,
)

carriers = st.lists(st.sampled_from(["order", "number", "to", "location", "can't", "é"]), min_size=1, max_size=3)
digit_strings = st.text("0123456789", min_size=1, max_size=12)


@given(st.lists(st.tuples(carriers.map(" ".join), digit_strings), min_size=1, max_size=4))
def test_digits_to_words_and_back_is_where_it_began(parts: list[tuple[str, str]]) -> None:
    text = " ".join(f"{carrier} {digits}" for carrier, digits in parts)
    assert words_to_digits(digits_to_words(text)) == text
    assert write_numbers(write_numbers(text, "words"), "digits") == text
    assert write_numbers(text, "digits") == text


def test_an_oh_among_digits_is_a_zero_and_alone_is_none() -> None:
    assert words_to_digits("order One oh OH nine") == "order 1009"
    assert words_to_digits("oh five is late") == "05 is late"
    assert words_to_digits("oh I see") == "oh I see"


@given(digit_strings)
def test_a_digit_string_has_one_word_a_digit(digits: str) -> None:
    words = digits_to_words(digits).split()
    assert len(words) == len(digits)
    assert digits_to_words(" ".join(digits)) == " ".join(words)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Order 129!", "order one two nine"),
        ("order ONE two nine", "order one two nine"),
        ("call 555-1234", "call five five five one two three four"),
        ("  It’s   5 o'clock…", "it's five o'clock"),
        ("'quoted' words", "quoted words"),
        ("ﬁve ５", "five five"),
        ("oh five oh", "zero five zero"),
        ("oh oh seven", "zero zero seven"),
        ("Oh, thank you", "oh thank you"),
        ("the 90's", "the nine zero s"),
        ("0'0", "zero zero"),
        ("under_score", "under score"),
        ("", ""),
        ("…", ""),
    ],
)
def test_what_was_said_is_the_same_however_it_is_written(written: str, said: str) -> None:
    assert spoken(written) == said
    assert prompt_key(written) == said


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    for name in ("exact", "plain", "spoken"):
        assert NORMALISERS[name](NORMALISERS[name](text)) == NORMALISERS[name](text), name


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("Order one two, nine hundred!", "order 12900"),
        ("I won't, um, analyse the colours.", "i will not analyze the colors"),
        ("um", ""),
        ("twenty-five dollars", "$25"),
    ],
)
def test_whispers_normaliser_does_what_whispers_does(written: str, normal: str) -> None:
    assert whisper(written) == normal


@given(st.text(max_size=60))
def test_whispers_normaliser_takes_any_text(text: str) -> None:
    assert whisper(text) == " ".join(whisper(text).split())


@given(digit_strings, carriers)
def test_the_key_of_a_sentence_does_not_depend_on_the_convention(digits: str, words: list[str]) -> None:
    text = f"{' '.join(words)} {digits}"
    assert prompt_key(text) == prompt_key(digits_to_words(text)) == prompt_key(f"{text.upper()}.")


@given(st.text())
def test_plain_text_has_only_words_apostrophes_and_single_spaces(text: str) -> None:
    assert all(char.isalnum() or char in " '" or not char.isascii() for char in plain(text))
    assert "  " not in plain(text)

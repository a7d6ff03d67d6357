"""A list of words: what is in it is never touched, and what is not is near what it may have been."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.typing.spelling import WordList

WORDS = WordList(
    ("the", "to", "of", "a", "and", "will", "with", "but", "great", "book", "believe", "don't", "address", "president")
)


@pytest.mark.parametrize(
    ("text", "wrong", "meant"),
    [
        ("teh book", "teh", "the"),
        ("Teh book", "Teh", "The"),
        ("a grat book", "grat", "great"),
        ("a gteat book", "gteat", "great"),
        ("the bookk", "bookk", "book"),
        ("I dont", "dont", "don't"),
        ("it w3ill", "w3ill", "will"),
        ("a book ofthe", "ofthe", "of the"),
        ("agreat book", "agreat", "a great"),
        ("the pres ident", "pres ident", "president"),
    ],
)
def test_a_word_in_no_list_is_found_with_what_was_meant(text: str, wrong: str, meant: str) -> None:
    (found,) = [word for word in WORDS.unknown(text) if text[word.start : word.end] == wrong]
    assert meant in {candidate.text for candidate in found.candidates}


@pytest.mark.parametrize(
    "text",
    [
        "the great book",
        "the books",
        "the believed",
        "ask Andd",
        "zzyzx",
        "3teh",
        "teh@example.org",
        "x-teh",
        "the book's",
        "",
        "été",
    ],
)
def test_words_names_numbers_and_addresses_are_left_alone(text: str) -> None:
    assert WORDS.unknown(text) == []


def test_a_neighbouring_key_is_likelier_than_a_strange_one() -> None:
    (found,) = WORDS.unknown("vook")
    assert {candidate.text for candidate in found.candidates} == {"book"}
    (other,) = WORDS.unknown("mook")
    assert other.candidates[0].cost > found.candidates[0].cost


@given(st.text(max_size=60))
def test_unknown_words_never_overlap(text: str) -> None:
    found, done = WORDS.unknown(text), 0
    for word in found:
        assert done <= word.start < word.end <= len(text)
        done = word.end

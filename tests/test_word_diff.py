"""What a person is shown of two texts: their own words, and what only looks different is called a spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.evaluation.word_diff import compared, means_same
from studio.text import NORMALISERS

words = st.lists(
    st.sampled_from(["Call", "call", "732", "seven", "three", "two", "seventy", "73", "-", "now.", "oh", "1,234"]),
    max_size=8,
).map(" ".join)


def shown(reference: str, hypothesis: str, normaliser: str = "exact") -> list[tuple[str, str, str]]:
    return [(edit.kind, edit.reference, edit.hypothesis) for edit in compared(reference, hypothesis, normaliser)]


def test_a_number_in_digits_is_another_spelling_of_its_digit_names() -> None:
    assert shown("order seven three two nine nine three now", "order 732993 now") == [
        ("equal", "order", "order"),
        ("spelling", "seven three two nine nine three", "732993"),
        ("equal", "now", "now"),
    ]
    assert shown("732993", "seven three two nine nine three") == [
        ("spelling", "732993", "seven three two nine nine three")
    ]


def test_what_was_misheard_beside_a_number_is_still_wrong() -> None:
    assert shown("order seven three two please", "border 732 peas") == [
        ("substitute", "order", "border"),
        ("spelling", "seven three two", "732"),
        ("substitute", "please", "peas"),
    ]
    assert shown("seven three two", "733") == [("substitute", "seven three two", "733")]
    assert shown("room seventy three", "room seven three") == [
        ("equal", "room", "room"), ("substitute", "seventy", "seven"), ("equal", "three", "three"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("seventy three", "73", True),
        ("73", "seventy three", True),
        ("one thousand two hundred thirty four", "1,234", True),
        ("one oh nine", "1 0 9", True),
        ("Call me.", "call me", True),
        ("seventy three", "seven three", False),
        ("double five", "five five", False),
        ("", "", False),
        ("-", "", False),
        ("call", "", False),
    ],
)
def test_texts_mean_the_same_where_only_numbers_case_and_punctuation_differ(
    one: str, other: str, is_same: bool
) -> None:
    assert means_same(one, other) is is_same


def test_case_and_punctuation_are_a_spelling_unless_the_normaliser_ignores_them() -> None:
    assert shown("Call me.", "call me") == [("spelling", "Call me.", "call me")]
    assert shown("Call me.", "call me", "plain") == [("equal", "Call me.", "call me")]
    assert shown("- call", "call", "plain") == [("equal", "- call", "call")]


@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_a_normaliser_never_puts_words_into_a_models_mouth(normaliser: str) -> None:
    edits = compared("The colour is seven three two, isn't it", "the color is 732 is it not", normaliser)
    assert " ".join(edit.hypothesis for edit in edits if edit.hypothesis) == "the color is 732 is it not"


@given(words, words, st.sampled_from(["exact", "plain", "spoken"]))
def test_both_texts_are_whole_in_their_diff(reference: str, hypothesis: str, normaliser: str) -> None:
    edits = compared(reference, hypothesis, normaliser)
    assert " ".join(edit.reference for edit in edits if edit.reference) == reference
    assert " ".join(edit.hypothesis for edit in edits if edit.hypothesis) == hypothesis
    assert all(edit.reference or edit.hypothesis for edit in edits)
    normal = NORMALISERS[normaliser]
    if normal(reference) == normal(hypothesis):
        assert {edit.kind for edit in edits} <= {"equal", "spelling"}


@given(words)
def test_a_text_is_equal_to_itself(text: str) -> None:
    assert shown(text, text) == ([("equal", text, text)] if text else [])


def test_a_language_without_spaces_is_compared_by_character() -> None:
    assert shown("今日は天気がいい", "今日は電気がいい") == [
        ("equal", "今日は", "今日は"), ("substitute", "天", "電"), ("equal", "気がいい", "気がいい"),
    ]  # fmt: skip

"""Error rates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.text.metrics import Unit, diff, errors, score

words = st.lists(st.sampled_from(["a", "b", "c", "one", "two", "1", "22"]), max_size=6).map(" ".join)


def distance(reference: list[str], hypothesis: list[str]) -> int:
    """Levenshtein, by the book."""
    row = list(range(len(hypothesis) + 1))
    for place, word in enumerate(reference, 1):
        before, row = row, [place]
        for column, other in enumerate(hypothesis, 1):
            row.append(min(before[column] + 1, row[-1] + 1, before[column - 1] + (word != other)))
    return row[-1]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "wer", "edits"),
    [
        ("a b c d", "a b c d", 0.0, (0, 0, 0)),
        ("a b c d", "a x c d", 0.25, (1, 0, 0)),
        ("a b c d", "a c d", 0.25, (0, 1, 0)),
        ("a b", "a b c d", 1.0, (0, 0, 2)),
        ("a b", "", 1.0, (0, 2, 0)),
        ("", "a b", 1.0, (0, 0, 2)),
        ("", "", 0.0, (0, 0, 0)),
    ],
)
def test_errors_are_counted_by_the_book(
    reference: str, hypothesis: str, wer: float, edits: tuple[int, int, int]
) -> None:
    counted = score([reference], [hypothesis])
    assert counted.wer == wer
    assert (counted.substitutions, counted.deletions, counted.insertions) == edits


@given(st.lists(st.tuples(words, words), min_size=1, max_size=5))
def test_word_and_character_errors_are_the_edit_distance(pairs: list[tuple[str, str]]) -> None:
    counted = score([ref for ref, _ in pairs], [hyp for _, hyp in pairs])
    by_word = sum(distance(ref.split(), hyp.split()) for ref, hyp in pairs)
    by_character = sum(distance(list(ref), list(hyp)) for ref, hyp in pairs)
    length = sum(len(ref) for ref, _ in pairs)
    assert counted.substitutions + counted.deletions + counted.insertions == by_word
    assert counted.words == sum(len(ref.split()) for ref, _ in pairs)
    assert counted.cer == pytest.approx(by_character / length if length else float(by_character > 0))


@given(words)
def test_a_perfect_hypothesis_has_no_errors_under_any_normaliser(text: str) -> None:
    for normaliser in ("exact", "plain", "spoken"):
        assert score([text], [text], normaliser).wer == 0


def test_exact_shows_a_convention_and_spoken_hides_it() -> None:
    pair = ["order 129"], ["order one two nine"]
    assert score(*pair).wer > 1
    assert score(*pair, "spoken").wer == 0
    assert score(["order 129"] * 7, ["order one two nine"] * 7).digit_error == 0


def test_whispers_normaliser_hides_what_was_taught_and_its_name_says_so() -> None:
    scored = score(["order one two"], ["order 12"], "whisper")
    assert (scored.wer, scored.sentence_accuracy, scored.normaliser) == (0, 1.0, "whisper")


def test_sentence_accuracy_is_the_share_of_clips_without_an_error() -> None:
    assert score(["a b", "c", "D.", ""], ["a b", "x", "D.", "extra"]).sentence_accuracy == 0.5
    assert score([], []).sentence_accuracy is None


def test_digit_errors_are_counted_per_digit_of_the_reference() -> None:
    assert score(["order 1234", "yes"] * 5, ["order one two three five", "no"] * 5).digit_error == 0.25
    assert score(["order 1234"] * 5, ["order 123"] * 5).digit_error == 0.25
    assert score(["yes"], ["12"]).digit_error is None


def test_a_rate_of_fewer_than_twenty_digits_is_not_given() -> None:
    assert score(["room 12"], ["room 12345678 345678"]).digit_error is None  # it was said to be 700 %
    assert score(["a 1234567890123456789"], ["a"]).digit_error is None
    assert score(["a 12345678901234567890"], ["a"]).digit_error == 1


@pytest.mark.parametrize(("unit", "wrong", "size"), [("word", 2, 2), ("character", 3, 11)])
def test_the_errors_of_one_clip_are_counted_in_words_or_in_characters(unit: Unit, wrong: int, size: int) -> None:
    assert errors("call people", "cal poole", "exact", unit) == (wrong, size)
    assert errors("", "", "exact", unit) == (0, 0)


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        score(["a"], [])


@given(words, words)
def test_a_diff_rebuilds_both_texts_and_costs_the_edit_distance(reference: str, hypothesis: str) -> None:
    edits = diff(reference, hypothesis)
    assert " ".join(edit.reference for edit in edits if edit.reference) == reference
    assert " ".join(edit.hypothesis for edit in edits if edit.hypothesis) == hypothesis
    cost = sum(max(len(edit.reference.split()), len(edit.hypothesis.split())) for edit in edits if edit.kind != "equal")
    assert cost == distance(reference.split(), hypothesis.split())
    assert all((edit.reference == edit.hypothesis) == (edit.kind == "equal") for edit in edits)

"""Better, worse, or luck: the test is exact, the interval says the truth as often as it claims, and the two agree."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.evaluation.significance import LEAST_CLIPS, chance, compare, student

WORDS = [6, 4, 9, 7, 5] * 12  # 60 clips

gains = st.lists(st.integers(-6, 6), min_size=1, max_size=10)
counts = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=30)


@given(gains)
def test_the_chance_is_the_share_of_all_sign_patterns_that_differ_as_much(drawn: list[int]) -> None:
    sums = [
        abs(sum(sign * gain for sign, gain in zip(signs, drawn, strict=True)))
        for signs in product((1, -1), repeat=len(drawn))
    ]
    assert chance(drawn) == pytest.approx(np.mean([total >= abs(sum(drawn)) for total in sums]), abs=1e-9)


def test_thousands_of_clips_are_tested_at_once() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.integers(-4, 5, size=10_000)
    assert 0 < chance(drawn) <= 1
    assert chance(drawn - 1) < 1e-6


def test_two_models_that_write_the_same_show_no_difference() -> None:
    errors = [1, 0, 2, 0, 1] * 12
    found = compare(errors, errors, WORDS)
    assert (found.change, found.verdict, found.chance) == (0.0, "no difference shown", 1.0)
    assert found.low < 0 < found.high


def test_a_third_fewer_errors_on_sixty_clips_is_better() -> None:
    rng = np.random.default_rng(0)
    before = rng.binomial(WORDS, 0.4)
    after = rng.binomial(before, 0.7)
    found = compare(before.tolist(), after.tolist(), WORDS)
    assert found.verdict == "better"
    assert found.high < 0
    assert compare(after.tolist(), before.tolist(), WORDS).verdict == "worse"


def test_fourteen_clips_that_all_got_better_are_better_for_sure_by_no_more_than_is_possible() -> None:
    said = [7, 8, 6, 9, 7, 5, 8, 7, 6, 9, 8, 7, 6, 7]
    found = compare(said, [0] * 13 + [9], said)
    assert found.verdict == "better"
    assert found.chance < 0.001
    assert -1 <= found.low < found.change < found.high <= 0
    assert found.high < -0.5


def test_a_small_gain_in_every_clip_is_better_although_it_is_small() -> None:
    found = compare([2] * 20, [1] * 20, [20] * 20)
    assert (found.verdict, found.change) == ("better", -0.05)
    assert found.high <= 0


def test_one_lucky_clip_is_no_proof() -> None:
    assert compare([2] + [0] * 59, [0] * 60, WORDS).verdict == "no difference shown"
    assert compare([40] + [0] * 59, [0] * 60, WORDS).verdict == "no difference shown"


@pytest.mark.parametrize("clips", [1, 3, LEAST_CLIPS - 1])
def test_a_handful_of_clips_is_too_few_to_say_whatever_they_show(clips: int) -> None:
    assert compare([5] * clips, [0] * clips, [5] * clips).verdict == "too few clips"
    assert compare([0] * clips, [5] * clips, [5] * clips).verdict == "too few clips"
    assert compare([5] * clips + [0] * 20, [0] * (clips + 20), [5] * clips + [0] * 20).clips == clips


def test_ten_clips_that_all_changed_the_same_way_are_enough() -> None:
    assert compare([2] * LEAST_CLIPS, [1] * LEAST_CLIPS, [5] * LEAST_CLIPS).verdict == "better"
    assert compare([1] * LEAST_CLIPS, [2] * LEAST_CLIPS, [5] * LEAST_CLIPS).verdict == "worse"


@given(counts)
def test_direction_and_size_never_contradict_each_other_and_promise_nothing_impossible(
    clips: list[tuple[int, int, int]],
) -> None:
    before, after, words = ([clip[place] for clip in clips] for place in range(3))
    found = compare(before, after, words)
    assert -max(1.0, found.before) <= found.low <= found.high
    if found.verdict == "better":
        assert found.change < 0
        assert found.high <= 0
    elif found.verdict == "worse":
        assert found.change > 0
        assert found.low >= 0
    else:
        assert found.low <= 0 <= found.high


def test_rates_are_over_all_words() -> None:
    found = compare([3, 0], [0, 1], [4, 6])
    assert (found.before, found.after, found.clips, found.words) == (0.3, 0.1, 2, 10)
    assert found.change == pytest.approx(-0.2)


@pytest.mark.parametrize(("before", "after", "words"), [([1], [1, 2], [3]), ([0], [0], [0]), ([], [], [])])
def test_counts_that_cannot_be_compared_are_refused(before: list[int], after: list[int], words: list[int]) -> None:
    with pytest.raises(ValueError, match="words"):
        compare(before, after, words)


@pytest.mark.parametrize("freedom", [9, 13, 19, 59, 1000])
def test_the_quantile_is_students(freedom: int) -> None:
    from scipy.stats import t as student_t

    assert student(freedom) == pytest.approx(student_t.ppf(0.975, freedom), abs=2e-3)


def common(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors are common, and a third of them goes."""
    words, hard = rng.integers(3, 12, size=size), rng.beta(1, 3, size=size)
    return rng.binomial(words, hard), rng.binomial(words, hard * rng.beta(4, 3, size=size)), words


def taught(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every word was wrong, and nine in ten are right now: a convention that was learnt."""
    words = rng.integers(5, 9, size=size)
    return words.copy(), rng.binomial(words, rng.beta(0.3, 3, size=size)), words


def alike(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both models are equally good."""
    words, hard = rng.integers(3, 12, size=size), rng.beta(1, 3, size=size)
    return rng.binomial(words, hard), rng.binomial(words, hard), words


@pytest.mark.parametrize("clips", [20, *(pytest.param(clips, marks=pytest.mark.thorough) for clips in (10, 60))])
@pytest.mark.parametrize("draw", [common, taught, alike])
def test_the_interval_holds_the_truth_in_93_of_100_test_sets_or_more(draw: object, clips: int) -> None:
    assert callable(draw)
    before, after, words = draw(np.random.default_rng(1), 1_000_000)
    truth = (after.sum() - before.sum()) / words.sum()
    held = 0
    for trial in range(2000):
        found = compare(*(part.tolist() for part in draw(np.random.default_rng(100 + trial), clips)))
        held += found.low <= truth <= found.high
    assert held >= 1860


@pytest.mark.thorough
def test_equally_good_models_are_told_apart_in_five_of_a_hundred_test_sets_at_most() -> None:
    drawn = (alike(np.random.default_rng(trial), 20) for trial in range(2000))
    told = sum(compare(*(part.tolist() for part in parts)).verdict != "no difference shown" for parts in drawn)
    assert told <= 120

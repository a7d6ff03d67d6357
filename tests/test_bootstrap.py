"""Better, worse, or luck: the interval says the truth as often as it claims."""

from __future__ import annotations

import numpy as np
import pytest

from studio import bootstrap
from studio.bootstrap import compare

WORDS = [6, 4, 9, 7, 5] * 12  # 60 clips


def test_two_models_that_write_the_same_show_no_difference() -> None:
    errors = [1, 0, 2, 0, 1] * 12
    found = compare(errors, errors, WORDS)
    assert (found.change, found.verdict) == (0.0, "no difference shown")
    assert found.low < 0 < found.high


def test_a_third_fewer_errors_on_sixty_clips_is_better() -> None:
    rng = np.random.default_rng(0)
    before = rng.binomial(WORDS, 0.4)
    after = rng.binomial(before, 0.7)
    found = compare(before.tolist(), after.tolist(), WORDS)
    assert found.verdict == "better"
    assert found.high < 0
    assert compare(after.tolist(), before.tolist(), WORDS).verdict == "worse"


def test_one_lucky_clip_is_no_proof() -> None:
    assert compare([2] + [0] * 59, [0] * 60, WORDS).verdict == "no difference shown"
    assert compare([4], [0], [5]).verdict == "no difference shown"


def test_no_interval_promises_more_than_all_words_put_right() -> None:
    found = compare([7, 10], [1, 0], [9, 12])
    assert found.low == -1
    assert found.verdict == "no difference shown"


def test_rates_are_over_all_words_and_the_same_seed_gives_the_same_figures() -> None:
    found = compare([3, 0], [0, 1], [4, 6])
    assert (found.before, found.after, found.clips, found.words) == (0.3, 0.1, 2, 10)
    assert found.change == pytest.approx(-0.2)
    assert found == compare([3, 0], [0, 1], [4, 6])


@pytest.mark.parametrize(("before", "after", "words"), [([1], [1, 2], [3]), ([0], [0], [0]), ([], [], [])])
def test_counts_that_cannot_be_compared_are_refused(before: list[int], after: list[int], words: list[int]) -> None:
    with pytest.raises(ValueError, match="words"):
        compare(before, after, words)


@pytest.mark.parametrize("clips", [20, 60])
def test_the_interval_holds_the_truth_in_93_to_97_of_100_test_sets(clips: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 1000)

    def test_set(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        words = rng.integers(3, 12, size=size)
        hard = rng.beta(1, 3, size=size)
        return rng.binomial(words, hard), rng.binomial(words, hard * rng.beta(4, 3, size=size)), words

    before, after, words = test_set(np.random.default_rng(1), 1_000_000)
    truth = (after.sum() - before.sum()) / words.sum()
    held = 0
    for trial in range(1000):
        before, after, words = test_set(np.random.default_rng(100 + trial), clips)
        found = compare(before.tolist(), after.tolist(), words.tolist(), seed=trial)
        held += found.low <= truth <= found.high
    assert 930 <= held <= 970

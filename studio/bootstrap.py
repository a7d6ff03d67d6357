"""Is the tuned model better, or was it luck? A paired bootstrap over utterances.

Both models read the same clips, so clips are drawn, with replacement, as pairs (Bisani and Ney 2004, "Bootstrap
estimates for confidence intervals in ASR performance evaluation"). Their percentile interval is too narrow on the few
clips that a person holds out, so it is the studentised one (Efron and Tibshirani 1993, chapter 12) here, over the clips
and two phantoms, one a word better and one a word worse (as Agresti and Coull 1998 do for a proportion): where one
clip in twenty changed, chance alone decides whether any did. A test simulates how often the interval holds the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Verdict = Literal["better", "no difference shown", "worse"]

RESAMPLES = 10_000
LEVEL = 0.95
_DRAWN_AT_ONCE = 2_000_000  # indices: 16 MB
_PHANTOMS = (1.0, -1.0)  # errors gained, of a clip of average length each


class Change(BaseModel):
    """How an error rate changed from one model to another on the same clips, and how sure that is."""

    model_config = ConfigDict(frozen=True)

    before: float  # errors per word
    after: float
    change: float  # after - before; below 0 is better
    low: float  # the interval that holds the true change in 95 of 100 such test sets
    high: float
    verdict: Verdict
    clips: int
    words: int


def compare(before: Sequence[int], after: Sequence[int], words: Sequence[int], seed: int = 0) -> Change:
    """The change of the error rate over clips with `before` and `after` errors on `words` reference words each.

    The same arguments give the same figures. Raises ValueError where the lengths differ or there are no words.
    """
    wrong_before, wrong_after, said = (np.asarray(counts, dtype=np.float64) for counts in (before, after, words))
    if not len(wrong_before) == len(wrong_after) == len(said):
        raise ValueError("each clip has one count before, one after, and its words")
    if not said.sum():
        raise ValueError("there are no words to count errors in")
    total = said.sum()
    low, high = _interval(wrong_after - wrong_before, said, seed)
    return Change(
        before=float(wrong_before.sum() / total),
        after=float(wrong_after.sum() / total),
        change=float((wrong_after - wrong_before).sum() / total),
        low=max(low, -1.0),  # on a handful of clips it would promise more than all words
        high=high,
        verdict="better" if high < 0 else "worse" if low > 0 else "no difference shown",
        clips=len(said),
        words=int(total),
    )


def _interval(gains: NDArray[np.float64], words: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """The studentised bootstrap interval of `sum(gains) / sum(words)`."""
    gains = np.append(gains, _PHANTOMS)
    words = np.append(words, [words.mean()] * len(_PHANTOMS))
    change, error = _ratio(gains[None], words[None])
    rng = np.random.default_rng(seed)
    rows = max(1, _DRAWN_AT_ONCE // len(words))
    scores = []
    for start in range(0, RESAMPLES, rows):
        drawn = rng.integers(len(words), size=(min(rows, RESAMPLES - start), len(words)))
        resampled, spread = _ratio(gains[drawn], words[drawn])
        scores.append((resampled - change) / np.where(spread > 0, spread, error))
    upper, lower = np.quantile(np.concatenate(scores), [(1 + LEVEL) / 2, (1 - LEVEL) / 2])
    return float(change[0] - upper * error[0]), float(change[0] - lower * error[0])


def _ratio(gains: NDArray[np.float64], words: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(rows, clips) -> the ratio of each row, and its standard error (Cochran 1977, section 6.3)."""
    total = np.maximum(words.sum(axis=1), 1.0)  # a draw may hold clips without words only
    ratio = gains.sum(axis=1) / total
    residuals = gains - ratio[:, None] * words
    clips = words.shape[1]
    squares = (residuals**2).sum(axis=1) * clips / (clips - 1)
    return ratio, np.sqrt(squares) / total

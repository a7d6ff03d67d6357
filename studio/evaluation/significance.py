"""Is the tuned model better, or was it luck? Two answers from the clips of both: the direction, and the size.

The direction is an exact paired permutation test: were the two models equally good, each clip's difference in errors
would have the other sign as often (Fisher 1935, "The Design of Experiments", section 21; Good 2005, "Permutation,
Parametric and Bootstrap Tests of Hypotheses"). All patterns of signs are counted, however few or many clips there are.

The size is Student's interval of the ratio of errors to words, over the clips and two phantoms, one error better and
one worse (as Agresti and Coull 1998 do for a proportion): where one clip in twenty changed, chance alone decides
whether any did. The two never contradict each other. A test simulates how often the interval holds the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from studio.text.metrics import Unit

Verdict = Literal["better", "worse", "no difference shown", "too few clips"]
"""What errors are counted in: characters where a language is written without spaces."""

LEVEL = 0.95
LEAST_CLIPS = 10  # with fewer, one odd clip decides
_PHANTOMS = (1.0, -1.0)  # errors gained, of a clip of average length each


class Change(BaseModel):
    """How an error rate changed from one model to another on the same clips, and how sure that is."""

    model_config = ConfigDict(frozen=True)

    before: float  # errors per word, or per character
    after: float
    change: float  # after - before; below 0 is better
    low: float  # the interval that holds the true change in 95 of 100 such test sets
    high: float
    chance: float  # 0..1: how often two equally good models would differ as much
    verdict: Verdict
    clips: int  # with at least one word
    words: int  # in the references; characters where `unit` says so
    unit: Unit


def compare(before: Sequence[int], after: Sequence[int], words: Sequence[int], unit: Unit = "word") -> Change:
    """The change of the error rate over clips with `before` and `after` errors on `words` reference words each.

    Raises ValueError where the lengths differ or there are no words.
    """
    wrong_before, wrong_after, said = (np.asarray(counts, dtype=np.int64) for counts in (before, after, words))
    if not len(wrong_before) == len(wrong_after) == len(said):
        raise ValueError("each clip has one count before, one after, and its words")
    total, clips = int(said.sum()), int((said > 0).sum())
    if not total:
        raise ValueError("there are no words to count errors in")
    gains = wrong_after - wrong_before
    change, luck = float(gains.sum() / total), chance(gains)
    verdict: Verdict = "no difference shown"
    if clips < LEAST_CLIPS:
        verdict = "too few clips"
    elif luck <= 1 - LEVEL:
        verdict = "better" if change < 0 else "worse"
    low, high = _agreeing(verdict, *_interval(gains, said))
    most = max(1.0, float(wrong_before.sum() / total))  # no more can be put right than was wrong
    return Change(
        before=float(wrong_before.sum() / total),
        after=float(wrong_after.sum() / total),
        change=change,
        low=max(low, -most),
        high=high,
        chance=luck,
        verdict=verdict,
        clips=clips,
        words=total,
        unit=unit,
    )


def chance(gains: Sequence[int] | NDArray[np.int64]) -> float:
    """How often equally good models would differ by as much as `gains` (errors after less errors before) add up to.

    Two-sided and exact: the sum of the gains with random signs has the characteristic function `prod cos(gain · t)`,
    of which a Fourier transform gives every probability.
    """
    drawn = np.asarray(gains, dtype=np.int64)
    sizes, often = np.unique(np.abs(drawn[drawn != 0]), return_counts=True)
    farthest, seen = int((sizes * often).sum()), abs(int(drawn.sum()))
    if not seen:
        return 1.0
    angles = 2 * np.pi * np.arange(farthest + 1) / (2 * farthest + 1)
    spectrum = np.ones(farthest + 1)
    for size, times in zip(sizes, often, strict=True):
        spectrum *= np.cos(size * angles) ** times
    probabilities = np.fft.irfft(spectrum, 2 * farthest + 1)  # of the sums 0 … farthest, then of those below 0
    return float(np.clip(2 * probabilities[seen : farthest + 1].sum(), 0.0, 1.0))


def _agreeing(verdict: Verdict, low: float, high: float) -> tuple[float, float]:
    """The interval as far as it goes with the direction: a sure one has no size on the other side of 0."""
    if verdict == "better":
        return min(low, 0.0), min(high, 0.0)
    if verdict == "worse":
        return max(low, 0.0), max(high, 0.0)
    return min(low, 0.0), max(high, 0.0)


def _interval(gains: NDArray[np.int64], words: NDArray[np.int64]) -> tuple[float, float]:
    """Student's interval of `sum(gains) / sum(words)`, by the ratio's standard error (Cochran 1977, section 6.3)."""
    freedom = max(1, len(gains) - 1)
    drawn = np.append(gains.astype(np.float64), _PHANTOMS)
    said = np.append(words.astype(np.float64), [words.mean()] * len(_PHANTOMS))
    ratio, clips = drawn.sum() / said.sum(), len(said)
    squares = ((drawn - ratio * said) ** 2).sum() * clips / (clips - 1)
    reach = student(freedom) * np.sqrt(squares) / said.sum()
    return float(ratio - reach), float(ratio + reach)


def student(freedom: int) -> float:
    """The quantile of Student's t that leaves 1 - LEVEL outside (Abramowitz and Stegun 1964, 26.7.5)."""
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return float(z + sum(term / freedom**power for power, term in enumerate(terms, start=1)))

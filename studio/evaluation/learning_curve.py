"""What more clips would bring: a power law through the error rates of runs on more and more of the training clips.

Word errors fall with the number of training clips n about as c·n^-a (Hestness et al. 2017, "Deep Learning Scaling is
Predictable, Empirically", arXiv:1712.00409; Viering and Loog 2021, "The Shape of Learning Curves: a Review",
arXiv:2103.10948, who also say how often it fails). Three points are few, and two things move them: which clips measure,
which the paired bootstrap over utterances draws anew for all points together, and chance in training (other clips,
another order), which is drawn too, at its measured size or, where the points lie farther from the line, at that.

A curve that has begun to flatten falls less than a power law promises. A test simulates how often the interval holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

SHARES = (25, 50, 100)  # percent of a run's training clips; each share holds the smaller ones
MORE = 50  # clips that the forecast adds
RESAMPLES = 4_000
LEVEL = 0.95
# Standard deviation of the logarithm of WER between runs of which only the seed and the clips that it draws differ.
# Measured on the starter, three seeds at three sizes: 0.10, which with so few runs may be 0.2 (95 %, chi-square).
TRAINING_NOISE = 0.2
_HALF = 0.5  # an error: what no clip showed may still be there, and its logarithm can be taken

FEW_CLIPS = 20  # held out: fewer, drawn anew, look alike by chance, and the interval promises too much

Doubt = Literal["", "few clips", "nothing left", "no gain", "too wide"]


class Rate(BaseModel):
    """A word error rate on the held-out clips, and the interval that holds the true one in 95 of 100 test sets."""

    model_config = ConfigDict(frozen=True)

    wer: float
    low: float
    high: float


class Forecast(BaseModel):
    """The change of word error rate that `more` training clips of the same kind would bring."""

    model_config = ConfigDict(frozen=True)

    more: int
    change: float  # of the rate; below 0 is better
    low: float  # of the interval for the expected change
    high: float
    doubt: Doubt  # why it is not known yet: FEW_CLIPS measure; no word of them is wrong any more; the interval
    # holds no gain, or is wider than all that is still wrong; empty where it is known


def rates(errors: Sequence[Sequence[int]], words: Sequence[int], seed: int = 0) -> list[Rate]:
    """The rate of each run: `errors` has for each run the word errors of every utterance, `words` its words.

    Raises ValueError where there are no words.
    """
    wrong, said = _counts(errors, words)
    drawn, total = _resampled(wrong, said, seed)
    ends = np.quantile(drawn / total, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    exact = wrong.sum(axis=1) / said.sum()
    return [Rate(wer=float(wer), low=float(low), high=float(high)) for wer, low, high in zip(exact, *ends, strict=True)]


def forecast(
    errors: Sequence[Sequence[int]], words: Sequence[int], clips: Sequence[int], more: int = MORE, seed: int = 0
) -> Forecast:
    """What `more` clips would bring beyond the last run; `clips` are the training clips of each, growing.

    The same arguments give the same figures. Raises ValueError for fewer than three runs or none of different size.
    """
    if len(clips) < len(SHARES) or len(set(clips)) < len(clips):
        raise ValueError("a forecast needs three runs on different numbers of clips")
    wrong, said = _counts(errors, words)
    drawn, total = _resampled(wrong, said, seed)
    seen = np.log((drawn + _HALF) / (total + 2 * _HALF))  # (runs, resamples)
    sizes = np.log(np.asarray(clips, dtype=np.float64))
    chance = np.random.default_rng(seed + 1).normal(0, _noise(seen, sizes), seen.shape)
    changes = _change(seen + chance, sizes, np.log(clips[-1] + more))
    low, high = (float(end) for end in np.quantile(changes, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    here = np.log((wrong.sum(axis=1) + _HALF) / (said.sum() + 2 * _HALF))
    change = float(_change(here[:, None], sizes, np.log(clips[-1] + more))[0])
    doubt = _doubt(float(wrong[-1].sum() / said.sum()), low, high) if len(said) >= FEW_CLIPS else "few clips"
    return Forecast(more=more, change=change, low=low, high=high, doubt=doubt)


def _doubt(left: float, low: float, high: float) -> Doubt:
    if left == 0:
        return "nothing left"
    if high >= 0:
        return "no gain"
    return "too wide" if high - low > left else ""


def _counts(errors: Sequence[Sequence[int]], words: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    wrong, said = np.asarray(errors, dtype=np.float64), np.asarray(words, dtype=np.float64)
    if not said.sum():
        raise ValueError("there are no words to count errors in")
    return wrong, said


def _resampled(
    wrong: NDArray[np.float64], said: NDArray[np.float64], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(runs, resamples) errors and (resamples,) words, of utterances drawn with replacement, the same for all runs."""
    rng = np.random.default_rng(seed)
    size = len(said)
    times = rng.multinomial(size, np.full(size, 1 / size), size=RESAMPLES).astype(np.float64)  # of each utterance
    return wrong @ times.T, np.maximum(times @ said, 1.0)


def _noise(seen: NDArray[np.float64], sizes: NDArray[np.float64]) -> float:
    """The standard deviation that training adds: as measured, or what the points show beyond the test clips' chance."""
    line = np.polynomial.polynomial.polyfit(sizes, seen.mean(axis=1), 1)
    residuals = seen.mean(axis=1) - np.polynomial.polynomial.polyval(sizes, line)
    beyond = (residuals**2).sum() / (len(sizes) - 2) - seen.var(axis=1).mean()
    return float(max(TRAINING_NOISE, np.sqrt(max(beyond, 0.0))))


def _change(seen: NDArray[np.float64], sizes: NDArray[np.float64], to: float) -> NDArray[np.float64]:
    """(runs, resamples) logarithms of rates -> the change from the last size to `to` along the line through each."""
    level, slope = np.polynomial.polynomial.polyfit(sizes, seen, 1)
    return np.asarray(np.exp(level + slope * to) - np.exp(level + slope * sizes[-1]))

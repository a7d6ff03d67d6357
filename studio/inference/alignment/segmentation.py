"""Words in their order laid over frames, with gaps between them, where their scores are best.

A semi-Markov alignment: dynamic time warping over whole words, which also weighs how long each lasts, where it may
begin, and what is left between two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for each word in each frame, and for a start or an end at each boundary between frames."""

    within: Scores  # (words, frames): for a frame as part of a word, against its being silence
    start: Scores  # (frames + 1,)
    end: Scores  # (frames + 1,)
    usual: Sequence[float]  # frames that each word is likely to last
    steadiness: float  # how much a word loses that lasts e times as long, or as short
    longest: int  # frames that a word can last


def segments(evidence: Evidence) -> list[tuple[int, int]]:
    """Start and end of each word in frames, in order, without overlaps; every word has a frame at least.

    There must be as many frames as words.
    """
    best = np.zeros(evidence.within.shape[1] + 1)  # of what came before, up to each boundary
    steps = [_word(evidence, word, best) for word in range(len(evidence.within))]
    at, found = len(best) - 1, []
    for starts, ends in reversed(steps):
        end = int(ends[at])
        at = int(starts[end])
        found.append((at, end))
    return found[::-1]


def _word(evidence: Evidence, word: int, best: Scores) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Add one word to what is `best` so far, in place. For each boundary: where the word that ends there starts, and
    where the last word up to there ends."""
    frames = len(best) - 1
    total = np.concatenate([[0.0], np.cumsum(evidence.within[word])])
    before, score = best + evidence.start - total, np.full(frames + 1, -np.inf)
    starts, places = np.zeros(frames + 1, int), np.arange(frames + 1)
    for length in range(1, min(evidence.longest, frames) + 1):
        candidate = before[:-length] - evidence.steadiness * np.log(length / evidence.usual[word]) ** 2
        better = candidate > score[length:]
        score[length:][better] = candidate[better]
        starts[length:][better] = places[:-length][better]
    score += total + evidence.end
    best[:] = np.maximum.accumulate(score)
    return starts, np.maximum.accumulate(np.where(score >= best, places, 0))

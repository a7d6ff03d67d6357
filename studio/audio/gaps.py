"""Pauses put between words of a recording: to see whether a speaker who hesitates is cut off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Words = Sequence[tuple[str, tuple[float, float]]]
SHORTEST, LONGEST = 0.4, 1.5  # seconds of a pause
_ROOM = 0.1  # seconds: of the recording's quietest stretch, which fills the pauses
_EDGE = 0.005  # seconds over which the sound goes over into the pause


def with_pauses(
    samples: NDArray[np.float32], rate: int, words: Words, pauses: Mapping[int, float]
) -> tuple[NDArray[np.float32], list[tuple[str, tuple[float, float]]]]:
    """`samples` with so many seconds of the recording's own quiet after each word in `pauses`, and the new times.

    The cut is in the middle between the two words.
    """
    room = _quietest(samples, rate)
    pieces: list[NDArray[np.float32]] = []
    times: list[tuple[str, tuple[float, float]]] = []
    at = shift = 0.0
    for place, (word, (start, end)) in enumerate(words):
        times.append((word, (start + shift, end + shift)))
        if (seconds := pauses.get(place, 0.0)) and place + 1 < len(words):
            cut = (end + max(end, words[place + 1][1][0])) / 2
            pieces += [samples[int(at * rate) : int(cut * rate)], _lasting(room, int(seconds * rate))]
            at, shift = cut, shift + seconds
    pieces.append(samples[int(at * rate) :])
    return _joined(pieces, int(_EDGE * rate)), times


def _quietest(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    length = min(len(samples), int(_ROOM * rate))
    starts = range(0, len(samples) - length + 1, max(1, length // 4))
    best = min(starts, key=lambda start: float(np.sum(samples[start : start + length].astype(np.float64) ** 2)))
    return samples[best : best + length]


def _lasting(room: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """`room` forth and back, for `count` samples: it has no edges that click."""
    both = np.concatenate([room, room[::-1]])
    return np.tile(both, -(-count // len(both)))[:count]


def _joined(pieces: Sequence[NDArray[np.float32]], edge: int) -> NDArray[np.float32]:
    """The pieces end to end, each going over into silence and back where they meet."""
    fade = np.linspace(0, 1, edge, dtype=np.float32)
    shaped = [piece.copy() for piece in pieces]
    for before, after in pairwise(shaped):
        if len(before) > edge and len(after) > edge:
            before[-edge:] *= fade[::-1]
            after[:edge] *= fade
    return np.concatenate(shaped)

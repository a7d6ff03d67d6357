"""Where the page's hands-free detector ends a turn: `ui/assets/listen/turns.js`, restated to be measured with.

A test runs both on the same sounds. It knows levels alone, nothing of what was said.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SILENCE = 0.8  # seconds that end a turn, unless a person sets others
_RISE, _FALL = 9.0, 3.0  # dB of a voice above the room at the usual sensitivity; less once it was heard
_FAINTEST, _LOUDEST_ROOM = -60.0, -40.0  # dBFS
_MEMORY, _QUIETEST = 6.0, 0.1  # seconds over which the room is judged; the share of them that it stays below
_FIRST, _WELL = 0.3, 2.0  # seconds before the room is known enough, and well
_BLIP, _SHORTEST = 0.06, 0.15  # seconds of voice that begin a turn, and that it needs
_CUTOFF = 120.0  # Hz, below which mains hum is
_BLOCK = 1024 / 48_000  # seconds


def turn_ends(samples: NDArray[np.float32], rate: int, silence: float = SILENCE) -> Iterator[float]:
    """The seconds at which a turn ends, while `samples` (mono, -1..1, at `rate` Hz) are heard."""
    block = round(_BLOCK * rate)
    step = block / rate
    levels: deque[float] = deque(maxlen=math.floor(_MEMORY / step + 1e-9))
    known = voiced = quiet = 0.0
    is_hearing = False
    for place, level in enumerate(_levels(samples, rate, block)):
        levels.append(level)
        known = min(known + step, len(levels) * step)
        is_voice = level > _bar(levels, known, is_hearing)
        if not is_hearing:
            voiced, quiet = (voiced + step if is_voice else 0.0), 0.0
            is_hearing = known >= _FIRST and voiced >= _BLIP
            continue
        voiced, quiet = (voiced + step, 0.0) if is_voice else (voiced, quiet + step)
        if quiet >= silence:
            if voiced >= _SHORTEST:
                yield (place + 1) * step
            is_hearing, voiced = False, 0.0


def _bar(levels: deque[float], known: float, is_hearing: bool) -> float:
    """dBFS that a voice must exceed now."""
    room = sorted(levels)[math.floor(_QUIETEST * len(levels))]
    if known < _WELL:
        room = min(_LOUDEST_ROOM, room)
    return max(_FAINTEST, room + _RISE - (_FALL if is_hearing else 0.0))


def _levels(samples: NDArray[np.float32], rate: int, block: int) -> Iterator[float]:
    """dBFS of each whole block, above the mains' hum: a filter of the first order."""
    from scipy.signal import lfilter

    share = 1 / (1 + (2 * math.pi * _CUTOFF) / rate)
    passed = lfilter([share, -share], [1, -share], samples.astype(np.float64))
    for start in range(0, len(samples) - block + 1, block):
        yield 10 * math.log10(float(np.mean(passed[start : start + block] ** 2)) + 1e-12)

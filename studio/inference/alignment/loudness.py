"""How much of a voice there is in each hundredth of a second."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.audio import Waveform
from studio.audio.spectrum import FRAME, HOP, frames_of
from studio.audio.vad import HIGH, LOW

RANGE_DB = 45.0  # below the loudest frames, beyond which a sound is as good as silent
NEAR = 3  # frames on each side that a rise of the level is measured over

Levels = NDArray[np.float64]


def levels(samples: NDArray[np.float32], rate: int) -> Levels:
    """(frames,) at every HOP seconds: 0 for the clip's own silence, 1 for its loudest sounds, by decibels."""
    edge = round((FRAME - HOP) / 2 * rate)  # each frame's window lies around it
    frames = frames_of(Waveform(np.pad(samples, (edge, edge + round(FRAME * rate))), rate))
    power = np.convolve(np.pad(frames.band(LOW, HIGH), 1, mode="edge"), np.ones(3) / 3, "valid")
    decibels = 10 * np.log10(power + 1e-10)
    quiet, loud = np.percentile(decibels, [5, 95])
    quiet = max(quiet, loud - RANGE_DB)
    return np.asarray(np.clip((decibels - quiet) / max(loud - quiet, 1.0), 0, 1))


def rises(levels: Levels) -> Levels:
    """(frames + 1,) how much louder it is after each boundary between frames than before, -1 to 1."""
    padded = np.pad(levels, NEAR, mode="edge")
    means = np.convolve(padded, np.ones(NEAR) / NEAR, "valid")
    return np.asarray(means[NEAR:] - means[:-NEAR])

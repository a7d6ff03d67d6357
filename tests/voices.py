"""A clip of clear speech for tests, and ways to spoil it by a known amount."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from studio.audio import Waveform, read, resample
from studio.starter import UNHEARD_FOLDER

Sound = NDArray[np.float32]

EDGE = 0.4  # seconds of room noise before and after the speech
ROOM = 1e-3  # RMS of the room's noise: -60 dBFS
LEVEL = 0.08  # RMS of the speech
TEXT = "location code 145866"


@cache
def _speech() -> Sound:
    clip = UNHEARD_FOLDER / "000.flac"
    samples = read(clip, 16_000).samples
    return samples * np.float32(LEVEL / np.sqrt(np.mean(samples**2)))


def noise(frames: int, level: float, seed: int = 0) -> Sound:
    """White noise of RMS `level`, (frames,)."""
    return np.random.default_rng(seed).normal(0, level, frames).astype(np.float32)


def silence(seconds: float, rate: int = 16_000) -> Sound:
    """The room, with nobody speaking."""
    return noise(round(seconds * rate), ROOM, 7)


def speech(rate: int = 16_000, before: float = EDGE, after: float = EDGE) -> Sound:
    """Three seconds of speech in a quiet room, (frames,), as 16-bit steps."""
    said = resample(_speech(), 16_000, rate)
    whole = np.concatenate([np.zeros(round(before * rate)), said, np.zeros(round(after * rate))])
    return steps(whole.astype(np.float32) + noise(len(whole), ROOM))


def steps(samples: Sound) -> Sound:
    """`samples` as a 16-bit file holds them."""
    return (np.clip(np.rint(samples * 32768), -32768, 32767) / 32768).astype(np.float32)


def loudest(samples: Sound, rate: int, width: float = 0.02) -> int:
    """The sample in the middle of the loudest stretch of `width` seconds."""
    count = round(width * rate)
    return int(np.argmax(np.convolve(np.square(samples), np.ones(count), "same")))


def wave(samples: Sound, rate: int = 16_000) -> Waveform:
    """`samples` as a recording."""
    return Waveform(steps(samples), rate)

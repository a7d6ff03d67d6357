"""What happens to a clip on its way into training: speed, colour, room, noise, drop-outs, silence around it.

All random choices come from the generator handed in, so a step is repeatable from its seed alone. Speed is by
plain resampling, which moves pitch and formants too: in effect another speaker.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]

_EQ_POINTS_HZ = np.array([0, 150, 400, 1000, 2000, 3500, 5500, 8000], dtype=np.float32)
_EQ_SPREAD_DB = 5.0
_TELEPHONE_HZ = (300.0, 3600.0)
_REVERB_SAMPLES = 2400  # 0.15 s
_MAX_SPEED = 0.20  # natural log of the largest change


@dataclass(frozen=True, slots=True)
class Augmented:
    """The changed sound, and how to find an old sample in it: new = old / speed + lead."""

    sound: Sound
    speed: float
    lead: int


def augment(sound: Sound, rng: np.random.Generator) -> Augmented:
    """Change one 16 kHz clip."""
    speed = 1.0
    if rng.random() < 0.8:
        speed = math.exp(rng.uniform(-_MAX_SPEED, _MAX_SPEED))
        sound = resampled_by(sound, speed)
    if rng.random() < 0.6:
        sound = _colour(sound, rng)
    if rng.random() < 0.6:
        sound = sound + _noise(len(sound), rng) * np.float32(_rms(sound) * 10 ** (-rng.uniform(5, 40) / 20))
    for _ in range(2):
        if rng.random() < 0.25:
            sound = _drop(sound, rng)
    return Augmented(sound, speed, 0)


def fitted(clip: Augmented, length: int, rng: np.random.Generator) -> Augmented:
    """`clip` at exactly `length` samples: silence before and after, split at random, or the end cut by a
    hair.

    Batches of equal length need no mask, and so train what a single clip will see: Moonshine's GroupNorm
    averages over time, padding included.
    """
    room = length - len(clip.sound)
    if room <= 0:
        return Augmented(clip.sound[:length], clip.speed, clip.lead)
    lead = int(rng.integers(0, room + 1))
    floor = _rms(clip.sound) * 10 ** (-rng.uniform(35, 80) / 20)
    whole = rng.standard_normal(length, dtype=np.float32) * np.float32(floor)
    whole[lead : lead + len(clip.sound)] += clip.sound
    return Augmented(whole, clip.speed, lead)


def normalised(sound: Sound) -> Sound:
    """Zero mean, unit variance: the shipped preprocessor's do_normalize."""
    return as_sound((sound - sound.mean()) / np.sqrt(sound.var() + 1e-7))


def as_sound(samples: NDArray[Any]) -> Sound:
    """Samples in single precision."""
    sound: Sound = samples.astype(np.float32)
    return sound


def _rms(sound: Sound) -> float:
    return float(np.sqrt(np.mean(sound**2) + 1e-12))


def resampled_by(sound: Sound, speed: float) -> Sound:
    """Played `speed` times as fast, by linear interpolation: pitch and formants move too."""
    places = np.arange(int(len(sound) / speed), dtype=np.float32) * np.float32(speed)
    return as_sound(np.interp(places, np.arange(len(sound), dtype=np.float32), sound))


def _colour(sound: Sound, rng: np.random.Generator) -> Sound:
    """A random equaliser; sometimes a telephone's band, a notch, a short reverberation. One Fourier transform
    for all.
    """
    from scipy import fft

    size = fft.next_fast_len(len(sound) + _REVERB_SAMPLES, real=True)
    spectrum = fft.rfft(sound, size)
    hertz = np.linspace(0, 8000, len(spectrum), dtype=np.float32)
    gain = np.interp(hertz, _EQ_POINTS_HZ, rng.normal(0, _EQ_SPREAD_DB, len(_EQ_POINTS_HZ)))
    if rng.random() < 0.35:
        low, high = _TELEPHONE_HZ[0] * rng.random(), _TELEPHONE_HZ[1] * rng.uniform(0.9, 1.2)
        gain -= 40 * ((hertz < low) | (hertz > high))
    if rng.random() < 0.3:
        notch = rng.uniform(100, 6000)
        gain -= 40 * ((hertz > notch) & (hertz < notch * 1.25))
    spectrum = spectrum * (10 ** (gain / 20)).astype(np.float32)
    if rng.random() < 0.35:
        spectrum = spectrum * fft.rfft(_room(rng), size)
    return as_sound(fft.irfft(spectrum, size)[: len(sound)])


def _room(rng: np.random.Generator) -> Sound:
    """An impulse and its exponentially dying echo of noise."""
    decay = np.exp(-np.arange(_REVERB_SAMPLES) / rng.uniform(100, 700))
    room = rng.standard_normal(_REVERB_SAMPLES, dtype=np.float32) * decay * rng.uniform(0.03, 0.25)
    room[0] = 1
    return as_sound(room)


def _noise(length: int, rng: np.random.Generator) -> Sound:
    """White noise, or noise with most of its power low, as in rooms; unit variance."""
    white = rng.standard_normal(length, dtype=np.float32)
    if rng.random() < 0.6:
        white = white + np.convolve(white, np.full(6, 0.5, np.float32), "same")
    return as_sound(white / (white.std() + 1e-6))


def _drop(sound: Sound, rng: np.random.Generator) -> Sound:
    """Silence 25 to 100 ms somewhere."""
    start, length = int(rng.integers(0, max(1, len(sound)))), int(rng.integers(400, 1600))
    sound = sound.copy()
    sound[start : start + length] = 0
    return sound

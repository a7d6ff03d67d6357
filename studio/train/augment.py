"""Changed variants of a clip, so that a few recordings cover more rooms, distances and paces.

The changes are to the raw sound, below everything a family computes. What it computes is kept, once for each
variant: a clip has a fixed number of them, and goes through them in turn, epoch by epoch.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.models.base import Clip

if TYPE_CHECKING:
    Samples = NDArray[np.float32]
    Words = list[tuple[str, tuple[float, float]]]

SPEED = 0.1  # natural log of the largest change; pitch moves along, as with another speaker
PACE_SHARE = 0.4  # of variants are spoken faster or slower at the same pitch:
PACE = 0.15  # natural log of the largest change
PITCH_SHARE = 0.3  # of variants are spoken higher or lower at the same pace:
PITCH = 2.0  # semitones
GAIN_DB = (-10.0, 6.0)
NOISE_SHARE = 0.7  # of variants
SNR_DB = (10.0, 40.0)
BAND_SHARE = 0.3  # of variants lose what lies above:
BAND_HZ = (3000.0, 7000.0)  # a telephone to a dull microphone
_EDGE_HZ = 500.0  # over which the band ends
_SPEED_UNIT = 1000  # the resampler wants whole rates
_FRAME = 512  # samples of a phase vocoder's frame: 32 ms at 16 kHz, a few periods of a voice


def variant(clip: Clip, sample_rate: int, seed: int, number: int) -> Clip:
    """Variant `number` (from 1) of `clip`: the same for the same seed and clip, whatever else is in the dataset."""
    rng = np.random.default_rng((seed, zlib.crc32(clip.id.encode()), number))
    samples = _at_speed(clip.samples, math.exp(rng.uniform(-SPEED, SPEED)))
    if rng.random() < PACE_SHARE:
        samples = _at_pace(samples, math.exp(rng.uniform(-PACE, PACE)))
    if rng.random() < PITCH_SHARE:
        samples = _at_pitch(samples, rng.uniform(-PITCH, PITCH), sample_rate)
    if rng.random() < NOISE_SHARE:
        samples = _with_noise(samples, rng.uniform(*SNR_DB), rng)
    if rng.random() < BAND_SHARE:
        samples = _below(samples, rng.uniform(*BAND_HZ), sample_rate)
    return replace(clip, samples=_louder(samples, rng.uniform(*GAIN_DB)), words=_stretched(clip, len(samples)))


def _stretched(clip: Clip, samples: int) -> Words | None:
    """When the words of `clip` are said in a variant of so many `samples`."""
    if clip.words is None:
        return None
    factor = samples / len(clip.samples)
    return [(word, (start * factor, end * factor)) for word, (start, end) in clip.words]


def _at_speed(samples: Samples, speed: float) -> Samples:
    """Played `speed` times as fast."""
    import soxr

    return np.asarray(soxr.resample(samples, round(_SPEED_UNIT * speed), _SPEED_UNIT), dtype=np.float32)


def _at_pace(samples: Samples, pace: float) -> Samples:
    """Spoken `pace` times as fast, at the same pitch."""
    import librosa

    if len(samples) < _FRAME:
        return samples
    paced: Samples = librosa.effects.time_stretch(samples, rate=pace, n_fft=_FRAME)
    return paced


def _at_pitch(samples: Samples, semitones: float, sample_rate: int) -> Samples:
    """Spoken `semitones` higher, at the same pace."""
    import librosa

    if len(samples) < _FRAME:
        return samples
    pitched: Samples = librosa.effects.pitch_shift(
        samples, sr=sample_rate, n_steps=semitones, n_fft=_FRAME, res_type="soxr_hq"
    )
    return pitched


def _with_noise(samples: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    """White noise, or that of a room with most of its power low, `snr_db` below the clip's mean power."""
    noise = rng.standard_normal(len(samples))
    if rng.random() < 0.5:
        noise = np.convolve(noise, np.full(8, 1 / 8), "same")
    level = np.sqrt(np.mean(samples.astype(np.float64) ** 2)) * 10 ** (-snr_db / 20)
    noisy: Samples = (samples + noise * level / (noise.std() + 1e-12)).astype(np.float32)
    return noisy


def _below(samples: Samples, hertz: float, sample_rate: int) -> Samples:
    """Without what lies above `hertz`, with a smooth edge."""
    spectrum = np.fft.rfft(samples)
    places = np.fft.rfftfreq(len(samples), 1 / sample_rate)
    edge = np.clip((hertz + _EDGE_HZ - places) / _EDGE_HZ, 0, 1)
    limited: Samples = np.fft.irfft(spectrum * (0.5 - 0.5 * np.cos(np.pi * edge)), len(samples)).astype(np.float32)
    return limited


def _louder(samples: Samples, gain_db: float) -> Samples:
    """By `gain_db`, or as much as fits without clipping."""
    peak = float(np.max(np.abs(samples), initial=1e-9))
    return samples * np.float32(min(10 ** (gain_db / 20), 1 / peak))

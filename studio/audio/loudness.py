"""Loudness by ITU-R BS.1770-4, without the seconds that importing scipy's filters would cost the first save."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from studio.audio import Waveform

BLOCK = 0.4  # seconds; a shorter clip is one block
ABSOLUTE_GATE = -70.0  # LUFS
RELATIVE_GATE = -10.0  # LU below the loudness of what passes the absolute gate
OFFSET = -0.691  # dB: 0 dBFS of 997 Hz in one channel is -3.01 LUFS
_RING = 0.25  # seconds that the 38 Hz high-pass needs to fade

# The standard's two filters by their analogue parameters: (Hz, Q, dB); they give its table at 48 kHz.
_SHELF = (1681.974450955533, 0.7071752369554196, 3.999843853973347)
_HIGH_PASS = (38.13547087602444, 0.5003270373238773)

Values = NDArray[np.float64]


def loudness(wave: Waveform) -> float:
    """LUFS of mono `wave`, gated; ABSOLUTE_GATE where all of it is quieter."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(_weighted(wave)), dtype=np.float64)])
    block = min(round(BLOCK * wave.sample_rate), len(wave.samples))
    starts = np.arange(0, len(wave.samples) - block + 1, max(1, block // 4))
    power = (energy[starts + block] - energy[starts]) / block
    heard = power[_lufs(power) > ABSOLUTE_GATE]
    if not len(heard):
        return ABSOLUTE_GATE
    heard = heard[_lufs(heard) > _lufs(heard.mean()) + RELATIVE_GATE]
    return float(_lufs(heard.mean()))


def _lufs(power: Values) -> Values:
    return np.asarray(OFFSET + 10 * np.log10(np.maximum(power, 1e-12)))


def _weighted(wave: Waveform) -> NDArray[np.float32]:
    """The samples as the ear weights them, filtered in the frequency domain (without the filters' delay)."""
    size = _fast_length(len(wave.samples) + round(_RING * wave.sample_rate))
    spectrum = np.fft.rfft(wave.samples, size)
    table_hertz, table_gain = _gains(wave.sample_rate)
    spectrum *= np.interp(np.arange(len(spectrum)) * (wave.sample_rate / size), table_hertz, table_gain)
    return np.asarray(np.fft.irfft(spectrum, size)[: len(wave.samples)])


@lru_cache(maxsize=8)
def _gains(rate: int) -> tuple[Values, Values]:
    """How much both filters pass at frequencies from 0 to half of `rate` (Hz), close where they bend."""
    hertz = np.concatenate([[0.0], np.geomspace(1.0, rate / 2, 2000)])
    z = np.exp(-2j * np.pi * hertz / rate)
    return hertz, np.abs(_shelf(z, rate) * _high_pass(z, rate)).astype(np.float32)


def _shelf(z: NDArray[np.complex128], rate: int) -> NDArray[np.complex128]:
    hertz, q, gain = _SHELF
    k = np.tan(np.pi * hertz / rate)
    high = 10 ** (gain / 20)
    middle = high**0.4996667741545416
    above = (high + middle * k / q + k * k) + 2 * (k * k - high) * z + (high - middle * k / q + k * k) * z * z
    below = (1 + k / q + k * k) + 2 * (k * k - 1) * z + (1 - k / q + k * k) * z * z
    return np.asarray(above / below)


def _high_pass(z: NDArray[np.complex128], rate: int) -> NDArray[np.complex128]:
    hertz, q = _HIGH_PASS
    k = np.tan(np.pi * hertz / rate)
    below = (1 + k / q + k * k) + 2 * (k * k - 1) * z + (1 - k / q + k * k) * z * z
    return np.asarray((1 - 2 * z + z * z) * (1 + k / q + k * k) / below / (1 + k / q + k * k))


def _fast_length(least: int) -> int:
    """The next length that a Fourier transform is fast at: 4, 5 or 6 times a power of two."""
    power = 1 << max(0, (least - 1).bit_length() - 3)
    return next(power * times for times in (4, 5, 6, 8) if power * times >= least)

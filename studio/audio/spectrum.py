"""A recording as short frames: the power in each frequency, and how far up the sound reaches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.audio import Waveform

FRAME = 0.025  # seconds
HOP = 0.010  # seconds
ABOVE_STEPS_DB = 10.0  # over the noise of 16-bit steps: what a resampler leaves above its cut is less
BELOW_PEAK_DB = 75.0  # what lies deeper under the loudest band is a codec's or a filter's rest
_STEP_POWER = (1 / 32768) ** 2 / 12  # of rounding to 16 bits

Power = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frames:
    """The short-time power spectrum of a recording."""

    power: Power  # (frames, bins), of samples -1..1 under a window of unit energy
    hertz: NDArray[np.floating]  # (bins,)

    def band(self, low: float, high: float) -> NDArray[np.float64]:
        """Power between two frequencies (Hz) in each frame, (frames,)."""
        chosen = (self.hertz >= low) & (self.hertz <= high)
        return np.asarray(self.power[:, chosen].sum(axis=1, dtype=np.float64))


def frames_of(wave: Waveform) -> Frames:
    """Cut `wave` into windows of `FRAME` seconds every `HOP` seconds; one, padded, where it is shorter."""
    size, hop = round(FRAME * wave.sample_rate), round(HOP * wave.sample_rate)
    samples = np.pad(wave.samples, (0, max(0, size - len(wave.samples))))
    window = np.hanning(size + 2)[1:-1].astype(np.float32)
    window /= np.sqrt(np.sum(window**2))
    cut = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    spectrum = np.fft.rfft(cut * window, axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    return Frames(power, np.fft.rfftfreq(size, 1 / wave.sample_rate))


def bandwidth(frames: Frames, speaking: NDArray[np.bool_]) -> int:
    """Hz up to which the sound reaches during speech, in steps of 50.

    A recording made at a lower rate and resampled has nothing above half of that rate but rounding noise.
    """
    average = frames.power[speaking if speaking.any() else slice(None)].mean(axis=0)
    floor = max(_STEP_POWER * 10 ** (ABOVE_STEPS_DB / 10), float(average.max()) * 10 ** (-BELOW_PEAK_DB / 10))
    heard = np.flatnonzero(average > floor)
    return int(round(frames.hertz[heard[-1]] / 50) * 50) if len(heard) else 0

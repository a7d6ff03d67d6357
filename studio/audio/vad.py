"""Where there is speech in a recording, and how far it is above the noise."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from studio.audio.spectrum import HOP, Frames

LOW, HIGH = 150.0, 7_000.0  # Hz: the voice, s and f with it, without the mains' hum
RANGE_DB = 35.0  # below the loud frames a voice is not looked for, however quiet the room
RISE_DB = 5.0  # a frame of steady noise stays within this above the quiet frames
SPREAD_DB = 6.0  # between quiet and loud frames; white noise and hum have less than 3
FAINTEST_DB = -75.0  # dBFS in the band: below is no voice, however quiet the rest
BLIP = 0.05  # seconds: shorter is a click, not a word
WORD_GAP = 0.25  # seconds between words that are no pause
MOST_DB = 90.0  # an SNR that 16 bits cannot exceed
LEAST_NOISE = 10  # frames without speech that a noise level needs

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class VoiceActivity:
    """What was found out about the speech in a recording."""

    power: NDArray[np.float64]  # (frames,) in the band of voices
    loud: Mask  # (frames,) above the room
    speaking: Mask  # (frames,) the same without clicks, and with the short gaps between words
    seconds: float  # of speech
    before: float  # seconds of silence before the first word; the whole clip where there is no speech
    after: float
    longest_pause: float  # seconds between two words
    snr_db: float | None  # None where no moment without speech shows the noise


def find_voice(frames: Frames, duration: float) -> VoiceActivity:
    """Find the speech in a recording of `duration` seconds by its level above the room's own."""
    power = frames.band(LOW, HIGH)
    levels = 10 * np.log10(_smoothed(power) + 1e-12)
    loud = _loud(levels)
    speaking = _joined(_without(loud, round(BLIP / HOP)), round(WORD_GAP / HOP))
    places = np.flatnonzero(speaking)
    if not len(places):
        return VoiceActivity(power, loud, speaking, 0.0, duration, 0.0, 0.0, None)
    first, last = places[0] * HOP, min(duration, (places[-1] + 2) * HOP)
    gaps = [length for start, length, on in runs(speaking) if not on and places[0] < start < places[-1]]
    return VoiceActivity(
        power,
        loud,
        speaking,
        seconds=float(len(places) * HOP),
        before=float(first),
        after=float(max(0.0, duration - last)),
        longest_pause=max(gaps, default=0) * HOP,
        snr_db=_snr(power, speaking),
    )


def _smoothed(power: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = np.pad(power, 1, mode="edge")
    return (padded[:-2] + padded[1:-1] + padded[2:]) / 3


def _loud(levels: NDArray[np.float64]) -> Mask:
    quiet, loud = np.percentile(levels, [5, 95])
    if loud < FAINTEST_DB or loud - quiet < SPREAD_DB:
        return np.zeros(len(levels), bool)
    # a tightly cut clip has no quiet frames: its weakest are speech
    bar = max(min(quiet + RISE_DB, loud - SPREAD_DB), loud - RANGE_DB)
    return np.asarray(levels > bar)


def _without(mask: Mask, shortest: int) -> Mask:
    """`mask` without its runs of fewer than `shortest` frames."""
    kept = mask.copy()
    for start, length, on in runs(mask):
        if on and length < shortest:
            kept[start : start + length] = False
    return kept


def _joined(mask: Mask, gap: int) -> Mask:
    """`mask` with its inner gaps of at most `gap` frames filled."""
    filled = mask.copy()
    for start, length, on in runs(mask):
        if not on and length <= gap and start and start + length < len(mask):
            filled[start : start + length] = True
    return filled


def runs(mask: Mask) -> list[tuple[int, int, bool]]:
    """Start, length and value of every run of equal values."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(mask)) + 1, [len(mask)]])
    return [(int(start), int(end - start), bool(mask[start])) for start, end in pairwise(edges)]


def _snr(power: NDArray[np.float64], speaking: Mask) -> float | None:
    if (~speaking).sum() < LEAST_NOISE:
        return None
    noise = max(float(np.median(power[~speaking])), 1e-12)
    ratio = (float(power[speaking].mean()) - noise) / noise
    return float(np.clip(10 * np.log10(max(ratio, 1e-3)), -30, MOST_DB))

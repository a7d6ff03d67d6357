"""Silence at the edges of a clip: what could be cut off."""

from __future__ import annotations

from studio.audio import Waveform
from studio.audio.measurements import Quality
from studio.audio.spectrum import frames_of
from studio.audio.thresholds import THRESHOLDS
from studio.audio.vad import find_voice


def edges(wave: Waveform) -> tuple[float, float]:
    """Start and end (seconds) of what is worth keeping; (0, duration) where there is nothing to cut."""
    voice = find_voice(frames_of(wave), wave.duration)
    return _kept(voice.before, voice.after, wave.duration) if voice.seconds else (0.0, wave.duration)


def offered(quality: Quality, duration: float) -> float:
    """Seconds that trimming would take off, by the figures that are known; 0 where it is not offered."""
    if not quality.speech_seconds:
        return 0.0
    start, end = _kept(quality.silence_before, quality.silence_after, duration)
    return round(duration - (end - start), 2)


def _kept(before: float, after: float, duration: float) -> tuple[float, float]:
    limit, rest = THRESHOLDS.trim_beyond, THRESHOLDS.trim_to
    return (before - rest if before > limit else 0.0), (duration - after + rest if after > limit else duration)

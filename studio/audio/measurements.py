"""Everything that is measured in a recording, once, and remembered in its line of the manifest."""

from __future__ import annotations

import hashlib
import logging
import math
import threading
from collections import OrderedDict
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from studio.audio import Samples, Waveform, artifacts, decibels
from studio.audio.cut_words import cut_off
from studio.audio.loudness import loudness
from studio.audio.spectrum import bandwidth, frames_of
from studio.audio.vad import find_voice

VERSION = 1  # of the way of measuring: an older figure is measured again by `studio check`
LATEST = 128  # recordings whose figures are kept in memory
_log = logging.getLogger(__name__)
_lock = threading.Lock()
_latest: OrderedDict[bytes, Quality] = OrderedDict()


class Quality(BaseModel):
    """What was measured in a recording; what it means says `findings`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = VERSION
    peak_db: float  # dBFS
    rms_db: float  # dBFS, of the whole clip
    loudness_lufs: float  # gated, so that silence does not count
    clipped_share: float  # 0..1 of the samples
    snr_db: float | None = None  # None where there is nothing but speech
    speech_seconds: float  # pauses between words included
    silence_before: float  # seconds
    silence_after: float  # seconds
    cut_start: bool = False  # whether the sound begins in the middle of a word
    cut_end: bool = False
    longest_pause: float  # seconds
    dc_offset: float  # -1..1
    bandwidth_hz: int
    repeated: int = 0  # buffers that came twice
    dropped: int = 0  # gaps in the middle of speech
    clicks: int = 0  # places where a buffer is missing

    def stored(self) -> dict[str, Any]:
        """What the manifest keeps: without the figures that are nought."""
        return {"version": self.version, **self.model_dump(exclude_defaults=True)}

    @classmethod
    def known(cls, stored: dict[str, Any] | None) -> Self | None:
        """The figures in a line of the manifest; None where there are none of this version."""
        if not stored or stored.get("version") != VERSION:
            return None
        try:
            return cls(**stored)
        except (ValidationError, TypeError):
            return None


def measure(wave: Waveform) -> Quality:
    """Measure a recording: about 20 ms for five seconds at 48 kHz. Raises ValueError where it has no samples."""
    if not len(wave.samples):
        raise ValueError("nothing to measure")
    frames = frames_of(wave)
    voice = find_voice(frames, wave.duration)
    offset = float(wave.samples.mean(dtype=np.float64))
    level = _level(wave.samples)
    step = artifacts.own_step(wave.samples)
    cut = artifacts.clipped(wave.samples, step)
    torn = artifacts.torn(wave.samples, wave.sample_rate, level, cut, step)
    cut_start, cut_end = cut_off(wave, voice)
    return Quality(
        peak_db=round(decibels(float(np.abs(wave.samples).max())), 1),
        rms_db=round(decibels(level), 1),
        loudness_lufs=round(loudness(wave), 1),
        clipped_share=round(float(cut.mean()), 5),
        snr_db=None if voice.snr_db is None else round(voice.snr_db, 1),
        speech_seconds=round(voice.seconds, 2),
        silence_before=round(voice.before, 2),
        silence_after=round(voice.after, 2),
        cut_start=cut_start,
        cut_end=cut_end,
        longest_pause=round(voice.longest_pause, 2),
        dc_offset=round(offset, 4),
        bandwidth_hz=bandwidth(frames, voice.speaking),
        repeated=torn.doubled,
        dropped=torn.gaps,
        clicks=torn.clicks,
    )


def measured(wave: Waveform) -> Quality | None:
    """The figures of a recording; None, and a line in the log, where measuring failed: the recording is kept anyway.

    Those of the latest recordings are kept: the page asks for the figures of a take before it is saved.
    """
    name = hashlib.sha256(f"{wave.sample_rate}:".encode() + wave.samples.tobytes()).digest()
    with _lock:
        if name in _latest:
            return _latest[name]
    try:
        figures = measure(wave)
    except Exception:
        _log.exception("A recording could not be measured; it is kept without figures.")
        return None
    with _lock:
        _latest[name] = figures
        if len(_latest) > LATEST:
            _latest.popitem(last=False)
    return figures


def remembered(wave: Waveform) -> dict[str, Any] | None:
    """What the manifest keeps of a recording."""
    figures = measured(wave)
    return figures.stored() if figures else None


def _level(samples: Samples) -> float:
    return math.sqrt(float(np.mean(np.square(samples, dtype=np.float64))))

"""Whether a recording begins or ends in the middle of a word.

Chosen on 1,485 recordings of people, whole and cut at random places in the speech (`tests/test_cut_words.py`): a word
that merely begins early rises from nothing, one that was cut is at full level from the first milliseconds on.
"""

from __future__ import annotations

import numpy as np

from studio.audio import Samples, Waveform, decibels
from studio.audio.spectrum import HOP
from studio.audio.vad import VoiceActivity

LEAST = 0.05  # seconds of voice at the edge: a key that is pressed is shorter
BELOW_SPEECH_DB = 15.0  # under the level of the speech: a breath, or the end of a word that fades
EDGE, NEAR = 0.005, 0.030  # seconds: a voice that begins is far quieter in the first than in the second
RISE_DB = 12.0


def cut_off(wave: Waveform, voice: VoiceActivity) -> tuple[bool, bool]:
    """Whether the first word, and whether the last word, is cut."""
    if not voice.seconds:
        return False, False
    near, offset = round(NEAR * wave.sample_rate), wave.samples.mean()
    first, last = wave.samples[:near] - offset, wave.samples[-near:][::-1] - offset
    return _begins_cut(first, wave.sample_rate, voice, 1), _begins_cut(last, wave.sample_rate, voice, -1)


def _begins_cut(samples: Samples, rate: int, voice: VoiceActivity, direction: int) -> bool:
    """Whether `samples`, the first `NEAR` seconds, begin in a word; with `direction` -1 all is backwards."""
    power, loud = voice.power[::direction], voice.loud[::direction]
    is_voice = loud[: round(LEAST / HOP)].all() and loud.any()
    is_as_loud = power[0] > power[loud].mean() * 10 ** (-BELOW_SPEECH_DB / 10) if is_voice else False
    return bool(is_as_loud and _rms_db(samples[: round(EDGE * rate)]) > _rms_db(samples) - RISE_DB)


def _rms_db(samples: Samples) -> float:
    return decibels(float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))

"""How fast a speaker speaks: characters of the label, as it is read out, in a second of speech."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from studio.audio.measurements import Quality
from studio.audio.thresholds import THRESHOLDS
from studio.text import spoken

LEAST_SECONDS = 0.2  # of speech that are enough to measure a pace
RECENT = 500  # clips of a speaker that give the usual pace


def pace(text: str, quality: Quality | dict[str, Any] | None, duration: float) -> float | None:
    """Characters a second from the first word to the last; None where the label is empty.

    Digits count as their names: `129` takes as long to say as `one two nine`. Without figures the whole
    `duration` (seconds) counts, silence at the edges included.
    """
    figures = Quality.known(quality) if isinstance(quality, dict) else quality
    silence = figures.silence_before + figures.silence_after if figures and figures.speech_seconds else 0.0
    characters = len(spoken(text))
    return characters / max(duration - silence, LEAST_SECONDS) if characters else None


def usual_pace(said: Sequence[tuple[int, float | None]]) -> float | None:
    """The median pace of one speaker, to one decimal, by the latest `RECENT` clips; None where there are too few.

    `said` holds the characters of each label, as it is read out, and its pace, in the order of recording.
    """
    paces = [own or 0.0 for characters, own in said[-RECENT:] if characters >= THRESHOLDS.least_characters]
    return round(median(paces), 1) if len(paces) >= THRESHOLDS.pace_clips else None

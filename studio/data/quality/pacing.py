"""How fast somebody speaks: characters of the label, as it is read out, in a second of speech."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import median
from typing import TYPE_CHECKING, Any

from studio.data.quality.figures import Quality
from studio.data.quality.thresholds import THRESHOLDS
from studio.text import spoken

if TYPE_CHECKING:
    from studio.data.utterance import Utterance

LEAST_SECONDS = 0.2  # of speech that a pace can be told from


def pace(text: str, quality: Quality | dict[str, Any] | None, duration: float) -> float | None:
    """Characters a second from the first word to the last; None where the label is empty.

    Digits count as their names: `129` takes as long to say as `one two nine`. Without figures the whole
    `duration` (seconds) counts, silence at the edges included.
    """
    figures = Quality.known(quality) if isinstance(quality, dict) else quality
    silence = figures.silence_before + figures.silence_after if figures and figures.speech_seconds else 0.0
    characters = len(spoken(text))
    return characters / max(duration - silence, LEAST_SECONDS) if characters else None


def usual_pace(rows: Iterable[Utterance]) -> dict[str, float]:
    """The median pace of each speaker with `THRESHOLDS.pace_clips` clips or more; the others are left out."""
    paces: dict[str, list[float]] = defaultdict(list)
    for clip in rows:
        if len(spoken(clip.text)) >= THRESHOLDS.least_characters:
            paces[clip.speaker].append(pace(clip.text, clip.quality, clip.duration) or 0.0)
    return {speaker: median(found) for speaker, found in paces.items() if len(found) >= THRESHOLDS.pace_clips}

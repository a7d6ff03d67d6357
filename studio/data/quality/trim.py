"""Silence at the edges of a clip: what could be cut off."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from studio.audio import Waveform, read
from studio.data.quality.figures import Quality
from studio.data.quality.spectrum import frames_of
from studio.data.quality.thresholds import THRESHOLDS
from studio.data.quality.voice import find_voice

if TYPE_CHECKING:
    from studio.data.manifest import Dataset
    from studio.data.utterance import Utterance

LEAST = 0.05  # seconds that a cut must save


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


def apply(dataset: Dataset, ids: Iterable[str]) -> list[Utterance]:
    """Cut the silence at the edges of clips, in one action that can be undone; the originals stay.

    Clips with no silence to cut are left as they are. Raises DataError or DiskError.
    """
    clips = [clip for id in ids for clip in [dataset.get(id)]]
    cuts = {clip.id: _seconds(edges(read(dataset.clip_path(clip)))) for clip in clips}

    def remade(clip: Utterance) -> tuple[Utterance, Waveform]:
        return _trimmed(clip, read(dataset.clip_path(clip)))

    chosen = [clip for clip in clips if clip.duration - cuts[clip.id] > LEAST]
    total = sum(clip.duration - cuts[clip.id] for clip in chosen)
    name = f"“{chosen[0].text}”" if len(chosen) == 1 else f"{len(chosen):,} clips"
    return dataset.remake([clip.id for clip in chosen], remade, f"{total:.1f} s of silence trimmed from {name}")


def waiting(clips: Iterable[Utterance]) -> list[str]:
    """Ids of the clips whose figures say that trimming is offered."""
    known = ((clip, Quality.known(clip.quality)) for clip in clips)
    return [clip.id for clip, quality in known if quality and offered(quality, clip.duration)]


def _trimmed(clip: Utterance, wave: Waveform) -> tuple[Utterance, Waveform]:
    """`clip` between its edges, the times of its words moved with it."""
    start, end = edges(wave)
    first, last = round(start * wave.sample_rate), round(end * wave.sample_rate)
    words = [(word, (_within(begin - start), _within(stop - start))) for word, (begin, stop) in clip.words or ()]
    return clip.model_copy(update={"words": words or None}), Waveform(wave.samples[first:last], wave.sample_rate)


def _within(second: float) -> float:
    return round(max(second, 0.0), 3)


def _seconds(kept: tuple[float, float]) -> float:
    return kept[1] - kept[0]


def _kept(before: float, after: float, duration: float) -> tuple[float, float]:
    limit, rest = THRESHOLDS.trim_beyond, THRESHOLDS.trim_to
    return (before - rest if before > limit else 0.0), (duration - after + rest if after > limit else duration)

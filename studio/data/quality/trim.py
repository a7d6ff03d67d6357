"""Silence at the edges of clips is cut off, in one action that can be undone."""

from __future__ import annotations

from collections.abc import Iterable

from studio.audio import Waveform, read
from studio.audio.edges import edges, offered
from studio.audio.measurements import Quality
from studio.data.manifest import Dataset
from studio.data.utterance import Utterance
from studio.text import counted

LEAST = 0.05  # seconds that a cut must save


def apply(dataset: Dataset, ids: Iterable[str]) -> list[Utterance]:
    """Cut the silence at the edges of clips, in one action that can be undone; the originals stay.

    Clips with no silence to cut are left as they are. Raises DataError or DiskError.
    """
    clips = [clip for id in ids for clip in [dataset.clip(id)]]
    cuts = {clip.id: _seconds(edges(read(dataset.clip_path(clip)))) for clip in clips}

    def remade(clip: Utterance) -> tuple[Utterance, Waveform]:
        return _trimmed(clip, read(dataset.clip_path(clip)))

    chosen = [clip for clip in clips if clip.duration - cuts[clip.id] > LEAST]
    total = sum(clip.duration - cuts[clip.id] for clip in chosen)
    name = f"“{chosen[0].text}”" if len(chosen) == 1 else counted(len(chosen), "clip")
    return dataset.remake([clip.id for clip in chosen], remade, f"{total:.1f} s of silence trimmed from {name}")


def waiting(clips: Iterable[Utterance]) -> list[str]:
    """Ids of the clips whose figures say that trimming is offered."""
    known = ((clip, Quality.known(clip.quality)) for clip in clips)
    return [clip.id for clip, quality in known if quality and offered(quality, clip.duration)]


def _trimmed(clip: Utterance, wave: Waveform) -> tuple[Utterance, Waveform]:
    """`clip` between its edges, the times of its words moved with it."""
    start, end = edges(wave)
    first, last = round(start * wave.sample_rate), round(end * wave.sample_rate)
    length = (last - first) / wave.sample_rate
    moved = [(word, (begin - start, stop - start)) for word, (begin, stop) in clip.words or ()]
    words = [(word, (_within(begin, length), _within(stop, length))) for word, (begin, stop) in moved]
    return clip.model_copy(update={"words": words or None}), Waveform(wave.samples[first:last], wave.sample_rate)


def _within(second: float, length: float) -> float:
    return round(min(max(second, 0.0), length), 3)


def _seconds(kept: tuple[float, float]) -> float:
    return kept[1] - kept[0]

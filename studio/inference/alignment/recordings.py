"""When each word of a transcript is said, in a recording of any length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from studio import audio
from studio.data.word_times import Words
from studio.inference.alignment.aligning import align
from studio.inference.longform.transcript import Segment
from studio.models import Recogniser


def timed(recogniser: Recogniser, path: Path, segments: Sequence[Segment]) -> Words:
    """Each word of `segments` of the sound file `path`, with start and end in the whole file, in seconds.

    Each piece is aligned by itself: it must be one that the recogniser takes whole. Raises AudioError, and as `align`.
    """
    return [word for segment in segments if segment.text for word in _timed(recogniser, path, segment)]


def _timed(recogniser: Recogniser, path: Path, segment: Segment) -> Words:
    rate, length = recogniser.family.sample_rate, segment.end - segment.start
    samples = audio.read(path, rate, offset=segment.start, duration=length).samples
    found = align(recogniser, samples, segment.text)
    return [(word, (round(start + segment.start, 3), round(end + segment.start, 3))) for word, (start, end) in found]

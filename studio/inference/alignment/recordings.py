"""When each word of a transcript is said, in a recording of any length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studio import audio
from studio.data.word_times import Words
from studio.inference.alignment.aligning import align
from studio.inference.longform.transcript import Segment
from studio.models import Clip, Recogniser
from studio.models.base import Listens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def timed(recogniser: Recogniser, path: Path, segments: Sequence[Segment]) -> Words:
    """Each word of `segments` of the sound file `path`, with start and end in the whole file, in seconds.

    Each piece is aligned by itself: it must be one that the recogniser takes whole. A recogniser that writes in step
    with the sound says itself when its words begin; each ends where the next one begins. Raises AudioError, and as
    `align`.
    """
    return [word for segment in segments if segment.text for word in _timed(recogniser, path, segment)]


def _timed(recogniser: Recogniser, path: Path, segment: Segment) -> Words:
    rate, length = recogniser.family.sample_rate, segment.end - segment.start
    samples = audio.read(path, rate, offset=segment.start, duration=length).samples
    is_own = isinstance(recogniser.family, Listens)
    found = _own(recogniser, samples) if is_own else align(recogniser, samples, segment.text)
    return [(word, (round(start + segment.start, 3), round(end + segment.start, 3))) for word, (start, end) in found]


def _own(recogniser: Recogniser, samples: NDArray[np.float32]) -> Words:
    """The words that the recogniser itself writes, by its frames."""
    read = recogniser.family.transcribe(recogniser.model, recogniser.processor, Clip(samples))
    starts = read.starts or []
    ends = [*starts[1:], read.seconds]
    return [(word, (start, end)) for (word, _), start, end in zip(read.words or [], starts, ends, strict=True)]

"""A long recording as pieces that a model takes whole, cut at silences.

The file is decoded once, from its start to its end, and no more than `WINDOW` seconds of it are in memory. Which
channel speaks is asked of every piece anew: of a call recorded with one person on each channel both are heard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise, takewhile
from pathlib import Path

import numpy as np

from studio import audio
from studio.audio import Samples, Waveform
from studio.audio.spectrum import FRAME, HOP, Frames, frames_of
from studio.audio.vad import HIGH, LOW, Mask, find_voice, runs

LONGEST = 30.0  # seconds that no piece exceeds, whatever the model takes
EDGE = 0.2  # seconds of silence kept around the speech: a model wants a breath around the words
WINDOW = 90.0  # seconds in memory: speech is detected over all of them
_STEP = 10.0  # seconds decoded at a time
_NEAR = 5.0  # seconds: the finder misses speech that is less than a twentieth of what it is given
_QUIET = 0.3  # seconds whose mean power says how quiet a place is

Span = tuple[float, float]
"""Start and end, in seconds of what is in memory."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of speech in a recording."""

    start: float  # seconds from the beginning of the file
    samples: Samples  # (frames,), mono
    sample_rate: int  # Hz

    @property
    def end(self) -> float:
        """Seconds from the beginning of the file."""
        return self.start + len(self.samples) / self.sample_rate


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long pieces should be, in seconds."""

    shortest: float  # that a piece should have: a model transcribes better with some context
    usual: float  # by which a piece should have found a pause to end in
    pause: float  # of silence that ends a piece of any length, and is not transcribed


PASSAGES = Lengths(5.0, 20.0, 2.0)  # for models that were trained on minutes of connected speech
PHRASES = Lengths(0.3, 3.0, 0.5)  # for the starter, which was trained on single phrases


def pieces(path: Path, sample_rate: int, lengths: Lengths = PASSAGES, longest: float = LONGEST) -> Iterator[Piece]:
    """The speech in the sound file `path` at `sample_rate` Hz, in pieces of at most `longest` seconds.

    Silence is left out. A piece ends in the longest pause between the shortest and the usual length; where there is
    none, in the first one after; where speech continues beyond `longest`, at the quietest place of its second half.
    Raises AudioError (no sound file, no samples, NaN) or DiskError.
    """
    cutter = _Cutter(sample_rate, lengths, min(longest, LONGEST))
    held, start = np.zeros((0, 0), np.float32), 0
    for block in audio.blocks(path, sample_rate, _STEP):
        held = np.concatenate([held, block]) if held.size else block
        if len(held) >= WINDOW * sample_rate:
            settled, rest = cutter.settled(held)
            yield from (_piece(held, span, start, sample_rate) for span in settled)
            held, start = held[rest:].copy(), start + rest
    yield from (_piece(held, span, start, sample_rate) for span in cutter.cuts(held))


def _piece(held: Samples, span: Span, start: int, sample_rate: int) -> Piece:
    first, last = (round(second * sample_rate) for second in span)
    return Piece((start + first) / sample_rate, audio.loudest(held[first:last]), sample_rate)


@dataclass(frozen=True, slots=True)
class _Cutter:
    sample_rate: int  # Hz
    lengths: Lengths
    longest: float  # seconds

    def settled(self, held: Samples) -> tuple[list[Span], int]:
        """The pieces of `held`, (frames, channels), that no later sound can change; the first frame still needed."""
        horizon = len(held) / self.sample_rate - self.longest - self.lengths.pause
        found = self.cuts(held)
        settled = [span for span in found if span[1] <= horizon]
        pending = found[len(settled)][0] if len(found) > len(settled) else horizon
        done = settled[-1][1] if settled else 0.0
        return settled, round(max(done, min(pending, horizon)) * self.sample_rate)

    def cuts(self, held: Samples) -> list[Span]:
        """Where the pieces of `held` start and end: in order, apart from each other."""
        duration = len(held) / self.sample_rate
        if not duration:
            return []
        frames = _frames(held, self.sample_rate)
        found = runs(_speaking(frames, duration))
        speech = [
            (start * HOP, min(duration, (start + count) * HOP + FRAME)) for start, count, speaks in found if speaks
        ]
        return _with_edges(list(self._divided(speech, frames)), duration)

    def _divided(self, speech: Sequence[Span], frames: Frames) -> Iterator[Span]:
        """Stretches of speech joined, or cut, into pieces that leave room for their edges."""
        left, limit = list(speech), self.longest - 2 * EDGE
        while left:
            begin, end = left[0]
            if end - begin > limit:
                cut = _quietest(frames, begin + limit / 2, begin + limit)
                left[0] = (cut, end)
                yield begin, cut
            else:
                count = self._joined(left, limit)
                yield begin, left[count - 1][1]
                del left[:count]

    def _joined(self, speech: Sequence[Span], limit: float) -> int:
        """How many of the stretches of speech make the first piece: at least one."""
        shortest, usual, pause = self.lengths.shortest, self.lengths.usual, self.lengths.pause
        begin = speech[0][0]
        ends = list(takewhile(lambda seconds: seconds <= limit, (end - begin for _, end in speech)))
        pauses = [_pause(speech, place) for place in range(len(ends))]
        for place, (seconds, after) in enumerate(zip(ends, pauses, strict=True)):
            if after >= pause and seconds <= usual:
                return place + 1
        fitting = [place for place, seconds in enumerate(ends) if shortest <= seconds <= usual]
        if fitting:
            return max(fitting, key=pauses.__getitem__) + 1
        return next((place for place, seconds in enumerate(ends) if seconds > usual), len(ends) - 1) + 1


def _frames(held: Samples, sample_rate: int) -> Frames:
    """The power of all channels together."""
    each = (frames_of(Waveform(np.ascontiguousarray(channel), sample_rate)) for channel in held.T)
    return reduce(lambda one, other: Frames(one.power + other.power, one.hertz), each)


def _speaking(frames: Frames, duration: float) -> Mask:
    """(frames,) where there is speech: judged over all of it, and over every few seconds for a word in long silence."""
    speaking = find_voice(frames, duration).speaking.copy()
    size = round(_NEAR / HOP)
    for start in range(0, max(1, len(speaking) - size // 2), size // 2):
        near = Frames(frames.power[start : start + size], frames.hertz)
        speaking[start : start + size] |= find_voice(near, len(near.power) * HOP).speaking
    return speaking


def _pause(speech: Sequence[Span], place: int) -> float:
    """Seconds of silence after a stretch of speech; after the last one, without end."""
    return speech[place + 1][0] - speech[place][1] if place + 1 < len(speech) else float("inf")


def _quietest(frames: Frames, begin: float, end: float) -> float:
    """The second between `begin` and `end` around which there is the least sound."""
    width = round(_QUIET / HOP)
    power = np.convolve(frames.band(LOW, HIGH), np.ones(width) / width, "same")
    first, last = round(begin / HOP), round(end / HOP)
    return (first + int(np.argmin(power[first:last]))) * HOP


def _with_edges(spans: Sequence[Span], duration: float) -> list[Span]:
    """`spans` with EDGE seconds around each, or half of the way to its neighbour where that is nearer."""
    if not spans:
        return []
    inner = [later - sooner for (_, sooner), (later, _) in pairwise(spans)]
    gaps = [2 * spans[0][0], *inner, 2 * (duration - spans[-1][1])]
    edges = [min(EDGE, gap / 2) for gap in gaps]
    return [(begin - edges[place], end + edges[place + 1]) for place, (begin, end) in enumerate(spans)]

"""From words and their times to the text stream that a Kyutai model learns to write in step with the sound.

Every frame of the sound (80 ms) has one text token. Most are PAD; a word's tokens begin `delay` seconds after the word
does, one a frame, and the last PAD before a word is EPAD. Restates moshi-finetune's `Interleaver` (kyutai-labs, MIT)
with `keep_and_shift`, so that no token of a word is lost where words follow one another faster than frames; a test
compares them frame by frame. Where that one masks the frames before the delay is over, here they are PAD, as the model
meets them when it transcribes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studio.errors import DataError

END_OF_PAD = 0  # EPAD: moshi's `end_of_text_padding_id`, the same in every checkpoint


@dataclass(frozen=True, slots=True)
class Layout:
    """How a checkpoint lays its text over the frames of the sound."""

    frame_rate: float  # Hz: 12.5
    delay: float  # seconds from a word's beginning to its first token
    silence_before: float  # seconds of silence that are put before the sound
    pad: int  # the token of a frame in which no word is written

    @property
    def silence_after(self) -> float:
        """Seconds of silence after the sound, in which the last words are written; as the makers have it."""
        return self.delay + 1.0

    @property
    def delay_frames(self) -> int:
        """Frames before which no word can be written."""
        return int(self.frame_rate * self.delay)

    def start(self, frame: int) -> float:
        """When a word begins whose first token is that of `frame`: seconds of the clip, at most a frame early."""
        return round(max(0.0, frame / self.frame_rate - self.delay - self.silence_before), 3)

    def is_text(self, token: int) -> bool:
        """Whether `token` belongs to a word."""
        return token not in (self.pad, END_OF_PAD)


@dataclass(frozen=True, slots=True)
class TimedTokens:
    """One word: its tokens, and when it begins in the clip."""

    ids: Sequence[int]
    start: float  # seconds


def text_stream(words: Sequence[TimedTokens], frames: int, layout: Layout) -> list[int]:
    """The token of each of `frames`, the silence before the clip included.

    Raises DataError where the words, one token a frame, do not end before the frames do.
    """
    stream, free = [layout.pad] * frames, 0
    for word in sorted(words, key=lambda word: word.start):
        first = max(free, int((word.start + layout.silence_before + layout.delay) * layout.frame_rate))
        free = first + len(word.ids)
        if free > frames:
            raise DataError(
                f"The label has more text than its sound: its words need {free:,} frames, and the clip has {frames:,}.",
                "Check the label and its word times, or leave the clip out.",
            )
        if first > layout.delay_frames and stream[first - 1] == layout.pad:
            stream[first - 1] = END_OF_PAD
        stream[first:free] = word.ids
    return stream

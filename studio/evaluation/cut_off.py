"""Cut-offs: how often a program that listens would end the turn before the speaker has said the last word.

What an order line suffers from: a number is read out, the pauses between its digits look like the end, and the caller
is interrupted. Counted on clips whose labels have digits or their names, with the times of their words as the truth.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from statistics import median
from typing import Self

from pydantic import BaseModel, ConfigDict

from studio.audio.gaps import LONGEST, SHORTEST, with_pauses
from studio.data.utterance import Utterance
from studio.evaluation.figures import percent
from studio.evaluation.significance import Change, compare
from studio.models import Clip
from studio.text import DIGIT_NAMES, counted

AFTER = 4.0  # seconds of silence after a clip, in which a turn should end: beyond the longest horizon of a pause head
_FRENCH = ("zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf")
_DIGIT = re.compile(rf"\d|\b({'|'.join((*DIGIT_NAMES, 'oh', *_FRENCH))})\b", re.IGNORECASE)


class Turn(BaseModel):
    """One clip, and where its turn would have ended."""

    model_config = ConfigDict(frozen=True)

    clip: str
    last_word: float  # seconds at which it ends
    ended: float | None  # seconds heard when the turn was ended; None where it was not within the silence after it

    @property
    def is_cut(self) -> bool:
        """Whether the turn ended before the last word did."""
        return self.ended is not None and self.ended < self.last_word


class CutOffs(BaseModel):
    """One model, or one detector, on a set of clips."""

    model_config = ConfigDict(frozen=True)

    turns: list[Turn]

    @property
    def rate(self) -> float:
        """Share of the clips that were cut off, 0..1."""
        return sum(turn.is_cut for turn in self.turns) / len(self.turns)

    @property
    def early(self) -> float | None:
        """Seconds before the end of the last word, the median of the clips that were cut off."""
        return median(found) if (found := [turn.last_word - turn.ended for turn in self._cut(True)]) else None  # type: ignore[operator]

    @property
    def wait(self) -> float | None:
        """Seconds after the end of the last word, the median of the others that were ended at all."""
        return median(found) if (found := [turn.ended - turn.last_word for turn in self._cut(False)]) else None  # type: ignore[operator]

    @property
    def unended(self) -> int:
        """Clips that were not ended within the silence after them."""
        return sum(turn.ended is None for turn in self.turns)

    def _cut(self, is_cut: bool) -> list[Turn]:
        return [turn for turn in self.turns if turn.ended is not None and turn.is_cut == is_cut]

    def change_to(self, after: Self) -> Change:
        """From these to `after` on the same clips: cut-offs per clip, with the paired interval."""
        before = [int(turn.is_cut) for turn in self.turns]
        return compare(before, [int(turn.is_cut) for turn in after.turns], [1] * len(before))

    def as_text(self) -> str:
        """The figures in a few words."""
        parts = [f"{percent(self.rate)} of {counted(len(self.turns), 'clip')} cut off"]
        parts += [f"{self.early:.1f} s early"] if self.early is not None else []
        parts += [f"else ended {self.wait:.1f} s after the last word"] if self.wait is not None else []
        parts += [f"{self.unended} never ended"] if self.unended else []
        return ", ".join(parts)


def has_digits(text: str) -> bool:
    """Whether a number is read out in `text`, written as digits or as their names (English, French)."""
    return bool(_DIGIT.search(text))


def usable(clips: Sequence[Utterance]) -> list[Utterance]:
    """The clips that can be counted: a number in the label, and word times."""
    return [clip for clip in clips if has_digits(clip.text) and clip.words]


def hesitating(clip: Clip, rate: int, seed: int) -> Clip:
    """`clip` with a pause of 0.4 to 1.5 s after every digit that another one follows; the same for the same seed."""
    words = clip.words or ()
    rng = random.Random(f"{seed} {clip.id}")
    digits = [has_digits(word) for word, _ in words]
    pauses = {
        place: rng.uniform(SHORTEST, LONGEST) for place in range(len(words) - 1) if digits[place] and digits[place + 1]
    }
    samples, times = with_pauses(clip.samples, rate, words, pauses)
    return Clip(samples, clip.text, clip.id, times)

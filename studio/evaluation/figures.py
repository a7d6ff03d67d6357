"""Figures as a person reads them: rates, changes, counts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from studio.evaluation.significance import LEAST_CLIPS
from studio.text.metrics import LEAST_COUNTED, Score, Unit

RATES: Mapping[Unit, str] = MappingProxyType({"word": "Word error rate", "character": "Character error rate"})


def percent(rate: float | None) -> str:
    """A rate as a person reads it; a dash where there is none."""
    return "–" if rate is None else f"{100 * rate:.1f} %"


def word_rate(score: Score) -> str:
    """The word error rate; of few words their number, `3 of 12`; a dash where there are none."""
    wrong = score.substitutions + score.deletions + score.insertions
    return percent(score.wer) if score.words >= LEAST_COUNTED else f"{wrong} of {score.words}" if score.words else "–"


def character_rate(score: Score) -> str:
    """The character error rate; a dash where there are too few characters for one."""
    return percent(score.cer) if score.characters >= LEAST_COUNTED else "–"


def leading_rate(score: Score, unit: Unit) -> str:
    """The rate that a verdict goes by: of words, or of characters where the language has no spaces."""
    return character_rate(score) if unit == "character" else word_rate(score)


def sentences_right(score: Score) -> str:
    """The share of clips without an error; of few clips their number."""
    if score.sentence_accuracy is None or score.clips >= LEAST_CLIPS:
        return percent(score.sentence_accuracy)
    return f"{round(score.sentence_accuracy * score.clips)} of {score.clips}"


def points(change: float) -> str:
    """A change of a rate in points, with its sign: `−12.5`."""
    return f"{100 * change:+.1f}".replace("-", "−")


def errors(score: Score) -> str:
    """`12, 3, 0`: words replaced, missing, added."""
    return f"{score.substitutions}, {score.deletions}, {score.insertions}"


def factor(value: float | None) -> str:
    """A real-time factor: seconds to transcribe one second."""
    return "–" if value is None else f"{value:.3f}"

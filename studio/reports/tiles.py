"""The figures at the top: a rate before and after, the one that the verdict goes by first."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict

from studio.evaluation.figures import RATES, character_rate, percent, sentences_right, word_rate
from studio.reports.result import RunResult
from studio.text.metrics import Score


class Tile(BaseModel):
    """One figure, before and after, as a person reads it."""

    model_config = ConfigDict(frozen=True)

    name: str
    before: str
    after: str
    is_better: bool


def tiles(result: RunResult) -> list[Tile]:
    """The figures of `result`; a rate of too few digits is left out."""
    before, after = result.before.score, result.after.score

    def tile(name: str, write: Callable[[Score], str], *, is_better: bool) -> Tile:
        return Tile(name=name, before=write(before), after=write(after), is_better=is_better)

    found = [
        tile(RATES["word"], word_rate, is_better=after.wer < before.wer),
        tile(RATES["character"], character_rate, is_better=after.cer < before.cer),
    ]
    found = found[::-1] if result.unit == "character" else found
    right = [score.sentence_accuracy or 0.0 for score in (before, after)]
    found.append(tile("Whole sentences right", sentences_right, is_better=right[1] > right[0]))
    if before.digit_error is not None and after.digit_error is not None:
        is_better = after.digit_error < before.digit_error
        found.append(tile("Errors per digit spoken", lambda score: percent(score.digit_error), is_better=is_better))
    if general := result.general:
        figures = {"before": percent(general.before), "after": percent(general.after)}
        found.append(Tile(name="Word error rate, other voices", **figures, is_better=general.after < general.before))
    return found

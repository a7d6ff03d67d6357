"""Is the tuned model better on the held-out clips? One judgement, which every page, report and verb repeats.

Direction and size are two answers, both of `studio.evaluation.significance`: whether it is better, and by how much.
Two more: what changed, since writing numbers differently recognises no more words; and whether it is good
enough to use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from studio.evaluation.evaluate import Evaluation
from studio.evaluation.significance import LEAST_CLIPS, Change, Verdict, compare
from studio.evaluation.what_changed import Pairs, WhatChanged, listed, what_changed
from studio.runs.events import Evaluated
from studio.text import counted, lacks_spaces
from studio.text.metrics import Score, Unit, errors, score

State = Literal["good", "look", "bad"]
Outcome = Literal["better", "worse", "same"]

# Transcripts with more wrong words are of little use to a person who works with them (Munteanu et al. 2006, "The effect
# of speech recognition accuracy rates on the usefulness and usability of webcast archives").
USEFUL_RATE = 0.25
USEFUL_SENTENCES = 0.5  # or half of the sentences are right as they are
_CERTAIN = 0.001  # a smaller chance is not worth its digits


class Judgement(BaseModel):
    """What the held-out clips say about a tuned model."""

    model_config = ConfigDict(frozen=True)

    direction: Verdict | Literal["nothing to count", "not comparable"]
    change: Change | None  # None where there is nothing to count or to compare
    what: WhatChanged | None
    is_useful: bool  # whether the tuned model is good enough to work with
    normaliser: str
    noun: str = "clip"  # what was held out

    @property
    def headline(self) -> str:
        """The direction in a few words."""
        words = {
            "better": "Better: sure",
            "worse": "Worse: sure",
            "no difference shown": "No difference shown",
            "too few clips": f"Too few {self.noun}s to say",
            "nothing to count": "Nothing to count errors in",
            "not comparable": "Before and after cannot be compared",
        }
        if self.direction == "better" and not self.is_useful:
            return f"{words['better']}, but it still gets most sentences wrong"
        if self.direction == "better" and self.only_writing:
            but = ", but it recognises fewer words" if self.hears_worse else ""
            return f"{words['better']}, in {listed(self.only_writing)}{but}"
        return words[self.direction]

    @property
    def state(self) -> State:
        """What the headline means for a person: good, to be looked at, or bad."""
        if self.direction == "better":
            return "good" if self.is_useful and not self.hears_worse else "look"
        return "bad" if self.direction == "worse" else "look"

    @property
    def hears_worse(self) -> bool:
        """Whether more words are wrong than before, however they are written."""
        return self.what is not None and self.what.heard.verdict == "worse"

    @property
    def only_writing(self) -> list[str]:
        """What got better, where the words it recognises did not: it only writes differently."""
        if self.what is None or self.what.heard.verdict == "better":
            return []
        return [name for name, found in self._written if found.verdict == "better"]

    @property
    def _written(self) -> Sequence[tuple[str, Change]]:
        """What its normaliser counts of how texts are written."""
        if self.what is None:
            return ()
        numbers, writing = ("how numbers are written", self.what.numbers), ("case and punctuation", self.what.writing)
        return (numbers, writing) if self.normaliser == "exact" else (numbers,)

    @property
    def size(self) -> str:
        """By how much: `between 71.2 and 84.0 fewer wrong words in 100`."""
        return _interval(self.change) if self.change else ""

    @property
    def detail(self) -> str:
        """The size, how sure the direction is, and what changed, in sentences."""
        return " ".join(part for part in (self.how_much, self.how_sure, self.changed) if part)

    @property
    def how_much(self) -> str:
        """The size in a sentence; where there is none, why."""
        found = self.change
        if found is None:
            return self._why_not
        size = f"{abs(100 * found.change):.1f}"
        measured = f"measured: {size} {'fewer' if found.change < 0 else 'more'}"
        measured = "measured: as many" if size == "0.0" else measured
        if found.verdict in ("better", "worse"):
            return f"By how much: {self.size} ({measured})."
        if found.verdict == "too few clips":
            held = f"only {counted(found.clips, f'{self.noun} was', f'{self.noun}s were')} held out"
            rates = f"Wrong {found.unit}s in 100, {measured}."
            return f"It takes {LEAST_CLIPS}, and {held}: one odd {self.noun} would decide. {rates}"
        return f"The true change is probably between {_ends(found)} wrong {found.unit}s in 100 ({measured})."

    @property
    def how_sure(self) -> str:
        """The chance of such a difference between equals, in a sentence."""
        found = self.change
        if found is None or found.verdict == "too few clips" or found.chance == 1:
            return ""
        chance = f"{100 * found.chance:.1f} %" if found.chance >= _CERTAIN else "less than 0.1 %"
        return (
            f"If tuning had changed nothing, a difference as large as this would come up by luck in {chance} of tests "
            f"(paired permutation test, {counted(found.clips, self.noun)})."
        )

    @property
    def changed(self) -> str:
        """What changed, in a sentence; nothing where the clips are too few to say, or nothing is sure."""
        if self.what is None or self.change is None or self.change.verdict == "too few clips":
            return ""
        rates = [(name, found) for name, found in self._written if found.verdict in ("better", "worse")]
        heard = self.what.heard
        how = {"better": "fewer are wrong", "worse": "more are wrong"}.get(heard.verdict, "no difference shown")
        parts = [f"{name} ({_rates(found)} of {found.unit}s wrong by that alone)" for name, found in rates]
        said = f"The {heard.unit}s it recognises: {how} ({_rates(heard)})."
        return f"What changed: {listed(parts)}. {said}" if parts else said

    @property
    def sentence(self) -> str:
        """All of it, for a terminal or a report."""
        return f"{self.headline}. {self.detail}".strip()

    @property
    def _why_not(self) -> str:
        if self.direction == "nothing to count":
            return f"The normaliser “{self.normaliser}” leaves no word of the held-out labels. Choose another one."
        return f"They were scored on other {self.noun}s, other labels, or by another normaliser. Score both again."


def judge(before: Evaluation, after: Evaluation) -> Judgement:
    """The judgement on `after` against `before`."""
    pairs = paired(before, after)
    if pairs is None:
        return _without_change("not comparable", after)
    is_speech = (
        after.kind == "speech"
    )  # whether words are recognised or only written otherwise is no question of typing
    unit, found = unit_of(after), _change(pairs, after.score.normaliser, unit_of(after))
    if found is None:
        return _without_change("nothing to count", after)
    return Judgement(
        direction=found.verdict,
        change=found,
        what=what_changed(pairs, unit) if is_speech and after.score.normaliser in ("exact", "plain") else None,
        is_useful=is_useful(after.score, unit),
        normaliser=after.score.normaliser,
        noun=after.noun,
    )


def change(before: Evaluation, after: Evaluation) -> Change | None:
    """How the error rate changed on the clips that both transcribed; None where they share none with a word."""
    pairs = paired(before, after)
    return _change(pairs, after.score.normaliser, unit_of(after)) if pairs else None


def outcome(before: int, after: int) -> Outcome:
    """What became of one clip, by its errors: the headline, the chart and the table all go by this."""
    return "better" if after < before else "worse" if after > before else "same"


def is_useful(score: Score, unit: Unit) -> bool:
    """Whether a model with this score is good enough to work with."""
    return rate(score, unit) <= USEFUL_RATE or (score.sentence_accuracy or 0.0) >= USEFUL_SENTENCES


def rate(score: Score | Evaluated, unit: Unit) -> float:
    """The error rate that a run goes by: of words, or of characters where the language has no spaces."""
    return score.cer if unit == "character" else score.wer


def by_generals(evaluation: Evaluation) -> Evaluation:
    """One of a general set, by the normaliser that such a set is counted by; in earlier versions it was not named."""
    return evaluation.by("whisper" if evaluation.score.normaliser == "whisper" else "spoken")


def drift(before: Evaluation, after: Evaluation) -> float:
    """Errors of `after` by word, if what `before` wrote were right, however numbers are written: no measure of harm."""
    texts = {row.id: row.hypothesis for row in before.rows}
    both = [(texts[row.id], row.hypothesis) for row in after.rows if row.id in texts]
    return score([was for was, _ in both], [now for _, now in both], "spoken").wer


def unit_of(evaluation: Evaluation) -> Unit:
    """What its errors are counted in: characters where the language has no spaces."""
    return "character" if lacks_spaces(row.reference for row in evaluation.rows) else "word"


def paired(before: Evaluation, after: Evaluation) -> Pairs | None:
    """The clips that both transcribed; None where the two cannot be compared."""
    if before.score.normaliser != after.score.normaliser or before.test_set_hash != after.test_set_hash:
        return None
    earlier = {row.id: row for row in before.rows}
    return [(earlier[row.id], row) for row in after.rows if row.id in earlier]


def _change(pairs: Pairs, normaliser: str, unit: Unit) -> Change | None:
    was = [errors(row.reference, row.hypothesis, normaliser, unit) for row, _ in pairs]
    now = [errors(row.reference, row.hypothesis, normaliser, unit) for _, row in pairs]
    words = [size for _, size in was]
    return compare([wrong for wrong, _ in was], [wrong for wrong, _ in now], words, unit) if sum(words) else None


def _without_change(direction: Literal["nothing to count", "not comparable"], after: Evaluation) -> Judgement:
    return Judgement(
        direction=direction, change=None, what=None, is_useful=False, normaliser=after.score.normaliser, noun=after.noun
    )


def _interval(found: Change) -> str:
    return f"between {_ends(found)} wrong {found.unit}s in 100"


def _ends(found: Change) -> str:
    """`71.2 and 84.0 fewer`, the nearer end first; `3.1 fewer and 2.0 more`."""
    low, high = 100 * found.low, 100 * found.high
    if low < 0 < high:
        return f"{-low:.1f} fewer and {high:.1f} more"
    nearer, farther = sorted((abs(low), abs(high)))
    return f"{nearer:.1f} and {farther:.1f} {'fewer' if high <= 0 else 'more'}"


def _rates(found: Change) -> str:
    return f"{100 * found.before:.1f} % → {100 * found.after:.1f} %"

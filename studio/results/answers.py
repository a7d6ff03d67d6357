"""The four questions that a person has after training, each with its answer: better? sure? worse at what? what next?"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from studio.config import NOTHING
from studio.results.learning_curve import outlook
from studio.results.result import RunResult, worse_clips
from studio.results.words import count, errors, factor, percent, points

State = Literal["good", "look", "bad", ""]

FEW_CLIPS = 20  # below it an interval is wide, and one odd clip moves everything
NAMED = 6  # words in a sentence


class Answer(BaseModel):
    """One question, answered in a few words and in a sentence or two."""

    model_config = ConfigDict(frozen=True)

    question: str
    answer: str
    detail: str
    state: State


def answers(result: RunResult) -> list[Answer]:
    """The four answers about `result`, in the order in which they are asked."""
    asked: list[tuple[str, Callable[[RunResult], tuple[str, str, State]]]] = [
        ("Is it better?", _better),
        ("How sure is that?", _sure),
        ("What did it get worse at?", _worse),
        ("What next?", _next),
    ]
    return [_answer(question, *tell(result)) for question, tell in asked]


def _answer(question: str, answer: str, detail: str, state: State) -> Answer:
    return Answer(question=question, answer=answer, detail=detail, state=state)


def _better(result: RunResult) -> tuple[str, str, State]:
    before, after = result.before.score, result.after.score
    figures = f"Word error rate {percent(before.wer)} → {percent(after.wer)} (normaliser: {result.normaliser})."
    if before.sentence_accuracy is not None and after.sentence_accuracy is not None:
        figures += f" Whole sentences right: {percent(before.sentence_accuracy)} → {percent(after.sentence_accuracy)}."
    if result.change is None:
        return "Cannot be told", "Before and after were not scored on the same words. Train again.", "look"
    said: dict[str, tuple[str, State]] = {
        "better": ("Yes", "good"),
        "no difference shown": ("No difference shown", "look"),
        "worse": ("No, it is worse", "bad"),
    }
    answer, state = said[result.change.verdict]
    return answer, figures, state


def _sure(result: RunResult) -> tuple[str, str, State]:
    if result.change is None:
        return "Not at all", "There is no common ground to compare on.", "look"
    low, high = (points(bound) for bound in (result.change.low, result.change.high))
    amount = f"on {count(result.clips, 'held-out clip')} with {count(result.change.words, 'word')}"
    detail = f"In 95 of 100 such test sets the change lies between {low} and {high} points, {amount}."
    if result.clips < FEW_CLIPS:
        return "Not very", f"{detail} {FEW_CLIPS} clips or more would say it better.", "look"
    if result.change.verdict == "no difference shown":
        return "It may be chance", f"{detail} The interval holds 0.", "look"
    return "Beyond chance", f"{detail} The interval does not hold 0.", "good"


def _worse(result: RunResult) -> tuple[str, str, State]:
    worse, general = worse_clips(result.mistakes.clips), result.general
    parts, heads = [], []
    if general is None:
        parts.append("Forgetting was not measured: there was no general set (--replay names one).")
    else:
        figures = f"{percent(general.before)} → {percent(general.after)} on {count(general.clips, 'clip')}"
        if general.change:
            figures += f" ({points(general.change.low)} to {points(general.change.high)} points)"
        forgot = general.change is not None and general.change.verdict == "worse"
        heads += ["other voices"] if forgot else []
        parts.append(f"Other voices: {figures}, {'worse beyond chance' if forgot else 'no loss beyond chance'}.")
    if worse:
        heads += [f"{len(worse)} of {count(result.clips, 'clip')}"]
        parts.append(
            f"{count(len(worse), 'held-out clip')} of {result.clips} got worse, such as “{worse[0].reference}”."
        )
    if result.after.alarms:
        heads += ["it misbehaves" if _has_new_alarms(result) else "alarms as before"]
    parts.append(result.alarm)
    is_bad = _has_new_alarms(result) or "other voices" in heads
    state: State = "bad" if is_bad else "look" if heads or general is None else "good"
    said = ", ".join(heads) or "nothing that was measured"
    return said[0].upper() + said[1:], " ".join(parts), state


def _next(result: RunResult) -> tuple[str, str, State]:
    answer, detail, state = _advice(result)
    return answer, f"{detail} {outlook(result.learning)}".strip() if result.learning else detail, state


def _advice(result: RunResult) -> tuple[str, str, State]:
    """The one most useful thing to do; what is broken comes before what could be better."""
    words = result.missed
    if result.general and result.general.change and result.general.change.verdict == "worse":
        return "Train more gently", _gently(result), "bad"
    if _has_new_alarms(result):
        return "Train more gently", _gently(result), "bad"
    if result.change is None or (result.change.verdict == "no difference shown" and result.before.score.wer > 0):
        return "Record more", f"More clips to learn from, and to measure with. {_record(result, words)}", "look"
    if result.change.verdict == "worse":
        suspects = (
            f"studio label {_dataset(result)} --suspects {shlex.quote(result.model)} finds labels that are wrong."
        )
        return "Check the labels", f"{suspects} Then train with a lower learning rate.", "bad"
    if words:
        return "Use it, and record these", _record(result, words), "good"
    heard = (
        "What is still wrong is how it writes, not what it hears." if result.after.score.wer else "No word is wrong."
    )
    return "Use it", f"{heard} Speak to it in the Test tab, or take it with you: studio merge {result.run}", "good"


def _gently(result: RunResult) -> str:
    replay = "Replay other voices (--replay), " if result.config.get("replay") == NOTHING else "Replay more, "
    return f"{replay}take fewer steps than {result.config.get('max_steps')}, or halve the learning rate."


def _record(result: RunResult, words: list[str]) -> str:
    if not words:
        return f"studio prompts {_dataset(result)} chooses sentences."
    named = ", ".join(words[:NAMED]) + (f" and {len(words) - NAMED} more" if len(words) > NAMED else "")
    return f"Missed: {named}. studio prompts {_dataset(result)} chooses sentences with them."


def _dataset(result: RunResult) -> str:
    return shlex.quote(result.dataset)


def _has_new_alarms(result: RunResult) -> bool:
    """Whether tuning brought alarms that the base model did not raise."""
    before = {(alarm.kind, alarm.where) for alarm in result.before.alarms or []}
    return any((alarm.kind, alarm.where) not in before for alarm in result.after.alarms or [])


def as_text(result: RunResult) -> str:
    """The answers, and the figures beneath them, for a terminal."""
    lines = [f"{result.run}: {result.model}, tuned on {result.dataset}", ""]
    for answer in answers(result):
        lines += [f"{answer.question} {answer.answer}.", f"    {answer.detail}"]
    before, after = result.before, result.after
    rows = [
        (f"WER, {result.normaliser}", percent(before.score.wer), percent(after.score.wer)),
        (f"CER, {result.normaliser}", percent(before.score.cer), percent(after.score.cer)),
        ("Sentences right", percent(before.score.sentence_accuracy), percent(after.score.sentence_accuracy)),
        ("Replaced, missing, added", errors(before.score), errors(after.score)),
        ("Errors per digit", percent(before.score.digit_error), percent(after.score.digit_error)),
        ("Seconds to read one", factor(before.speed.real_time_factor), factor(after.speed.real_time_factor)),
    ]
    table = [f"  {name:<26}{one:>12}  → {other:>12}" for name, one, other in rows]
    return "\n".join([*lines, "", *table, "", f"Test set {result.test_set_hash}. Again: {result.report_command}"])

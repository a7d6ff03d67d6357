"""The four questions that a person has after training, each with its answer: better? how much? worse at what? next?"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from studio.config import NOTHING
from studio.evaluation import typing_figures
from studio.evaluation.figures import RATES, errors, factor, leading_rate, percent, points, sentences_right
from studio.evaluation.significance import LEAST_CLIPS
from studio.reports.learning_curve import outlook
from studio.reports.result import GeneralResult, RunResult, worse_clips
from studio.reports.tiles import tiles
from studio.text import counted

State = Literal["good", "look", "bad", ""]

_HELD_OUT = "Record more, or move clips to the test split in the Review tab; then train again."
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
        ("By how much?", _size),
        ("What did it get worse at?", _worse),
        ("What next?", _next),
    ]
    return [_answer(question, *tell(result)) for question, tell in asked]


def _answer(question: str, answer: str, detail: str, state: State) -> Answer:
    return Answer(question=question, answer=answer, detail=detail, state=state)


def _better(result: RunResult) -> tuple[str, str, State]:
    found = result.verdict
    if found.change is None:
        return found.headline, found.how_much, found.state
    return found.headline, f"{figures(result)} {found.changed}".strip(), found.state


def figures(result: RunResult) -> str:
    """The rates that the verdict rests on, in a sentence or two; the leading one first."""
    before, after = result.before.score, result.after.score
    was, now = (leading_rate(score, result.unit) for score in (before, after))
    rate = f"{RATES[result.unit]} {was} → {now} (normaliser: {result.normaliser})."
    return f"{rate} Whole sentences right: {sentences_right(before)} → {sentences_right(after)}."


def _size(result: RunResult) -> tuple[str, str, State]:
    found = result.verdict
    if found.change is None:
        return "Not known", found.how_much, "look"
    if found.direction == "too few clips":
        return "Not known", found.how_much, "look"
    held = counted(found.change.clips, f"held-out {result.noun}")
    amount = f"Measured on {held} with {counted(found.change.words, result.unit)}:"
    change = f"{points(found.change.change)} points."
    is_sure = found.direction in ("better", "worse")
    return (
        found.size[0].upper() + found.size[1:],
        f"{amount} {change} {found.how_sure}".strip(),
        "good" if is_sure else "look",
    )


def _worse(result: RunResult) -> tuple[str, str, State]:
    worse, general = worse_clips(result.mistakes.clips), result.general
    parts, heads = [], []
    forgot = general is not None and general.change is not None and general.change.verdict == "worse"
    heads += ["other voices"] if forgot else []
    parts += [_forgetting(general, forgot)] if result.kind == "speech" else [_touched(result)]
    if worse:
        heads += [f"{len(worse)} of {counted(result.clips, result.noun)}"]
        held = counted(len(worse), f"held-out {result.noun}")
        parts.append(f"{held} of {result.clips} got worse, such as “{worse[0].reference}”.")
    alarm, is_alarming = _alarms(result)
    heads += [alarm] if alarm else []
    parts.append(result.alarm)
    state: State = (
        "bad" if is_alarming or forgot else "look" if heads or (general is None and result.kind == "speech") else "good"
    )
    said = ", ".join(heads) or "nothing that was measured"
    return said[0].upper() + said[1:], " ".join(parts), state


def _forgetting(general: GeneralResult | None, forgot: bool) -> str:
    if general is None:
        return "Forgetting was not measured: this run had no clips of other voices."
    figures = f"{percent(general.before)} → {percent(general.after)} on {counted(general.clips, 'clip')}"
    if general.change:
        figures += f" ({points(general.change.low)} to {points(general.change.high)} points)"
    errors = f"Other voices: {figures}, {'worse: sure' if forgot else 'no loss shown'}."
    return f"{errors} Drift: {percent(general.drift)} of their words are not what the base model wrote."


def _touched(result: RunResult) -> str:
    """What became of text that was typed without a typo."""
    before, after = result.before.typing, result.after.typing
    if before is None or after is None or not after.clean:
        return "No held-out pair was typed without a typo: it is not known how often it changes what is right."
    shares = f"{percent(before.over_correction)} → {percent(after.over_correction)}"
    return f"Changed of what was typed right: {shares} of {counted(after.clean, 'pair')}."


def _alarms(result: RunResult) -> tuple[str, bool]:
    """The alarms in a few words, and whether they are red: worse than before, or a text without an end."""
    if worse := result.worse_alarms:
        return "it repeats itself" if any(alarm.is_endless for alarm in worse) else "it makes words up", True
    if any(alarm.is_endless for alarm in result.after.alarms or []):
        return "it repeats itself, as before tuning", True
    return ("alarms no worse than before" if result.after.alarms else ""), False


def _next(result: RunResult) -> tuple[str, str, State]:
    answer, detail, state = _advice(result)
    return answer, f"{detail} {outlook(result.learning)}".strip() if result.learning else detail, state


def _advice(result: RunResult) -> tuple[str, str, State]:
    """The one most useful thing to do; what is broken comes before what could be better."""
    words, found = result.missed, result.verdict
    if result.general and result.general.change and result.general.change.verdict == "worse":
        return "Train more gently", _gently(result), "bad"
    if result.worse_alarms:
        return "Train more gently", _gently(result), "bad"
    if found.change is None:
        is_empty = found.direction == "nothing to count"
        return "Compare texts otherwise" if is_empty else "Score it again", found.how_much, "look"
    if found.direction == "too few clips":
        more = LEAST_CLIPS - found.change.clips
        return f"Hold out {counted(more, f'more {result.noun}')}", f"{_HELD_OUT} {_record(result, words)}", "look"
    if found.direction == "worse" and result.kind == "typing":
        return "Check the pairs", f"studio check {_dataset(result)} finds odd ones. Then train more gently.", "bad"
    if found.direction == "worse":
        suspects = (
            f"studio label {_dataset(result)} --suspects {shlex.quote(result.model)} finds labels that are wrong."
        )
        return "Check the labels", f"{suspects} Then train with a lower learning rate.", "bad"
    if not found.is_useful or (found.direction == "no difference shown" and result.before.score.wer > 0):
        return (
            "Record more",
            f"More {result.noun}s to learn from, and to measure with. {_record(result, words)}",
            "look",
        )
    if words and result.kind == "speech":
        return "Use it, and record these", _record(result, words), "good"
    heard = _still_wrong(result)
    return "Use it", f"{heard} Try it in the Test tab, or export it: studio merge {result.run}".strip(), "good"


def _still_wrong(result: RunResult) -> str:
    if not result.after.score.wer:
        return "No word is wrong."
    return "What is still wrong is the writing, not the recognition." if result.kind == "speech" else ""


def _gently(result: RunResult) -> str:
    if result.kind == "typing":
        return f"Take fewer steps than {result.config.get('max_steps')}, or halve the learning rate."
    replay = "Replay other voices, " if result.config.get("replay") == NOTHING else "Replay more, "
    return f"{replay}take fewer steps than {result.config.get('max_steps')}, or halve the learning rate."


def _record(result: RunResult, words: list[str]) -> str:
    if result.kind == "typing":
        return "Type more sentences in the Record tab."
    if not words:
        return f"Sentences to read: “For me” in the Record tab, or studio prompts {_dataset(result)}."
    named = ", ".join(f"“{word}”" for word in words[:NAMED]) + (
        f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    )
    return f"Missed: {named}. Sentences with them: “For me” in the Record tab, or studio prompts {_dataset(result)}."


def _dataset(result: RunResult) -> str:
    return shlex.quote(result.dataset)


def as_text(result: RunResult) -> str:
    """The answers, and the figures beneath them, for a terminal."""
    lines = [f"{result.run}: {result.model}, tuned on {result.dataset}", ""]
    for answer in answers(result):
        lines += [f"{answer.question} {answer.answer}.", f"    {answer.detail}"]
    before, after = result.before, result.after
    rows = [
        *((tile.name, tile.before, tile.after) for tile in tiles(result)),
        ("Replaced, missing, added", errors(before.score), errors(after.score)),
        *typing_figures.figures(before.typing, after.typing),
        *_speed(result),
    ]
    table = [f"  {name:<30}{one:>12}  → {other:>12}" for name, one, other in rows]
    return "\n".join([*lines, "", *table, "", f"Test set {result.test_set_hash}. Again: {result.report_command}"])


def _speed(result: RunResult) -> list[tuple[str, str, str]]:
    before, after = result.before.speed, result.after.speed
    if result.kind == "typing":
        return [("Milliseconds a pair", f"{1000 * before.latency:.0f}", f"{1000 * after.latency:.0f}")]
    return [("Seconds to transcribe one", factor(before.real_time_factor), factor(after.real_time_factor))]

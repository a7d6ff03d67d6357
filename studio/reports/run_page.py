"""One run's result as a self-contained page: the four answers first, then everything that they rest on."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from studio.config import TrainConfig
from studio.evaluation import typing_figures
from studio.evaluation.error_analysis import AlignedHypothesis, ClipResult
from studio.evaluation.figures import RATES, errors, factor, leading_rate, percent, word_rate
from studio.reports import charts
from studio.reports.answers import Answer, answers
from studio.reports.charts import Line, Mark
from studio.reports.learning_curve import LearningCurve, described, outlook
from studio.reports.markup import Html, joined, page, table, tag
from studio.reports.result import RunResult, chosen_by
from studio.reports.tiles import Tile, tiles
from studio.text import COMPARED, counted
from studio.text.metrics import Edit, Score

MOST_CLIPS = 500  # in the table; JSON has all of them
MOST_WORDS, MOST_CONFUSIONS = 40, 25
NOTHING = "(nothing)"
CAVEAT = (
    "Held-out word error rate, with 95 % intervals. The same settings each time, nested shares of the clips. The "
    "forecast is a power law; a curve that flattens gains less."
)


def as_html(result: RunResult) -> str:
    """`result` as one HTML file that asks nothing of anybody."""
    blocks = (_clips, _words, _groups, _outlook, _speed, _validation, _samples, _facts, _again)
    return page(f"{result.run}: before and after", *_first_screen(result), *(block(result) for block in blocks))


def answer_cards(found: Sequence[Answer]) -> Html:
    """The four answers, two by two."""
    cards = [
        tag("section", tag("h2", one.question), tag("b", one.answer), tag("p", one.detail), class_=one.state or None)
        for one in found
    ]
    return tag("div", *cards, class_="answers")


def _first_screen(result: RunResult) -> Iterator[Html]:
    was, now = (leading_rate(side.score, result.unit) for side in (result.before, result.after))
    yield tag("h1", f"{result.run}: {RATES[result.unit].lower()} {was} → {now}")
    about = (
        f"{result.model}, tuned on {counted(result.train_clips, 'clip')} ({result.train_seconds / 60:.1f} min) of "
        f"“{result.dataset}”, measured on {counted(result.clips, 'held-out clip')} ({result.seconds / 60:.1f} min) it "
        f"never trained on; the texts compared {COMPARED[result.normaliser]} (normaliser: {result.normaliser})."
    )
    yield tag("p", about, class_="quiet about")
    yield answer_cards(answers(result))
    yield tag("dl", *(_tile(one) for one in tiles(result)), class_="tiles")


def _tile(figure: Tile) -> Html:
    return tag("div", tag("dt", figure.name), tag("dd", tag("i", f"{figure.before} → "), figure.after))


def _clips(result: RunResult) -> Html:
    clips = result.mistakes.clips
    known = [clip for clip in clips if clip.before]
    became = Counter(clip.outcome for clip in known)
    said = f"{counted(became['better'], 'clip')} got better, {became['worse']} got worse, {became['same']} stayed."
    worst = sorted(clips, key=lambda clip: (-clip.after.errors, -(clip.before.errors if clip.before else 0), clip.id))
    head = ["Reference", "Before", "After", "Errors"]
    rows = [_clip(clip) for clip in worst[:MOST_CLIPS]]
    caption = f"Every clip, the most errors first: {len(rows)} of {len(clips)}"
    drawn = [(*clip.accuracies, clip.outcome) for clip in known]
    scatter = charts.scatter(drawn, f"Accuracy of each clip, before against after. {said}")
    legend = f"A triangle up got better, a triangle down worse, a dot stayed. {said}"
    figure = tag("figure", scatter, tag("figcaption", legend))
    return joined(
        tag("h2", "Where it is wrong"),
        tag("div", figure, _confusions(result), class_="pair"),
        tag("h3", "Clips"),
        table(head, rows, caption, figures=1),
    )


def _clip(clip: ClipResult) -> list[str]:
    before = _marked(clip.before) if clip.before else Html("–")
    figures = f"{clip.before.errors} → {clip.after.errors}" if clip.before else f"{clip.after.errors}"
    return [clip.reference, before, _marked(clip.after), figures]


def _marked(reading: AlignedHypothesis) -> Html:
    parts: list[str] = []
    for edit in reading.edits:
        parts += [" ", *_edit(edit)]
    return joined(*parts[1:]) or tag("i", NOTHING)


def _edit(edit: Edit) -> list[str]:
    if edit.kind == "equal":
        return [edit.hypothesis]
    if edit.kind == "spelling":
        return [tag("u", edit.hypothesis, title=f"different spelling of “{edit.reference}”")]
    if edit.kind == "delete":
        return [tag("del", missing(edit.reference), title=f"missing: “{edit.reference}”")]
    if edit.kind == "insert":
        return [tag("ins", edit.hypothesis, title="not said")]
    return [tag("mark", edit.hypothesis, title=f"for “{edit.reference}”")]


def missing(words: str) -> str:
    """`2 missing`: words that were said and not written are counted, since they are no part of what was written."""
    return f"{len(words.split())} missing"


def _confusions(result: RunResult) -> Html:
    rows = [
        [
            f"{row.said or NOTHING} → {row.written or NOTHING}" + (" (different spelling)" if row.is_spelling else ""),
            "–" if row.before is None else f"{row.before}",
            f"{row.after}",
        ]
        for row in result.mistakes.confusions[:MOST_CONFUSIONS]
    ]
    if not rows:
        return tag("p", "The tuned model confuses no words with others.")
    return table(["Said → written", "Before", "After"], rows, "Confusions, with counts", figures=2)


def _words(result: RunResult) -> Html:
    wrong = [word for word in result.mistakes.words if word.right_after < word.said]
    if not wrong:
        return Html("")
    rows = [
        [
            word.word,
            f"{word.said}",
            "–" if word.right_before is None else f"{word.right_before}",
            f"{word.right_after}",
        ]
        for word in wrong[:MOST_WORDS]
    ]
    head = ["Word", "Said", "Right before", "Right after"]
    return joined(
        tag("h3", "Words"), table(head, rows, f"The words most often wrong: {len(rows)} of {len(wrong)}", figures=3)
    )


def _groups(result: RunResult) -> Html:
    parts = []
    for by, groups in groupby(result.mistakes.groups, key=lambda group: group.by):
        rows = [
            [group.name, f"{group.clips}", f"{group.words}", percent(group.before), percent(group.after)]
            for group in groups
        ]
        parts.append(
            table([by, "Clips", "Words", "WER before", "WER after"], rows, f"Errors by {by.lower()}", figures=4)
        )
    return joined(tag("h3", "Conditions"), *parts) if parts else Html("")


def _outlook(result: RunResult) -> Html:
    """Whether more clips would help, and whether the model knows when it is wrong."""
    return tag("div", tag("section", *_learning(result)), tag("section", *_confidence_bins(result)), class_="pair")


def _confidence_bins(result: RunResult) -> Iterator[Html]:
    yield tag("h2", "Does it know when it is wrong?")
    found = result.mistakes.sureties
    if not found:
        yield tag("p", "The model's confidence in each word was not recorded.")
        return
    rows = [[one.name, f"{one.words}", percent(one.mean), percent(one.share)] for one in found]
    caption = "Words that the tuned model wrote, by how sure it was of them, and how many of them are right"
    yield table(["Sure", "Words", "On average", "Right"], rows, caption, figures=3)


def _learning(result: RunResult) -> Iterator[Html]:
    curve = result.learning
    yield tag("h2", "Would more clips help?")
    if curve is None or curve.missing:
        yield tag(
            "p", "Not known yet. This trains on a quarter and on half of the clips, and says what more would bring:"
        )
        yield tag("pre", tag("code", f"studio curve {shlex.quote(result.run)}"))
        return
    marks = [Mark(point.clips, point.wer, point.low, point.high) for point in curve.points]
    drawing = charts.growth(marks, ahead(curve), f"{RATES[curve.unit]} by training clips. {described(curve)}")
    yield tag("figure", tag("p", outlook(curve)), drawing, tag("figcaption", CAVEAT))


def ahead(curve: LearningCurve) -> Mark | None:
    """Where the forecast is, if there is one."""
    last, found = curve.points[-1], curve.forecast
    if found is None or found.doubt:
        return None
    rate, low, high = (max(0.0, last.wer + change) for change in (found.change, found.low, found.high))
    return Mark(last.clips + found.more, rate, low, high)


def _speed(result: RunResult) -> Html:
    before, after = result.before, result.after
    factors = [factor(side.speed.real_time_factor) for side in (before, after)]
    rows = [
        *([*row] for row in typing_figures.figures(before.typing, after.typing)),
        *([["Seconds to transcribe one second", *factors]] if result.kind == "speech" else []),
        [f"Latency of a {result.noun}, median", f"{before.speed.latency:.3f} s", f"{after.speed.latency:.3f} s"],
        ["Words replaced, missing, added", errors(before.score), errors(after.score)],
        [f"of {counted(after.score.words, 'word')}, WER", _wrong(before.score), _wrong(after.score)],
        [f"WER as spoken (normaliser: {after.spoken.normaliser})", word_rate(before.spoken), word_rate(after.spoken)],
    ]
    if result.general:
        general = result.general
        rows.append(["General set, other voices: WER", percent(general.before), percent(general.after)])
        rows.append(["Drift, other voices: words that the base model did not write", "", percent(general.drift)])
    for place, probe in enumerate(after.probes):
        was = before.probes[place].text if place < len(before.probes) else ""
        rows.append([f"Written for {probe.seconds:g} s of {probe.sound}", was or "nothing", probe.text or "nothing"])
    return joined(tag("h2", "Figures"), table(["", "Before", "After"], rows, f"On {result.device}", figures=2))


def _wrong(score: Score) -> str:
    return f"{score.substitutions + score.deletions + score.insertions} ({word_rate(score)})"


def _validation(result: RunResult) -> Html:
    if not result.curve:
        return Html("")
    rates = wer_lines(result)
    losses = [Line("validation loss", [(point.step, point.loss) for point in result.curve if point.loss is not None])]
    kept = next((point.step for point in result.curve if point.kept), None)
    name = RATES[result.unit]
    said = f"{name}. Step {kept} was kept." if kept is not None else f"{name}."
    percents = charts.curves(rates, f"Validation {name.lower()} over steps", lambda value: f"{100 * value:.0f} %")
    nats = charts.curves(losses, "Validation loss over steps, nats per token", lambda value: f"{value:.2g}")
    figures = [
        tag("figure", tag("figcaption", said), percents, charts.key(rates)),
        tag("figure", tag("figcaption", "Loss, nats per token"), nats, charts.key(losses)),
    ]
    return joined(tag("h2", "While it trained"), tag("div", *figures, class_="pair"))


def wer_lines(result: RunResult) -> list[Line]:
    """The curves of word error rate that a run has."""
    name = "CER" if result.unit == "character" else "WER"
    own = Line(f"validation {name}", [(point.step, point.wer) for point in result.curve])
    others = [(point.step, point.general_wer) for point in result.curve if point.general_wer is not None]
    return [own, Line(f"general {name}, other voices", others)] if others else [own]


def _samples(result: RunResult) -> Html:
    parts: list[str] = [tag("h2", "Samples")]
    for kind, samples in groupby(result.samples, key=lambda sample: sample.kind):
        rows = [
            [one.reference, one.before or NOTHING, one.after or NOTHING, _arrow(one.wer_before, one.wer_after)]
            for one in samples
        ]
        parts += [table(["Reference", "Before", "After", "WER"], rows, kind, figures=1), tag("p")]
    return joined(*parts)


def _facts(result: RunResult) -> Html:
    speakers = ", ".join(result.speakers) or "not named"
    rows = [
        ["Test set", f"{result.test_set_hash}: {counted(result.clips, 'clip')}, {result.seconds / 60:.1f} min"],
        ["Speakers", speakers],
        ["Left out", "; ".join(result.left_out) or "none"],
        ["Labels it cannot write", "; ".join(result.unwritable) or "none"],
        ["Steps", f"{_or_dash(result.steps)}, of which step {_or_dash(result.best_step)} was kept"],
        ["Chosen by", chosen_by(result.validation_clips)],
        ["Strength of the adapter", "–" if result.strength is None else f"{result.strength:.0%}"],
        ["Wall time", "–" if result.wall_seconds is None else f"{result.wall_seconds:,.0f} s"],
        ["Peak memory", "–" if result.peak_memory is None else f"{result.peak_memory / 1e6:,.0f} MB"],
        ["Seed", f"{result.config.get('seed')}"],
        ["Begun", result.created_at],
        *([name, version] for name, version in result.versions.items()),
    ]
    settings = [[name, _plain(value), _changed(name, value)] for name, value in result.config.items()]
    return joined(
        tag("h2", "What this is based on"),
        tag(
            "div",
            table(["", ""], rows, "The run"),
            table(["Setting", "Value", ""], settings, "Settings"),
            class_="pair",
        ),
    )


def _again(result: RunResult) -> Html:
    named = shlex.quote(result.run)
    curve = [f"studio curve {named}"] if result.learning else []
    lines = [result.train_command, f"studio evaluate {named}", *curve, f"{result.report_command} --html report.html"]
    commands = "\n".join(lines)
    return joined(tag("h2", "The same again"), tag("pre", tag("code", commands)))


def _changed(name: str, value: Any) -> str:
    info = TrainConfig.model_fields[name]
    return "" if info.is_required() or value == info.default else "changed"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _or_dash(value: int | None) -> str:
    return "–" if value is None else f"{value}"


def _arrow(before: float | None, after: float | None) -> str:
    return f"{percent(before)} → {percent(after)}"

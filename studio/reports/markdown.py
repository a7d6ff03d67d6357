"""`report.md`: what a run did, for a person to read and keep."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from studio.config import knobs
from studio.errors import JobError
from studio.evaluation import failure_modes
from studio.evaluation.evaluate import Evaluation
from studio.evaluation.figures import RATES, character_rate, leading_rate, percent, sentences_right, word_rate
from studio.evaluation.typing_figures import figures
from studio.evaluation.verdict import by_generals, drift, judge, rate, unit_of
from studio.reports.cut_offs import CutOffReport, in_words
from studio.reports.result import Sample, chosen_by, samples
from studio.runs import events
from studio.runs.events import Evaluated, Event, Finished, Started, Stopped, Warned
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.text import COMPARED, counted
from studio.text.metrics import Score, Unit
from studio.workspace import write_atomically

ARTEFACTS = {
    "lora_adapter/": "the adapter, which plain `peft` loads",
    "processor/": "the tokenizer and the feature extractor",
    "heldout_baseline.json": "every held-out clip, transcribed by the base model",
    "heldout_tuned.json": "every held-out clip, transcribed with the adapter",
    "config.json": "all settings and versions",
    "manifest.jsonl": "the clips that were used, as they were",
    "events.jsonl": "everything that happened, a line each",
    "checkpoints/": "the last states of training, and the best",
}

SHORT_ARTEFACTS = {
    "heldout.jsonl": "the held-out clips; `short.jsonl` has the short ones among them",
    "short_baseline.json": "the short clips, transcribed by the base model; `short_tuned.json` with the adapter",
}


@dataclass(frozen=True, slots=True)
class _ReportParts:
    """All that a report is made of."""

    record: RunRecord
    before: Evaluation
    after: Evaluation
    general: tuple[Evaluation | None, Evaluation | None]  # before and after, where there is a general set
    short: tuple[Evaluation | None, Evaluation | None]  # the same of the short clips, where they were asked for
    cut_offs: CutOffReport | None  # where they were measured
    log: Sequence[Event]
    finished: Finished | None


def write_report(folder: RunFolder, finished: Finished | None = None) -> None:
    """Write `report.md` from what lies in `folder`; `finished` where it is not in the event log yet.

    Raises JobError where the run was not scored before and after, DiskError.
    """
    write_atomically(folder.report, as_markdown(folder, finished))


def as_markdown(folder: RunFolder, finished: Finished | None = None) -> str:
    """The report of the run in `folder`. Raises JobError where it was not scored before and after."""
    before, after = Evaluation.read(folder.baseline), Evaluation.read(folder.tuned)
    if before is None or after is None:
        raise JobError(f"The run “{folder.name}” was not scored before and after.", "Let it finish, or resume it.")
    log = events.as_it_went(event for _, event in events.read(folder.events))
    ended = finished or next((event for event in reversed(log) if isinstance(event, Finished)), None)
    general = Evaluation.read(folder.general_baseline), Evaluation.read(folder.general_tuned)
    short = Evaluation.read(folder.short_baseline), Evaluation.read(folder.short_tuned)
    cut_offs = CutOffReport.read(folder)
    story = _ReportParts(RunRecord.read(folder), before, after, general, short, cut_offs, log, ended)
    blocks = (_headline, _scores, _cut_offs, _notes, _samples, _validation, _time, _settings, _artefacts, _versions)
    return "\n\n".join(text for block in blocks if (text := block(story))) + "\n"


def escaped(text: str) -> str:
    """`text` for a cell of a markdown table: one line, shown as it is, whatever markup or HTML it holds."""
    visible = "".join(" " if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char for char in text)
    return re.sub(r"([\\`*_\[\]|~#$])", r"\\\1", html.escape(" ".join(visible.split()), quote=False))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A markdown table of cells that are markdown already."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def _headline(story: _ReportParts) -> str:
    before, after, clips = story.before.score, story.after.score, story.record.clips
    minutes, unit = story.record.seconds["train"] / 60, unit_of(story.after)
    noun, length = story.after.noun, f" ({minutes:.1f} min)" if story.after.kind == "speech" else ""
    found, (was, now) = judge(story.before, story.after), (leading_rate(score, unit) for score in (before, after))
    return (
        f"# {escaped(story.record.run)}: {RATES[unit].lower()} {was} → {now}\n\n"
        f"**{escaped(found.headline)}.** {escaped(found.detail)}\n\n"
        f"On {counted(after.clips, f'held-out {noun}')} with {counted(after.words, 'word')}, the texts compared "
        f"{COMPARED[after.normaliser]} (`{after.normaliser}`). The adapter was trained on "
        f"{counted(clips['train'], noun)}{length} of “{escaped(story.record.dataset)}” over the "
        f"base model “{escaped(story.record.model)}”; {counted(clips['validation'], f'more {noun}')} chose its "
        "best state."
    )


def _scores(story: _ReportParts) -> str:
    before, after = story.before, story.after
    rows = _rates(before.score, after.score, unit_of(after))
    if after.score.normaliser != (spoken := after.spoken.normaliser):
        rows.append([f"WER, `{spoken}`", percent(before.spoken.wer), percent(after.spoken.wer)])
    if before.score.digit_error is not None and after.score.digit_error is not None:  # else there are too few digits
        rows.append(["Errors per digit spoken", percent(before.score.digit_error), percent(after.score.digit_error)])
    rows.append(["Words wrong", _errors(before.score), _errors(after.score)])
    if after.score.sentence_accuracy is not None:
        accuracy = [sentences_right(score) for score in (before.by(after.score.normaliser).score, after.score)]
        rows.append([f"Sentences right, `{after.score.normaliser}`", *accuracy])
    rows += [[escaped(cell) for cell in row] for row in figures(before.typing, after.typing)]
    rows.append(_speed(before, after))
    rows += _short(story) + _general(story)
    said = escaped(failure_modes.sentence(before.alarms, after.alarms, after.kind))
    return f"## Before and after\n\n{table([f'Held-out {after.noun}s', 'Before', 'After'], rows)}\n\n{said}"


def _cut_offs(story: _ReportParts) -> str:
    found = story.cut_offs
    if found is None:
        return ""
    rows = [
        [kind, before.as_text(), after.as_text(), in_words(before.change_to(after))]
        for kind, (before, after) in found.pairs().items()
    ]
    return f"## Cut-offs\n\nBy {escaped(found.by)}, on held-out clips with numbers.\n\n" + table(
        ["Clips", "Before", "After", "Change"], rows
    )


def _short(story: _ReportParts) -> list[list[str]]:
    """The short clips among the held-out ones."""
    before, after = story.short
    if before is None or after is None:
        return []
    score, limit = after.score, story.record.short_seconds
    name = f"WER, `{score.normaliser}`: {counted(score.clips, 'clip')} of at most {limit:g} s"
    return [[name, percent(before.score.wer), percent(score.wer)]]


def _general(story: _ReportParts) -> list[list[str]]:
    """What the run cost everybody else, where a general set measured it."""
    before, after = story.general
    if before is None or after is None:
        return []
    was, now = by_generals(before).score, by_generals(after).score
    name = f"General WER, `{now.normaliser}`: {counted(now.clips, 'clip')} of other voices, none of them replayed"
    return [
        [name, percent(was.wer), percent(now.wer)],
        ["Drift on them: words that the base model did not write", "", percent(drift(before, after))],
    ]


def _rates(before: Score, after: Score, unit: Unit) -> list[list[str]]:
    rows = [
        [f"WER, `{after.normaliser}`", word_rate(before), f"**{word_rate(after)}**"],
        [f"CER, `{after.normaliser}`", character_rate(before), character_rate(after)],
    ]
    return rows[::-1] if unit == "character" else rows


def _errors(score: Score) -> str:
    wrong = score.substitutions + score.deletions + score.insertions
    kinds = f"{score.substitutions} replaced, {score.deletions} missing, {score.insertions} added"
    return f"{wrong} of {score.words} ({kinds})"


def _speed(before: Evaluation, after: Evaluation) -> list[str]:
    if after.kind == "speech":
        return ["Seconds to transcribe one second", _real_time(before), _real_time(after)]
    each = (f"{1000 * median(row.latency for row in evaluation.rows):.0f}" for evaluation in (before, after))
    return ["Milliseconds a pair, median", *each]


def _real_time(evaluation: Evaluation) -> str:
    seconds = sum(row.seconds for row in evaluation.rows)
    return f"{sum(row.latency for row in evaluation.rows) / seconds:.3f}" if seconds else "–"


def _notes(story: _ReportParts) -> str:
    said = dict.fromkeys(event.message for event in story.log if isinstance(event, Warned))
    return "## Notes\n\n" + "\n".join(f"- {escaped(message)}" for message in said) if said else ""


def _samples(story: _ReportParts) -> str:
    kinds = groupby(samples(story.before, story.after), key=lambda sample: sample.kind)
    return "\n\n".join(["## Samples", *(f"### {kind}\n\n{_side_by_side(chosen)}" for kind, chosen in kinds)])


def _side_by_side(chosen: Iterable[Sample]) -> str:
    return table(
        ["Reference", "Before", "After", "WER"],
        [
            [
                escaped(sample.reference),
                escaped(sample.before) or "*(nothing)*",
                escaped(sample.after) or "*(nothing)*",
                f"{percent(sample.wer_before)} → {percent(sample.wer_after)}",
            ]
            for sample in chosen
        ],
    )


def _validation(story: _ReportParts) -> str:
    scorings = {
        event.step: event for event in story.log if isinstance(event, Evaluated) and event.split == "validation"
    }
    if not scorings:
        return ""
    kept = story.finished.best_step if story.finished else None
    unit = unit_of(story.after)
    name = "CER" if unit == "character" else "WER"
    rows = [
        [f"{step}", percent(rate(event, unit)), _loss(event.loss), percent(event.general_wer),
         _loss(event.general_loss), "kept" if step == kept else ""]
        for step, event in sorted(scorings.items())
    ]  # fmt: skip
    head = ["Step", name, "Loss, nats per token", "General WER", "General loss", ""]
    return "## Validation while training\n\n" + table(head, rows)


def _loss(nats: float | None) -> str:
    return "–" if nats is None else f"{nats:.3f}"


def _time(story: _ReportParts) -> str:
    record, finished = story.record, story.finished
    device = f"{record.resolved_device}, {counted(record.resolved_threads, 'thread')}, {record.resolved_precision}"
    rows = [["Device", device]]
    if started := next((event for event in reversed(story.log) if isinstance(event, Started)), None):
        if started.processes > 1:
            rows.append(["Processes", f"{started.processes}, which shared the clips of every step"])
        rows.append(["Parameters trained", f"{started.trainable_parameters:,} of {started.total_parameters:,}"])
    if finished:
        rows += [
            ["Steps", f"{finished.step}, of which step {finished.best_step} was kept"],
            ["Chosen by", chosen_by(record.clips.get("validation", 0))],
            ["Strength of the adapter", f"{finished.strength:.0%}"],
            ["Wall time", _duration(finished.seconds)],
            ["Peak memory", f"{finished.peak_memory / 1e6:,.0f} MB"],
        ]
    if stopped := next((event for event in reversed(story.log) if isinstance(event, Stopped)), None):
        rows.append(["Stopped", f"{stopped.reason}, at step {stopped.step}"])
    return "## Time and memory\n\n" + table(["", ""], rows)


def _settings(story: _ReportParts) -> str:
    config = story.record.config
    rows = [
        [
            f"`{name}`",
            escaped(f"{getattr(config, name)}"),
            "" if getattr(config, name) == info.default else "changed",
        ]
        for name, info in knobs()
    ]
    fence = "```" if "```" not in story.record.started_by else "~~~~"
    again = f"The same run again:\n\n{fence}sh\n{story.record.started_by}\n{fence}"
    return "\n\n".join(["## Settings", table(["Setting", "Value", ""], rows), again])


def _artefacts(story: _ReportParts) -> str:
    pairs = {"processor/": "the tokenizer", "manifest.jsonl": "the pairs that were used, as they were"}
    files = ARTEFACTS | (pairs if story.after.kind == "typing" else {}) | (SHORT_ARTEFACTS if story.short[1] else {})
    return "## Files\n\n" + "\n".join(f"- `{name}`: {what}" for name, what in files.items())


def _versions(story: _ReportParts) -> str:
    versions = ", ".join(f"{name} {escaped(version)}" for name, version in story.record.versions.items())
    return f"## Versions\n\n{versions}. Test set `{story.after.test_set_hash}`. Begun {story.record.created_at}."


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"

"""Several runs side by side: one table, their curves, and of their settings only what differs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from studio.errors import ConfigError
from studio.evaluation.evaluate import Evaluation
from studio.evaluation.figures import RATES, factor, percent, points
from studio.evaluation.significance import Change
from studio.evaluation.verdict import change
from studio.reports import charts
from studio.reports.charts import Line
from studio.reports.cut_offs import CutOffReport
from studio.reports.markup import joined, page, table, tag
from studio.reports.result import Point, RunResult, result_of
from studio.runs.folder import RunFolder
from studio.text import counted
from studio.text.metrics import Unit

if TYPE_CHECKING:
    from pandas import DataFrame

MOST = 12  # runs in one comparison


class Compared(BaseModel):
    """One run, as one line of the table."""

    model_config = ConfigDict(frozen=True)

    run: str
    model: str
    dataset: str
    test_set_hash: str
    clips: int  # held out
    train_clips: int
    unit: Unit  # what errors are counted in: characters where the language has no spaces
    wer_before: float
    wer_after: float
    cer_before: float
    cer_after: float
    sentence_accuracy: float | None
    digit_error: float | None
    cut_off_before: float | None  # share of numbers with pauses in them that were cut off, where it was measured
    cut_off_after: float | None
    general_before: float | None  # word error rate of the general set
    general_after: float | None
    alarms: int | None
    verdict: str  # against its own base model: the headline of its report
    against_first: Change | None  # from the first run's adapter to this one's; None where their test sets differ
    real_time_factor: float | None
    steps: int | None
    seconds: float | None  # wall time
    peak_memory: int | None  # bytes
    curve: list[Point]


class Setting(BaseModel):
    """A setting that is not the same in all runs: its value in each, in their order."""

    model_config = ConfigDict(frozen=True)

    name: str
    values: list[Any]


class RunComparison(BaseModel):
    """Two or more runs, compared by one normaliser."""

    model_config = ConfigDict(frozen=True)

    normaliser: str
    same_test: bool  # whether all were scored on the same clips with the same labels
    runs: list[Compared]
    settings: list[Setting]
    command: str  # that prints this again

    def to_pandas(self) -> DataFrame:
        """A row a run: its results, and a column for each setting that differs."""
        from pandas import DataFrame

        frame = DataFrame([run.model_dump(exclude={"curve", "against_first"}) for run in self.runs])
        frame["against_first"] = [run.against_first.verdict if run.against_first else None for run in self.runs]
        return frame.assign(**{f"setting_{row.name}": row.values for row in self.settings})


def compare_runs(runs: Sequence[RunFolder], normaliser: str | None = None) -> RunComparison:
    """The `runs`, the first of them what the others are measured against; by `normaliser`, or the first's own.

    Raises ConfigError for fewer than two or more than MOST runs, JobError for one that has not finished.
    """
    folders = list(dict.fromkeys(runs))
    if not 2 <= len(folders) <= MOST:
        raise ConfigError(f"{counted(len(folders), 'run')} cannot be compared.", f"Name 2 to {MOST} different runs.")
    results = [result_of(folders[0], normaliser)]
    results += [result_of(folder, results[0].normaliser) for folder in folders[1:]]
    option = f" --normaliser {normaliser}" if normaliser else ""
    return RunComparison(
        normaliser=results[0].normaliser,
        same_test=len({result.test_set_hash for result in results}) == 1,
        runs=[_compared(result, folder, folders[0]) for result, folder in zip(results, folders, strict=True)],
        settings=_differences(results),
        command=f"studio compare {shlex.join(folder.name for folder in folders)}{option}",
    )


def _compared(result: RunResult, folder: RunFolder, first: RunFolder) -> Compared:
    score, cut_offs = result.after.score, CutOffReport.read(folder)
    return Compared(
        run=result.run,
        model=result.model,
        dataset=result.dataset,
        test_set_hash=result.test_set_hash,
        clips=result.clips,
        train_clips=result.train_clips,
        unit=result.unit,
        wer_before=result.before.score.wer,
        wer_after=score.wer,
        cer_before=result.before.score.cer,
        cer_after=score.cer,
        sentence_accuracy=score.sentence_accuracy,
        digit_error=score.digit_error,
        cut_off_before=cut_offs.hesitating_before.rate if cut_offs else None,
        cut_off_after=cut_offs.hesitating_after.rate if cut_offs else None,
        general_before=result.general.before if result.general else None,
        general_after=result.general.after if result.general else None,
        alarms=None if result.after.alarms is None else len(result.after.alarms),
        verdict=result.verdict.headline,
        against_first=None if folder == first else _against(first, folder, result.normaliser),
        real_time_factor=result.after.speed.real_time_factor,
        steps=result.steps,
        seconds=result.wall_seconds,
        peak_memory=result.peak_memory,
        curve=result.curve,
    )


def _against(first: RunFolder, other: RunFolder, normaliser: str) -> Change | None:
    one, two = Evaluation.read(first.tuned), Evaluation.read(other.tuned)
    return change(one.by(normaliser), two.by(normaliser)) if one and two else None


def _differences(results: Sequence[RunResult]) -> list[Setting]:
    rows = [Setting(name=name, values=[result.config[name] for result in results]) for name in results[0].config]
    return [row for row in rows if any(value != row.values[0] for value in row.values)]


HEAD = ("Run", "Clips learnt", "WER before", "WER after", "CER", "Sentences right", "Digit error", "Cut off",
        "General WER", "Alarms", "Seconds per second", "Steps", "Wall time", "Memory", "Against its base",
        "Against the first")  # fmt: skip


def cells(run: Compared) -> list[str]:
    """One line of the table, under HEAD."""
    general = "–" if run.general_after is None else f"{percent(run.general_before)} → {percent(run.general_after)}"
    is_measured = run.cut_off_after is not None
    cut_off = f"{percent(run.cut_off_before)} → {percent(run.cut_off_after)}" if is_measured else "–"
    return [
        run.run,
        f"{run.train_clips}",
        percent(run.wer_before),
        percent(run.wer_after),
        percent(run.cer_after),
        percent(run.sentence_accuracy),
        percent(run.digit_error),
        cut_off,
        general,
        "–" if run.alarms is None else f"{run.alarms}",
        factor(run.real_time_factor),
        "–" if run.steps is None else f"{run.steps}",
        "–" if run.seconds is None else f"{run.seconds:,.0f} s",
        "–" if run.peak_memory is None else f"{run.peak_memory / 1e6:,.0f} MB",
        run.verdict,
        against(run),
    ]


def _transposed(runs: Sequence[Compared]) -> list[list[str]]:
    """The table with runs across and figures down, without the names of the runs."""
    columns = [cells(run) for run in runs]
    return [[name, *(column[place] for column in columns)] for place, name in enumerate(HEAD)][1:]


def against(run: Compared) -> str:
    """The change against the first run, with the interval in points."""
    found = run.against_first
    if found is None:
        return "–"
    sure = ": sure" if found.verdict in ("better", "worse") else ""
    return f"{found.verdict}{sure} ({points(found.low)} to {points(found.high)} points)"


def headline(comparison: RunComparison) -> str:
    """What the table shows, in a sentence; and where it cannot be trusted."""
    if not comparison.same_test:
        return "These runs were measured on different clips: their error rates cannot be compared."
    is_by_word = comparison.runs[0].unit == "word"
    best = min(comparison.runs, key=lambda run: run.wer_after if is_by_word else run.cer_after)
    rate = f"{percent(best.wer_after if is_by_word else best.cer_after)} on {counted(best.clips, 'held-out clip')}"
    judged = [best] if best.against_first else comparison.runs[1:]
    unsure = ("no difference shown", "too few clips")
    may_be_chance = any(run.against_first and run.against_first.verdict in unsure for run in judged)
    chance = " That may be chance: see “Against the first”." if may_be_chance else ""
    return f"{best.run} has the lowest {RATES[best.unit].lower()}: {rate}.{chance}"


def as_text(comparison: RunComparison) -> str:
    """The comparison for a terminal: figures down, runs across."""
    rows = [["", *(run.run for run in comparison.runs)], *_transposed(comparison.runs)]
    rows += [[setting.name, *(f"{value}" for value in setting.values)] for setting in comparison.settings]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    gap = len(HEAD)
    parts = [
        *lines[:gap],
        "",
        "Settings that differ:" if comparison.settings else "All settings are the same.",
        *lines[gap:],
    ]
    return "\n".join([*parts, "", headline(comparison), f"Texts compared by the normaliser “{comparison.normaliser}”."])


def as_html(comparison: RunComparison) -> str:
    """The comparison as one HTML file that asks nothing of anybody."""
    runs = comparison.runs
    rates = [Line(run.run, [(point.step, point.wer) for point in run.curve]) for run in runs]
    losses = [
        Line(run.run, [(point.step, point.loss) for point in run.curve if point.loss is not None]) for run in runs
    ]
    settings = [[row.name, *(f"{value}" for value in row.values)] for row in comparison.settings]
    drawn = charts.curves(rates, "Validation word error rate over steps", lambda value: f"{100 * value:.0f} %")
    nats = charts.curves(losses, "Validation loss over steps, nats per token", lambda value: f"{value:.2g}")
    caption = f"Held-out clips; normaliser: {comparison.normaliser}"
    differing = table(["Setting", *(run.run for run in runs)], settings, "Only what differs")
    return page(
        "Runs compared: " + ", ".join(run.run for run in runs),
        tag("h1", headline(comparison)),
        table(["", *(run.run for run in runs)], _transposed(runs), caption, figures=len(runs)),
        tag("h2", "While they trained"),
        tag(
            "div",
            tag("figure", tag("figcaption", "Validation WER"), drawn),
            tag("figure", tag("figcaption", "Validation loss, nats per token"), nats),
            class_="pair",
        ),
        charts.key(rates),
        tag("h2", "Settings"),
        differing if settings else tag("p", "All settings are the same."),
        tag("h2", "The same again"),
        tag("pre", tag("code", comparison.command)),
        joined(*(tag("p", f"{run.run}: test set {run.test_set_hash}", class_="quiet") for run in runs)),
    )

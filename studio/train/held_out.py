"""The test clips of a run, the dataset's own and the general ones, before tuning and after it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from studio.data.manifest import Example
from studio.evaluation.evaluate import Evaluation, hash_of
from studio.evaluation.verdict import rate, unit_of
from studio.models import adapters
from studio.runs.events import Event
from studio.text.metrics import Unit
from studio.train.prepared import PreparedRun
from studio.train.scoring import Scorer, shown
from studio.train.short import keep_short


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the base model made of them."""

    own: Evaluation
    general: Evaluation | None

    @property
    def unit(self) -> Unit:
        """What errors are counted in."""
        return unit_of(self.own)


def baseline(run: PreparedRun) -> Generator[Event, None, Baseline]:
    """The base model on the test clips, unless it was scored before the run was interrupted.

    What it reads is kept for the next run on this model and these clips, which then need not wait for it.
    """
    with adapters.without_adapter(run.recogniser):
        own = yield from _scored_once(run, run.scorer, run.splits["test"], run.folder.baseline)
        others = None
        if run.general_scorer and (known := run.general_clips("test")):
            others = yield from _scored_once(run, run.general_scorer, known, run.folder.general_baseline)
    found = Baseline(own, others)
    yield from shown(own, "test", 0, found.unit, general_wer=general_wer(others))
    return found


def tuned(run: PreparedRun, before: Baseline, step: int) -> Generator[Event, None, tuple[Evaluation, Evaluation]]:
    """The test clips before, and with the adapter of `step`: of the own ones those that both could transcribe."""
    folder, clips = run.folder, run.splits["test"]
    after = yield from run.scorer.evaluate(clips, "tuned", folder.name, folder.readings)
    after.write(folder.tuned)
    own = run.scorer.narrowed(before.own, after, clips)
    own.write(folder.baseline)
    others = None
    if run.general_scorer and (known := run.general_clips("test")):
        others = yield from run.general_scorer.evaluate(known, "tuned", folder.name, folder.readings)
        others.write(folder.general_tuned)
    yield from shown(after, "test", step, before.unit, general_wer=general_wer(others))
    if run.config.short_seconds:
        yield from keep_short(folder, run.scorer, own, after, clips)
    return own, after


def general_wer(evaluation: Evaluation | None) -> float | None:
    """By the general set's own normaliser: a convention that was learnt is nothing forgotten."""
    return rate(evaluation.score, unit_of(evaluation)) if evaluation else None


def _scored_once(
    run: PreparedRun, scorer: Scorer, chosen: list[Example], path: Path
) -> Generator[Event, None, Evaluation]:
    """The evaluation in `path`, made where it is not there or is of other clips."""
    before = Evaluation.read(path)
    if before is None or before.test_set_hash != hash_of(chosen):
        before = yield from scorer.evaluate(chosen, "baseline", None, run.plan.workspace.readings)
        before.write(path)
    return before

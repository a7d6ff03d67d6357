"""One run's result: everything that a report, a page or another program may want to know, by one normaliser."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict

from studio.config import Kind, TrainConfig
from studio.data.prompts.needs import misheard
from studio.errors import JobError
from studio.evaluation import failure_modes, frames
from studio.evaluation.error_analysis import ClipResult, Mistakes, mistakes
from studio.evaluation.evaluate import Evaluation, ScoredClip, read_manifest
from studio.evaluation.failure_modes import Alarm, Probe
from studio.evaluation.learning_curve import SHARES
from studio.evaluation.significance import Change
from studio.evaluation.verdict import Judgement, by_generals, change, drift, judge, rate, unit_of
from studio.reports.cut_offs import CutOffReport
from studio.reports.learning_curve import LearningCurve, learning_curve
from studio.runs import events
from studio.runs.events import Evaluated, Event, Finished
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.text import counted
from studio.text.metrics import Score, Unit, errors
from studio.typing.scores import TypingScore

if TYPE_CHECKING:
    from pandas import DataFrame

SAMPLES = 5  # clips of each kind


class Speed(BaseModel):
    """How fast a model transcribed the held-out clips on the machine of the run; in batches, their time divided."""

    model_config = ConfigDict(frozen=True)

    latency: float  # seconds a clip, the median
    real_time_factor: float | None  # seconds to transcribe one second


class HeldOutResult(BaseModel):
    """One model on the held-out clips."""

    model_config = ConfigDict(frozen=True)

    score: Score
    spoken: Score  # whichever way numbers are written
    typing: TypingScore | None = None  # of typing pairs
    speed: Speed
    alarms: list[Alarm] | None  # None: not checked
    probes: list[Probe]

    @classmethod
    def of(cls, evaluation: Evaluation) -> Self:
        """The totals of `evaluation`."""
        seconds = sum(row.seconds for row in evaluation.rows)
        latencies = [row.latency for row in evaluation.rows]
        factor = sum(latencies) / seconds if seconds else None
        return cls(
            score=evaluation.score,
            spoken=evaluation.by(evaluation.spoken.normaliser).score,
            typing=evaluation.typing,
            speed=Speed(latency=median(latencies) if latencies else 0.0, real_time_factor=factor),
            alarms=evaluation.alarms,
            probes=evaluation.probes,
        )


class GeneralResult(BaseModel):
    """What the run cost everybody else: a set that is not the person's, digits and their names counting as the same."""

    model_config = ConfigDict(frozen=True)

    before: float  # word error rate, by the true transcripts
    after: float
    drift: float  # the words that differ from what the base model wrote: a change, which may be for the better
    clips: int
    change: Change | None


class Sample(BaseModel):
    """One clip, for the eye."""

    model_config = ConfigDict(frozen=True)

    kind: str
    reference: str
    before: str
    after: str
    wer_before: float
    wer_after: float


class Point(BaseModel):
    """The validation clips after one step."""

    model_config = ConfigDict(frozen=True)

    step: int
    wer: float  # of characters where the run's `unit` says so
    loss: float | None  # nats per token
    general_wer: float | None
    kept: bool


class RunResult(BaseModel):
    """One run, as far as it came."""

    model_config = ConfigDict(frozen=True)

    run: str
    kind: Kind = "speech"  # of the dataset
    model: str
    dataset: str
    normaliser: str  # of all rates below, where they do not say otherwise
    test_set_hash: str
    clips: int  # held out, as all of the next three
    seconds: float
    speakers: list[str]
    left_out: list[str]  # clips that could not be scored, and why
    unwritable: list[str]  # clips whose label this model cannot write, and why: wrong before and after alike
    before: HeldOutResult
    after: HeldOutResult
    unit: Unit  # what errors are counted in: characters where the language has no spaces
    verdict: Judgement
    general: GeneralResult | None
    mistakes: Mistakes
    missed: list[str]  # words as they are spoken, the most often missed first: what the prompt list takes up
    samples: list[Sample]
    curve: list[Point]
    learning: LearningCurve | None  # None where no smaller run was trained
    cut_offs: CutOffReport | None  # None where they were not measured
    train_clips: int
    validation_clips: int
    train_seconds: float
    steps: int | None  # this and the next four: None where the run was not finished
    best_step: int | None
    strength: float | None  # of the adapter when it was scored, 1 being as trained
    wall_seconds: float | None
    peak_memory: int | None  # bytes
    device: str
    config: dict[str, Any]
    versions: dict[str, str]
    created_at: str  # ISO 8601, UTC
    train_command: str
    report_command: str

    def clips_frame(self) -> DataFrame:
        """A row a held-out clip: conditions, hypotheses, errors and WER before and after."""
        return frames.clips(self.mistakes)

    def words_frame(self) -> DataFrame:
        """A row a word of the references: how often it was said and written right, before and after."""
        return frames.words(self.mistakes)

    def confusions_frame(self) -> DataFrame:
        """A row a confusion: what was said, what was written for it, and how often, before and after."""
        return frames.confusions(self.mistakes)

    @property
    def noun(self) -> str:
        """What one of the held-out examples is called."""
        return "pair" if self.kind == "typing" else "clip"

    @property
    def alarm(self) -> str:
        """What the alarms say, in a sentence."""
        return failure_modes.sentence(self.before.alarms, self.after.alarms, self.kind)

    @property
    def worse_alarms(self) -> list[Alarm]:
        """The alarms that tuning brought, or made worse."""
        return failure_modes.worse(self.before.alarms, self.after.alarms)


def chosen_by(validation_clips: int) -> str:
    """What decided which step was kept."""
    clips = counted(validation_clips, "validation clip")
    return f"{clips}: among the steps with the fewest errors, within chance, the one with the lowest loss"


def result_of(folder: RunFolder, normaliser: str | None = None) -> RunResult:
    """The result of the run in `folder`, compared by `normaliser`, or by its own.

    Raises JobError where it has not finished: half a result looks like a whole one.
    """
    record = RunRecord.read(folder)
    before, after = _evaluations(folder)
    normaliser = normaliser or after.score.normaliser
    before, after = before.by(normaliser), after.by(normaliser)
    clips = {clip.id: clip for clip in read_manifest(folder.manifest)} if folder.manifest.is_file() else {}
    log = events.as_it_went(event for _, event in events.read(folder.events))
    finished = next((event for event in reversed(log) if isinstance(event, Finished)), None)
    return RunResult(
        run=folder.name,
        kind=after.kind,
        model=record.model,
        dataset=record.dataset,
        normaliser=normaliser,
        test_set_hash=after.test_set_hash,
        clips=len(after.rows),
        seconds=sum(row.seconds for row in after.rows),
        speakers=sorted({clips[row.id].speaker for row in after.rows if row.id in clips} - {""}),
        left_out=after.skipped,
        unwritable=after.unwritable,
        before=HeldOutResult.of(before),
        after=HeldOutResult.of(after),
        unit=unit_of(after),
        verdict=judge(before, after),
        general=_general(folder),
        mistakes=mistakes(before, after, clips),
        missed=list(misheard((row.reference, row.hypothesis) for row in after.rows)),
        samples=samples(before, after),
        curve=_curve(log, finished, unit_of(after)),
        learning=_learning(folder, normaliser),
        cut_offs=CutOffReport.read(folder),
        train_clips=record.clips.get("train", 0),
        validation_clips=record.clips.get("validation", 0),
        train_seconds=record.seconds.get("train", 0.0),
        steps=finished.step if finished else None,
        best_step=finished.best_step if finished else None,
        strength=finished.strength if finished else None,
        wall_seconds=finished.seconds if finished else None,
        peak_memory=finished.peak_memory if finished else None,
        device=record.resolved_device,
        config=_settings(record),
        versions=dict(record.versions),
        created_at=record.created_at,
        train_command=record.started_by,
        report_command=_report_command(record, normaliser),
    )


def _report_command(record: RunRecord, normaliser: str) -> str:
    option = "" if normaliser == record.normaliser else f" --normaliser {normaliser}"
    return f"studio report {record.run}{option}"


def _evaluations(folder: RunFolder) -> tuple[Evaluation, Evaluation]:
    before, after = Evaluation.read(folder.baseline), Evaluation.read(folder.tuned)
    if before is None or after is None or not folder.done.is_file():
        raise JobError(
            f"The run “{folder.name}” has not finished: there is no before and after to report.",
            f"Resume it: studio resume {folder.name}",
        )
    return before, after


def _learning(folder: RunFolder, normaliser: str) -> LearningCurve | None:
    is_begun = any(folder.point(share).done.is_file() for share in SHARES[:-1])
    return learning_curve(folder, normaliser) if is_begun else None


def _settings(record: RunRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in TrainConfig.model_fields}


def _general(folder: RunFolder) -> GeneralResult | None:
    before, after = Evaluation.read(folder.general_baseline), Evaluation.read(folder.general_tuned)
    if before is None or after is None:
        return None
    before, after = by_generals(before), by_generals(after)
    return GeneralResult(
        before=before.score.wer,
        after=after.score.wer,
        drift=drift(before, after),
        clips=after.score.clips,
        change=change(before, after),
    )


def _curve(log: Sequence[Event], finished: Finished | None, unit: Unit) -> list[Point]:
    scorings = {event.step: event for event in log if isinstance(event, Evaluated) and event.split == "validation"}
    kept = finished.best_step if finished else None
    return [
        Point(step=step, wer=rate(event, unit), loss=event.loss, general_wer=event.general_wer, kept=step == kept)
        for step, event in sorted(scorings.items())
    ]


def samples(before: Evaluation, after: Evaluation) -> list[Sample]:
    """The clips that changed most, and some drawn at random: the same each time."""
    was = {row.id: row for row in before.rows}
    pairs = [(was[row.id], row) for row in after.rows if row.id in was]
    counts = {row.id: _gained(then, row, after.score.normaliser, unit_of(after)) for then, row in pairs}
    ranked = sorted(pairs, key=lambda pair: counts[pair[1].id])
    kinds = {
        "Most improved": [pair for pair in ranked if counts[pair[1].id] < 0],
        "Worse than before": [pair for pair in reversed(ranked) if counts[pair[1].id] > 0],
        "Worst now": sorted((pair for pair in pairs if pair[1].wer > 0), key=lambda pair: -pair[1].wer),
        "Best now": sorted(pairs, key=lambda pair: pair[1].wer),
        "Drawn at random": random.Random(0).sample(pairs, min(SAMPLES, len(pairs))),
    }
    return [
        Sample(
            kind=kind,
            reference=now.reference,
            before=then.hypothesis,
            after=now.hypothesis,
            wer_before=then.wer,
            wer_after=now.wer,
        )
        for kind, chosen in kinds.items()
        for then, now in chosen[:SAMPLES]
    ]


def _gained(then: ScoredClip, now: ScoredClip, normaliser: str, unit: Unit) -> int:
    """Errors more than before; below 0 the clip got better."""
    before, after = (errors(row.reference, row.hypothesis, normaliser, unit)[0] for row in (then, now))
    return after - before


def worse_clips(clips: Iterable[ClipResult]) -> list[ClipResult]:
    """The clips with more errors than before, the worst first."""
    found = [clip for clip in clips if clip.outcome == "worse"]
    return sorted(found, key=lambda clip: (clip.before.errors if clip.before else 0) - clip.after.errors)

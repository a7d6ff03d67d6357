"""The stages of one run: load, encode, baseline, train, finish; and how it stops before its end."""

from __future__ import annotations

import shutil
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from studio.data.manifest import Dataset, Utterance
from studio.data.utterance import Split
from studio.errors import DataError, DivergedError, StopReason, StopRequested
from studio.evaluation.evaluate import Evaluation, hash_of
from studio.evaluation.figures import RATES
from studio.evaluation.verdict import rate, unit_of
from studio.models import Recogniser, adapters, load
from studio.models.folders import written_whole
from studio.models.writable import Splits, only_writable, unwritable, unwritable_note
from studio.reports.markdown import write_report
from studio.runs.events import CheckpointSaved, Event, Finished, LossMeasured, Phase, Started, Stopped, Warned
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.text.metrics import Unit
from studio.train import checkpoint, clips, general
from studio.train.adapted import with_adapter
from studio.train.encoding import EncodingSet, encode
from studio.train.follower import FollowerPlan
from studio.train.general import GeneralSet
from studio.train.loop import Learner, fit, fresh_learner
from studio.train.progress import Scoring
from studio.train.ranks import SingleProcess
from studio.train.resources import peak_memory
from studio.train.rows import Rows
from studio.train.scoring import Scorer, shown
from studio.train.short import keep_short
from studio.train.stopping import Stopper
from studio.workspace import Workspace, write_atomically


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run is about, as it was when it began."""

    record: RunRecord
    dataset: Dataset
    splits: Splits
    general: GeneralSet | None
    workspace: Workspace  # whose cache of features it uses


class FineTune:
    """The stages of one run, in their order; each yields its events."""

    recogniser: Recogniser  # this and the next two: from `load` on
    learner: Learner
    scorer: Scorer
    general_scorer: Scorer | None
    before: Evaluation  # this and the next: from `baseline` on
    general_before: Evaluation | None

    def __init__(self, plan: RunPlan, folder: RunFolder, stopper: Stopper, ranks: SingleProcess) -> None:
        self.record, self.config, self.folder = plan.record, plan.record.config, folder
        self.dataset, self.splits, self.stopper = plan.dataset, plan.splits, stopper
        self.general, self.ranks, self.features = plan.general, ranks, plan.workspace.features
        self.validation_rows = Rows()
        self.general_rows = Rows()  # of its validation split
        self.began = time.perf_counter()  # of the whole run, were it not for the times between resumes
        self.is_training = False

    def events(self, moved: list[str]) -> Iterator[Event]:
        """The whole run. Where it is asked to stop it does so, and says how."""
        try:
            yield from self.load(moved)
            yield from self.encode()
            yield from self.baseline()
            yield from self.train()
            yield from self.finish()
        except StopRequested as request:
            self.ranks.dismiss()  # where one of them was killed, that is the reason for this stop, and it is reported
            yield from self.stop(request.reason)

    def load(self, moved: list[str]) -> Iterator[Event]:
        """The model with its adapter, where the last checkpoint left it; the clips that it can transcribe."""
        base = load(self.config.model, self.ranks.device or self.record.resolved_device, self.config.precision)
        self.splits, left_out = clips.only_usable(self.dataset, self.splits, base.family)
        self.splits, too_long = only_writable(self.splits, base)
        left_out += too_long
        too_long_to_test = unwritable(self.splits["test"], base)
        self.record = self.record.using(self.splits)
        self.record.write(self.folder)
        self.recogniser = with_adapter(base, self.config)
        self.learner = fresh_learner(self.recogniser, self.config, self.ranks)
        checkpoint.load(self.learner, self.folder.checkpoints)
        self.began -= self.learner.progress.wall_seconds
        # What an earlier start has learnt is saved by `train`, which is near: until then the request waits.
        self.stopper.heeds_save = self.learner.progress.step == 0
        self.scorer = Scorer(self.recogniser, self.dataset, self.config, self.stopper.check)
        self.general_scorer = None
        if self.general:
            self.general, bad = general.only_usable(self.general, base)
            left_out += bad
            self.general_scorer = Scorer(self.recogniser, self.general.dataset, self.config, self.stopper.check)
        self.ranks.send(self.follower_plan())
        yield self.started()
        for note in clips.notes(self.splits, moved, left_out, self.dataset.problems()):
            yield Warned(message=note)
        if too_long_to_test:
            yield Warned(message=unwritable_note(too_long_to_test))

    @property
    def unit(self) -> Unit:
        """What errors are counted in, from when the base model was scored on."""
        return unit_of(self.before)

    def follower_plan(self) -> FollowerPlan:
        """What other processes need to know of the run."""
        return FollowerPlan(
            self.config,
            self.record.resolved_threads,
            self.splits["train"],
            self.replayed_clips(),
            checkpoint.state_of(self.learner),
        )

    def started(self) -> Started:
        """The run's plan."""
        return Started(
            run=self.folder.name,
            model=self.config.model,
            device=self.recogniser.device,
            train_clips=len(self.splits["train"]),
            validation_clips=len(self.splits["validation"]),
            test_clips=len(self.splits["test"]),
            train_seconds=self.record.seconds["train"],
            max_steps=self.config.max_steps,
            trainable_parameters=sum(parameter.numel() for parameter in self.learner.parameters.values()),
            total_parameters=sum(parameter.numel() for parameter in self.recogniser.model.parameters()),
            resumed_from=self.learner.progress.step,
            processes=self.ranks.size,
        )

    def encode(self) -> Iterator[Event]:
        """What the family computes once a clip. What it refuses is left out of training, or of the loss."""
        encoding_sets = [
            EncodingSet(self.dataset, self.splits["train"], self.learner.rows, self.config.augment, self.config.seed),
            EncodingSet(self.dataset, self.splits["validation"], self.validation_rows),
        ]
        if self.general:
            encoding_sets += [
                EncodingSet(self.general.dataset, self.replayed_clips(), self.learner.replayed),
                EncodingSet(self.general.dataset, self.general.splits["validation"], self.general_rows),
            ]
        yield from encode(self.recogniser, encoding_sets, self.stopper.check, self.features)
        if not self.learner.rows or not self.validation_rows:
            raise DataError("No clip is left to learn from.", "Record more clips, or choose another model.")

    def baseline(self) -> Iterator[Event]:
        """The base model on the test clips, unless it was scored before the run was interrupted."""
        with adapters.without_adapter(self.recogniser):
            self.before = yield from self.scored_once(self.scorer, self.splits["test"], self.folder.baseline)
            self.general_before = None
            if self.general_scorer and (known := self.general_clips("test")):
                self.general_before = yield from self.scored_once(
                    self.general_scorer, known, self.folder.general_baseline
                )
        yield from shown(self.before, "test", 0, self.unit, general_wer=_general_wer(self.general_before))

    def scored_once(self, scorer: Scorer, chosen: list[Utterance], path: Path) -> Generator[Event, None, Evaluation]:
        """The evaluation in `path`, made where it is not there or is of other clips."""
        before = Evaluation.read(path)
        if before is None or before.test_set_hash != hash_of(chosen):
            before = yield from scorer.evaluate(chosen, "baseline", None, self.folder.readings)
            before.write(path)
        return before

    def replayed_clips(self) -> list[Utterance]:
        """The clips of the general set that are learnt from."""
        return self.general_clips("train") if self.config.replay_share else []

    def general_clips(self, split: Split) -> list[Utterance]:
        """The clips of the general set that measure what is forgotten, or help to choose."""
        return self.general.splits[split] if self.general else []

    def train(self) -> Iterator[Event]:
        """The loop, until it ends by itself or is asked to stop and save."""
        self.is_training = self.stopper.heeds_save = True
        yield Phase(name="training", done=self.learner.progress.step, total=self.config.max_steps)
        try:
            yield from fit(self.learner, self.validate, self.save, self.stopper.check)
        except StopRequested as request:
            if request.reason != "stop and save" or not self.learner.progress.step:
                raise
            yield from self.save(self.learner)
            yield Stopped(step=self.learner.progress.step, reason="stop and save")
        except DivergedError as error:
            if self.learner.progress.best is None:
                raise
            yield Warned(message=str(error))
            yield Stopped(step=self.learner.progress.step, reason="diverged")
        self.ranks.dismiss()
        self.is_training = self.stopper.heeds_save = False

    def validate(self, learner: Learner) -> Iterator[Event]:
        """Score the validation clips, the own and the general ones, and count it; or measure the loss alone."""
        progress, own, known = learner.progress, self.splits["validation"], self.general_clips("validation")
        loss = self.scorer.loss(self.validation_rows)
        general_loss = self.scorer.loss(self.general_rows) if self.general_rows else None
        if not progress.is_decoded(self.config, len(own) + len(known)):
            progress.scored = progress.step
            yield LossMeasured(step=progress.step, loss=loss, general_loss=general_loss)
            return
        scorer = replace(self.scorer, rows=self.validation_rows)
        evaluation = yield from scorer.evaluate(own, "validating", self.folder.name)
        forgetting = None
        if self.general_scorer and known:
            scorer = replace(self.general_scorer, rows=self.general_rows)
            forgetting = yield from scorer.evaluate(known, "validating", self.folder.name)
        others = {"general_wer": _general_wer(forgetting), "general_loss": general_loss}
        own_score = evaluation.score
        size = own_score.characters if self.unit == "character" else own_score.words
        scoring = Scoring(step=progress.step, wer=rate(own_score, self.unit), words=size, loss=loss, **others)
        is_best = progress.count(scoring)
        yield from shown(evaluation, "validation", progress.step, self.unit, best=is_best, loss=loss, **others)

    def save(self, learner: Learner) -> Iterator[Event]:
        """Write a checkpoint."""
        self.measure()
        path = checkpoint.save(learner, self.folder.checkpoints)
        yield CheckpointSaved(step=learner.progress.step, path=str(path.relative_to(self.folder.path)))

    def measure(self) -> None:
        """Note how long the run took so far, and how much memory."""
        progress = self.learner.progress
        progress.wall_seconds = time.perf_counter() - self.began
        progress.peak_memory = max(progress.peak_memory, peak_memory(self.recogniser.device))

    def finish(self) -> Iterator[Event]:
        """Restore the best adapter, write it, score it, report, and say that the run is whole."""
        step = yield from self.keep_best()
        yield Phase(name="writing")
        adapters.save(self.recogniser, self.folder.adapter)
        with written_whole(self.folder.processor) as folder:
            self.recogniser.family.save_processor(self.recogniser.processor, folder)
        after = yield from self.measured(step)
        yield Phase(name="writing")
        self.stopper.check()
        self.measure()
        finished = Finished(
            step=self.learner.progress.step,
            best_step=step,
            wer_before=self.before.score.wer,
            wer_after=after.score.wer,
            cer_before=self.before.score.cer,
            cer_after=after.score.cer,
            unit=self.unit,
            seconds=self.learner.progress.wall_seconds,
            peak_memory=self.learner.progress.peak_memory,
        )
        write_report(self.folder, finished)
        self.folder.clear_stop_request()
        shutil.rmtree(self.folder.readings, ignore_errors=True)
        write_atomically(self.folder.done, "")
        yield finished

    def measured(self, step: int) -> Generator[Event, None, Evaluation]:
        """The test clips with the adapter of `step`, the dataset's own and the general ones, compared with before."""
        after = yield from self.scorer.evaluate(self.splits["test"], "tuned", self.folder.name, self.folder.readings)
        after.write(self.folder.tuned)
        self.before = self.scorer.narrowed(self.before, after, self.splits["test"])
        self.before.write(self.folder.baseline)
        forgetting = None
        if self.general_scorer and (known := self.general_clips("test")):
            forgetting = yield from self.general_scorer.evaluate(known, "tuned", self.folder.name, self.folder.readings)
            forgetting.write(self.folder.general_tuned)
        yield from shown(after, "test", step, self.unit, general_wer=_general_wer(forgetting))
        if self.config.short_seconds:
            yield from keep_short(self.folder, self.scorer, self.before, after, self.splits["test"])
        return after

    def keep_best(self) -> Generator[Event, None, int]:
        """Give the model its best adapter; the step it is of."""
        progress = self.learner.progress
        if progress.best is None:
            yield Warned(message=f"Validation was not scored yet: the adapter is that of step {progress.step}.")
            return progress.step
        checkpoint.load_adapter(self.learner, self.folder.checkpoints, progress.best.step)
        if progress.base and not progress.has_helped:
            yield Warned(message=_did_not_help(progress.base, progress.best, self.unit))
        return progress.best.step

    def stop(self, reason: StopReason) -> Iterator[Event]:
        """End without a result: keep what is needed to go on, or throw away what was learnt."""
        progress = self.learner.progress
        if reason == "interrupted":
            if self.is_training and progress.step and progress.scored != progress.step:
                yield from self.save(self.learner)
        else:
            if reason == "discard":
                self.folder.discard_learnt()
            else:
                yield Warned(message="The run was stopped before its first step: there was nothing to save.")
            self.folder.clear_stop_request()
        yield Stopped(step=progress.step, reason=reason)


def _general_wer(evaluation: Evaluation | None) -> float | None:
    """Digits and digit names count as the same: a convention that was learnt is nothing forgotten."""
    return rate(evaluation.spoken, unit_of(evaluation)) if evaluation else None


def _did_not_help(base: Scoring, best: Scoring, unit: Unit) -> str:
    if base.wer == 0:
        return "The base model makes no error on the validation clips: they cannot show what tuning gains."
    return (
        f"Tuning did not help: on the validation clips the {RATES[unit].lower()} is {base.wer:.1%} without an adapter "
        f"and {best.wer:.1%} with the best one (step {best.step}), which is kept anyway. Check the "
        "labels, record more clips, or try another learning rate."
    )

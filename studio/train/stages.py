"""The stages of one run: encode, baseline, train, finish; and how it stops before its end."""

from __future__ import annotations

import shutil
import time
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from dataclasses import replace

from studio.data.manifest import Pair
from studio.errors import DataError, DivergedError, StopReason, StopRequested
from studio.evaluation.evaluate import Evaluation
from studio.evaluation.figures import RATES, percent
from studio.evaluation.verdict import rate
from studio.models import adapters, strength, typists
from studio.models.folders import written_whole
from studio.models.frames import for_learning
from studio.models.word_times import timed
from studio.reports.markdown import write_report
from studio.runs.events import CheckpointSaved, Event, Finished, LossMeasured, Phase, Stopped, Warned
from studio.text.metrics import Unit
from studio.train import checkpoint, clean_pairs
from studio.train.encoding import EncodingSet, encode
from studio.train.held_out import Baseline, baseline, general_wer, tuned
from studio.train.loop import Learner, fit
from studio.train.prepared import PreparedRun, labelled_by_base
from studio.train.progress import Scoring
from studio.train.resources import peak_memory
from studio.train.rows import Rows
from studio.train.scoring import shown
from studio.train.stopping import Stopper
from studio.typing.typist import Typist
from studio.workspace import write_atomically


class FineTune:
    """The stages of one run, in their order; each yields its events."""

    def __init__(self, run: PreparedRun, stopper: Stopper) -> None:
        self._run, self._stopper = run, stopper
        self._learner, self._folder = run.learner, run.folder
        self._validation_rows = Rows()
        self._general_rows = Rows()  # of its validation split
        self._is_training = False
        # What an earlier start has learnt is saved by `_train`, which is near: until then the request waits.
        stopper.heeds_save = self._learner.progress.step == 0

    def events(self) -> Iterator[Event]:
        """The whole run. Where it is asked to stop it does so, and says how."""
        ranks = self._learner.ranks
        yield self._run.started()
        yield from (Warned(message=note) for note in self._run.notes)
        try:
            self._run = yield from labelled_by_base(self._run, self._stopper.check)
            ranks.send(self._run.for_followers())
            yield from self._encode()
            before = yield from baseline(self._run)
            self._meet()
            yield from self._train(before.unit)
            yield from self._finish(before)
        except StopRequested as request:
            ranks.dismiss()  # where one of them was killed, that is the reason for this stop, and it is reported
            yield from self._stop(request.reason)

    def _encode(self) -> Iterator[Event]:
        """What the family computes once a clip. What it refuses is left out of training, or of the loss."""
        run, config, splits = self._run, self._run.config, self._run.splits
        family = run.recogniser.family
        encoding_sets = [
            EncodingSet(run.plan.dataset, splits["train"], self._learner.rows, config.augment, config.seed),
            EncodingSet(run.plan.dataset, clean_pairs.copies(splits["train"]), self._learner.rows),
            EncodingSet(run.plan.dataset, splits["validation"], self._validation_rows),
        ]
        if others := run.plan.general:
            encoding_sets += [
                EncodingSet(others.dataset, run.replayed_clips(), self._learner.replayed),
                EncodingSet(others.dataset, timed(others.splits["validation"], family), self._general_rows),
            ]
            if others.sound:
                encoding_sets.append(EncodingSet(others.sound, run.replayed_sound(), self._learner.replayed))
        recogniser = for_learning(run.recogniser, config)
        yield from encode(recogniser, encoding_sets, self._stopper.check, run.plan.workspace.features)
        if not self._learner.rows or not self._validation_rows:
            raise DataError("No clip is left to learn from.", "Record more clips, or choose another model.")

    def _meet(self) -> None:
        """What the typed texts to learn from say about their typist counts from now on."""
        pairs = [pair for pair in self._run.splits["train"] if isinstance(pair, Pair)]
        if pairs:
            typists.meet(self._run.recogniser.model, Typist.of((pair.typed, pair.text) for pair in pairs))

    def _train(self, unit: Unit) -> Iterator[Event]:
        """The loop, until it ends by itself or is asked to stop and save."""
        progress = self._learner.progress
        self._is_training = self._stopper.heeds_save = True
        yield Phase(name="training", done=progress.step, total=self._run.config.max_steps)
        try:
            yield from fit(self._learner, lambda _: self._validate(unit), self._save, self._stopper.check)
        except StopRequested as request:
            if request.reason != "stop and save" or not progress.step:
                raise
            yield from self._save(self._learner)
            yield Stopped(step=progress.step, reason="stop and save")
        except DivergedError as error:
            if progress.best is None:
                raise
            yield Warned(message=str(error))
            yield Stopped(step=progress.step, reason="diverged")
        self._learner.ranks.dismiss()
        self._is_training = self._stopper.heeds_save = False

    def _validate(self, unit: Unit) -> Iterator[Event]:
        """Score the validation clips, the own and the general ones, and count it; or measure the loss alone."""
        run, progress = self._run, self._learner.progress
        if not progress.is_decoded(run.config, len(run.splits["validation"]) + len(run.general_clips("validation"))):
            progress.scored = progress.step
            loss, general_loss = self._losses()
            yield LossMeasured(step=progress.step, loss=loss, general_loss=general_loss)
            return
        evaluation, scoring = yield from self._scored(unit)
        is_best = progress.count(scoring)
        others = {"general_wer": scoring.general_wer, "general_loss": scoring.general_loss}
        yield from shown(evaluation, "validation", progress.step, unit, best=is_best, loss=scoring.loss, **others)

    def _losses(self) -> tuple[float, float | None]:
        """Of the validation clips, the own and the general ones."""
        scorer = self._run.scorer
        return scorer.loss(self._validation_rows), scorer.loss(self._general_rows) if self._general_rows else None

    def _scored(self, unit: Unit) -> Generator[Event, None, tuple[Evaluation, Scoring]]:
        """The validation clips as the model transcribes them now: the own ones, and all that counts."""
        run, step = self._run, self._learner.progress.step
        own, known = run.splits["validation"], run.general_clips("validation")
        loss, general_loss = self._losses()
        # Before its first step an adapter changes nothing: what the base model reads serves every run.
        is_base = step == 0 and run.recogniser.family.kind == "speech"
        kept = run.plan.workspace.readings if is_base else None
        adapter = None if is_base else self._folder.name
        with adapters.without_adapter(run.recogniser) if is_base else nullcontext():
            scorer = replace(run.scorer, rows=self._validation_rows)
            evaluation = yield from scorer.evaluate(own, "validating", adapter, kept)
            forgetting = None
            if run.general_scorer and known:
                scorer = replace(run.general_scorer, rows=self._general_rows)
                forgetting = yield from scorer.evaluate(known, "validating", adapter, kept)
        score = evaluation.score
        size = score.characters if unit == "character" else score.words
        others = {"general_wer": general_wer(forgetting), "general_loss": general_loss}
        return evaluation, Scoring(step=step, wer=rate(score, unit), words=size, loss=loss, **others)

    def _save(self, learner: Learner) -> Iterator[Event]:
        """Write a checkpoint."""
        self._measure()
        path = checkpoint.save(learner, self._folder.checkpoints)
        yield CheckpointSaved(step=learner.progress.step, path=str(path.relative_to(self._folder.path)))

    def _measure(self) -> None:
        """Note how long the run took so far, and how much memory."""
        progress = self._learner.progress
        progress.wall_seconds = time.perf_counter() - self._run.began
        progress.peak_memory = max(progress.peak_memory, peak_memory(self._run.recogniser.device))

    def _finish(self, before: Baseline) -> Iterator[Event]:
        """Restore the best adapter, write it, score it, report, and say that the run is whole."""
        recogniser, folder, progress = self._run.recogniser, self._folder, self._learner.progress
        step = yield from self._keep_best(before.unit)
        chosen = yield from self._weaken(before.unit)
        yield Phase(name="writing")
        adapters.save(recogniser, folder.adapter, self._run.config.alpha)
        with written_whole(folder.processor) as target:
            recogniser.family.save_processor(recogniser.processor, target)
        own, after = yield from tuned(self._run, before, step)
        yield Phase(name="writing")
        self._stopper.check()
        self._measure()
        finished = Finished(
            step=progress.step,
            best_step=step,
            strength=chosen,
            wer_before=own.score.wer,
            wer_after=after.score.wer,
            cer_before=own.score.cer,
            cer_after=after.score.cer,
            unit=before.unit,
            seconds=progress.wall_seconds,
            peak_memory=progress.peak_memory,
        )
        write_report(folder, finished)
        folder.clear_stop_request()
        shutil.rmtree(folder.readings, ignore_errors=True)
        write_atomically(folder.done, "")
        yield finished

    def _keep_best(self, unit: Unit) -> Generator[Event, None, int]:
        """Give the model its best adapter; the step it is of."""
        progress = self._learner.progress
        if progress.best is None:
            yield Warned(message=f"Validation was not scored yet: the adapter is that of step {progress.step}.")
            return progress.step
        checkpoint.load_adapter(self._learner, self._folder.checkpoints, progress.best.step)
        if progress.base and not progress.has_helped:
            yield Warned(message=_did_not_help(progress.base, progress.best, unit))
        return progress.best.step

    def _weaken(self, unit: Unit) -> Generator[Event, None, float]:
        """Lower the adapter's strength as far as the validation clips allow; what it is then."""
        recogniser, config = self._run.recogniser, self._run.config
        best, base = self._learner.progress.best, self._learner.progress.base
        if not (config.choose_strength and best and base and strength.can_change(recogniser)):
            return 1.0
        is_typing = recogniser.family.kind == "typing"
        if is_typing:
            chosen = yield from self._least_strength(best, unit)
        else:
            chosen = (yield from self._gentlest(best, unit)) if best.forgets(base) else 1.0
        if chosen < 1:
            strength.keep(recogniser, chosen)
            yield Warned(message=_weakened(chosen, is_typing))
        return chosen

    def _gentlest(self, best: Scoring, unit: Unit) -> Generator[Event, None, float]:
        """The strength down to which it forgets less at each step and costs the own clips nothing."""
        chosen = 1.0
        for weaker in strength.WEAKER:
            scoring = yield from self._scored_at(weaker, unit)
            if not scoring.is_gentler_than(best):
                break
            best, chosen = scoring, weaker
        return chosen

    def _least_strength(self, best: Scoring, unit: Unit) -> Generator[Event, None, float]:
        """The lowest strength with the fewest errors: a typist's habits and words act at any strength."""
        fewest, chosen = best.wer, 1.0
        for weaker in strength.WEAKER_TYPING:
            scoring = yield from self._scored_at(weaker, unit)
            if scoring.wer <= fewest:
                fewest, chosen = scoring.wer, weaker
        return chosen

    def _scored_at(self, weaker: float, unit: Unit) -> Generator[Event, None, Scoring]:
        with strength.scaled(self._run.recogniser, weaker):
            _, scoring = yield from self._scored(unit)
        return scoring

    def _stop(self, reason: StopReason) -> Iterator[Event]:
        """End without a result: keep what is needed to go on, or throw away what was learnt."""
        progress = self._learner.progress
        if reason == "interrupted":
            if self._is_training and progress.step and progress.scored != progress.step:
                yield from self._save(self._learner)
        else:
            if reason == "discard":
                self._folder.discard_learnt()
            else:
                yield Warned(message="The run was stopped before its first step: there was nothing to save.")
            self._folder.clear_stop_request()
        yield Stopped(step=progress.step, reason=reason)


def _weakened(chosen: float, is_typing: bool) -> str:
    why = (
        "the validation pairs have no more errors and the model stays closer to the base"
        if is_typing
        else "it makes no more errors on the validation clips and forgets less of other voices"
    )
    return f"The adapter is kept at {chosen:.0%} of its strength, where {why}."


def _did_not_help(base: Scoring, best: Scoring, unit: Unit) -> str:
    if base.wer == 0:
        return "The base model makes no error on the validation clips: they cannot show what tuning gains."
    return (
        f"Tuning did not help: on the validation clips the {RATES[unit].lower()} is {percent(base.wer)} without an "
        f"adapter and {percent(best.wer)} with the best one (step {best.step}), which is kept anyway. Check the "
        "labels, record more clips, or try another learning rate."
    )

"""A run with its model in memory: the adapter where the last checkpoint left it, the clips that it can transcribe."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

from studio.config import TrainConfig
from studio.data.manifest import Dataset, Example
from studio.data.utterance import Split
from studio.models import Recogniser, adapters, frames, load, word_times
from studio.models.before_start import secrets_note
from studio.models.writable import Splits, only_writable, unwritable, unwritable_note
from studio.runs.events import Event, Started
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.train import checkpoint, clean_pairs, clips, general
from studio.train.adapted import with_adapter
from studio.train.follower import FollowerPlan
from studio.train.general import GeneralSet
from studio.train.loop import Learner, fresh_learner
from studio.train.ranks import SingleProcess
from studio.train.scoring import Scorer
from studio.train.stopping import Check, Stopper
from studio.workspace import Workspace


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run is about, as it was when it began."""

    record: RunRecord
    dataset: Dataset
    splits: Splits
    general: GeneralSet | None
    workspace: Workspace  # whose cache of features it uses


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """All that its stages work on."""

    plan: RunPlan  # with the clips that the model can transcribe, and learn to write
    folder: RunFolder
    recogniser: Recogniser
    learner: Learner
    scorer: Scorer
    general_scorer: Scorer | None
    notes: list[str]  # what a person should know before it starts
    began: float  # by time.perf_counter, were it not for the times between resumes

    @property
    def config(self) -> TrainConfig:
        """The run's settings."""
        return self.plan.record.config

    @property
    def splits(self) -> Splits:
        """The clips of its dataset."""
        return self.plan.splits

    def general_clips(self, split: Split) -> list[Example]:
        """The clips of the general set that measure what is forgotten, or help to choose."""
        return self.plan.general.splits[split] if self.plan.general else []

    def replayed_clips(self) -> list[Example]:
        """The clips of the general set that are learnt from."""
        return self.general_clips("train") if self.config.replay_share else []

    def replayed_sound(self) -> list[Example]:
        """The clips of the person's dataset without labels that are learnt from, as the base model wrote them."""
        return self.plan.general.unlabelled if self.plan.general and self.config.replay_share else []

    def for_followers(self) -> FollowerPlan:
        """What other processes need to know of the run."""
        return FollowerPlan(
            self.config,
            self.plan.record.resolved_threads,
            self.plan.record.resolved_precision,
            self.splits["train"],
            self.replayed_clips(),
            self.replayed_sound(),
            checkpoint.state_of(self.learner),
        )

    def started(self) -> Started:
        """The event that it begins with."""
        return Started(
            run=self.folder.name,
            model=self.config.model,
            device=self.recogniser.device,
            train_clips=len(self.splits["train"]),
            validation_clips=len(self.splits["validation"]),
            test_clips=len(self.splits["test"]),
            train_seconds=self.plan.record.seconds["train"],
            max_steps=self.config.max_steps,
            trainable_parameters=sum(parameter.numel() for parameter in self.learner.parameters.values()),
            total_parameters=sum(parameter.numel() for parameter in self.recogniser.model.parameters()),
            resumed_from=self.learner.progress.step,
            processes=self.learner.ranks.size,
        )


def labelled_by_base(run: PreparedRun, check: Check) -> Generator[Event, None, PreparedRun]:
    """`run` with what its base model writes as the labels of the replayed clips that have none.

    It is transcribed once for each model, and kept for the next run.
    """
    others = run.plan.general
    if not others or not run.config.replay_share:
        return run
    with adapters.without_adapter(run.recogniser):
        cache = run.plan.workspace.readings
        others = yield from general.labelled(others, run.recogniser, run.splits, cache, check)
    return replace(run, plan=replace(run.plan, general=others))


def prepare(
    plan: RunPlan, moved: list[str], folder: RunFolder, stopper: Stopper, ranks: SingleProcess, began: float
) -> PreparedRun:
    """Load the model; `moved` says which clips changed their split for this run. Raises as `studio.models.load`.

    The run's time counts from `began`, by time.perf_counter.
    """
    config = plan.record.config
    base = load(config.model, ranks.device or plan.record.resolved_device, plan.record.resolved_precision)
    frames.check(base.family, config)
    splits, left_out = clips.only_usable(plan.dataset, plan.splits, base.family)
    splits, too_long = only_writable(splits, base)
    splits, untimed = word_times.only_timed(splits, base.family, config.dataset)
    left_out += [*too_long, *untimed]
    never_right = unwritable(splits["test"], base)
    record = plan.record.using(splits)
    record.write(folder)
    recogniser = with_adapter(base, config)
    learner = fresh_learner(recogniser, config, ranks)
    checkpoint.load(learner, folder.checkpoints)
    others, general_scorer = plan.general, None
    if others:
        others, bad = general.only_usable(others, base)
        left_out += bad
        counted = config.model_copy(update={"normaliser": others.normaliser})
        general_scorer = Scorer(recogniser, others.dataset, counted, stopper.check, is_general=True)
    return PreparedRun(
        plan=RunPlan(record, plan.dataset, splits, others, plan.workspace),
        folder=folder,
        recogniser=recogniser,
        learner=learner,
        scorer=Scorer(recogniser, plan.dataset, config, stopper.check),
        general_scorer=general_scorer,
        notes=[
            *clips.notes(splits, moved, left_out, plan.dataset.problems()),
            *secrets_note(config.dataset, splits["train"]),
            *clean_pairs.note(splits["train"]),
            *clips.resampled_note(plan.dataset, splits, base.family),
            *([unwritable_note(never_right)] if never_right else []),
        ],
        began=began - learner.progress.wall_seconds,
    )

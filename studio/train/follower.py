"""What every process of a launched run does but the first: it adds the gradients of its share of each step."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from studio.config import Precision, TrainConfig
from studio.data.manifest import Example
from studio.errors import DataError, DivergedError
from studio.evaluation import general_set
from studio.evaluation.evaluate import open_dataset
from studio.models import load
from studio.models.frames import for_learning
from studio.text import counted
from studio.train import checkpoint, clean_pairs
from studio.train.adapted import with_adapter
from studio.train.checkpoint import State
from studio.train.encoding import EncodingSet, encode
from studio.train.loop import Learner, StepRequest, fresh_learner, take_step
from studio.train.randomness import reproducible
from studio.train.ranks import DistributedProcess
from studio.train.resources import out_of_memory_explained
from studio.workspace import Workspace


@dataclass(frozen=True, slots=True)
class FollowerPlan:
    """What a run is about, for those that follow: its usable clips, and how far it has come."""

    config: TrainConfig
    threads: int
    precision: Precision
    train: list[Example]
    replayed: list[Example]
    sound: list[Example]  # replayed too, of a dataset without labels
    state: State


def follow(ranks: DistributedProcess, workspace: Workspace) -> None:
    """Serve the leader until it lets go. Raises JobError where it is gone; ModelError, DataError, DeviceError."""
    plan: FollowerPlan | None = ranks.receive()
    if plan is None:
        return
    with out_of_memory_explained(), reproducible(plan.config.seed, plan.threads):
        learner = _learner(plan, ranks, workspace)
        order: StepRequest | None
        while order := ranks.receive():
            _check_rows(learner, order)
            with suppress(DivergedError):  # the leader saw the same sum, and decides
                take_step(learner, order.rate, _go_on)


def _learner(plan: FollowerPlan, ranks: DistributedProcess, workspace: Workspace) -> Learner:
    config = plan.config
    recogniser = with_adapter(load(config.model, f"{ranks.device}", plan.precision), config)
    learner = fresh_learner(recogniser, config, ranks)
    checkpoint.put(learner, plan.state)
    own = open_dataset(workspace, config.dataset)
    encoding_sets = [
        EncodingSet(own, plan.train, learner.rows, config.augment, config.seed),
        EncodingSet(own, clean_pairs.copies(plan.train), learner.rows),
    ]
    if plan.replayed and (others := general_set.dataset_of(config, workspace)):
        encoding_sets.append(EncodingSet(others, plan.replayed, learner.replayed))
    if plan.sound and (unlabelled := general_set.sound_of(config, workspace)):
        encoding_sets.append(EncodingSet(unlabelled, plan.sound, learner.replayed))
    for _ in encode(for_learning(recogniser, config), encoding_sets, _go_on, workspace.features):
        pass  # the leader reports the same
    return learner


def _check_rows(learner: Learner, order: StepRequest) -> None:
    rows = len(learner.rows) + len(learner.replayed)
    if rows != order.rows:
        raise DataError(
            f"Process {learner.ranks.rank} could read {rows} of the run's {counted(order.rows, 'training clip')}.",
            "Copy the whole dataset to every machine.",
        )


def _go_on() -> None:
    """A follower stops when the leader does, at no other time."""

"""How far a run has come, and what was best so far: the part of a checkpoint that a person can read."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict

from studio.config import TrainConfig


class Scoring(BaseModel):
    """The validation split, scored after `step`."""

    model_config = ConfigDict(frozen=True)

    step: int
    wer: float
    loss: float  # nats per token

    def is_better_than(self, other: Scoring | None) -> bool:
        """Fewer word errors; at the same number, a lower loss; where both tie, the earlier stays.

        A validation split of a few clips often has the same word errors at several steps (all of them, at
        first): the loss still tells which is surer. The earlier of two equals has moved less far from the
        base model.
        """
        return other is None or self._key < other._key

    @property
    def _key(self) -> tuple[float, float]:
        return self.wer, self.loss if math.isfinite(self.loss) else math.inf


class Progress(BaseModel):
    """The loop's state at the boundary between two steps."""

    step: int = 0  # optimiser steps done; with the seed it says which clips come next
    scored: int = -1  # the step whose validation is already counted below
    base: Scoring | None = None  # before the first step: the base model's own score
    best: Scoring | None = None  # of the adapters scored so far
    scorings_since_best: int = 0
    seconds: float = 0.0  # of training and its scorings, resumes added up
    wall_seconds: float = 0.0  # of the whole run up to here, resumes added up
    peak_memory: int = 0  # bytes

    def is_due(self, config: TrainConfig) -> bool:
        """Whether to score validation now: before the first step, every `eval_every`, after the last."""
        at_mark = self.step % config.eval_every == 0 or self.step == config.max_steps
        return at_mark and self.scored != self.step

    def is_spent(self, config: TrainConfig) -> bool:
        """Whether patience is at its end: `patience` scorings in a row were no better than the best."""
        return self.scorings_since_best >= config.patience

    def count(self, scoring: Scoring) -> bool:
        """Take note of a scoring; True where it is the best adapter so far."""
        self.scored = scoring.step
        if scoring.step == 0:
            self.base = scoring
            return False
        is_best = scoring.is_better_than(self.best)
        if is_best:
            self.best = scoring
        self.scorings_since_best = 0 if is_best else self.scorings_since_best + 1
        return is_best

    @property
    def has_helped(self) -> bool:
        """Whether the best adapter makes fewer word errors on the validation split than no adapter at all."""
        return self.best is not None and (self.base is None or self.best.wer < self.base.wer)

"""How far a run has come, and what was best so far: the part of a checkpoint that a person can read."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict

from studio.config import TrainConfig

TOLERATED = 0.02  # of general WER: of the 85 words that help choose for the starter, one is 0.012 and mere chance
FEW_WORDS = 60  # of the own validation clips, about ten clips: of fewer one clip decides which adapter looks best
CHANCE_OF_FEW = 3  # words that then are chance
LOSS_FOR_NOTHING = 0.02  # nats per token of the own clips, a difference that counts as none; chosen by hand

_ROUNDING = 1e-9


class Scoring(BaseModel):
    """The validation clips, scored after `step`: the own, and those of the general set where there is one."""

    model_config = ConfigDict(frozen=True)

    step: int
    wer: float  # or the rate of character errors, where the language has no spaces: as the verdict counts
    loss: float  # nats per token
    words: int = 0  # of the own clips' references, or characters; 0 in runs that were begun by an earlier version
    general_wer: float | None = None
    general_loss: float | None = None

    def cost(self, base: Scoring | None) -> float:
        """Word errors; what the general clips lose against `base` counts point for point, beyond TOLERATED."""
        forgotten = (self.general_wer or 0) - ((base.general_wer if base else 0) or 0) - TOLERATED
        return self.wer + max(0.0, forgotten)

    def forgets(self, base: Scoring) -> bool:
        """Whether the general clips are worse off than with `base`."""
        words = (self.general_wer or 0) > (base.general_wer or 0)
        return words or (self.general_loss or 0) > (base.general_loss or 0)

    def is_gentler_than(self, other: Scoring) -> bool:
        """Whether it forgets less than `other`, and is as right about the own clips, nearly to the loss."""
        is_as_right = self.wer <= other.wer + _ROUNDING and self.loss <= other.loss + LOSS_FOR_NOTHING
        forgets_less = (self.general_wer or 0) <= (other.general_wer or 0) + _ROUNDING
        return is_as_right and forgets_less and (self.general_loss or 0) < (other.general_loss or 0)

    @property
    def both_losses(self) -> float:
        """Own and general, in nats per token: which of two is surer."""
        loss = self.loss + (self.general_loss or 0)
        return loss if math.isfinite(loss) else math.inf

    @property
    def chance(self) -> float:
        """What of the WER is chance: a word more or less; of few words three."""
        words = CHANCE_OF_FEW if self.words < FEW_WORDS else 1
        return words / self.words if self.words else 0.0


class Progress(BaseModel):
    """The loop's state at the boundary between two steps."""

    step: int = 0  # optimiser steps done; with the seed it says which clips come next
    scored: int = -1  # the step that was scored last, and need not be again
    base: Scoring | None = None  # before the first step: the base model's own score
    best: Scoring | None = None  # of the adapters scored so far
    least: float | None = None  # cost of any of them
    scorings_since_best: int = 0
    halved_at: int | None = None  # the step for which memory ran out: from there on micro-batches are halved
    seconds: float = 0.0  # of training and its scorings, resumes added up
    wall_seconds: float = 0.0  # of the whole run up to here, resumes added up
    peak_memory: int = 0  # bytes

    def is_due(self, config: TrainConfig) -> bool:
        """Whether to score validation now: before the first step, every `eval_every`, after the last."""
        at_mark = self.step % config.eval_every == 0 or self.step == config.max_steps
        return at_mark and self.scored != self.step

    def is_decoded(self, config: TrainConfig, clips: int) -> bool:
        """Whether the scoring now also decodes its `clips`, which takes longest, or measures the loss alone.

        It decodes so seldom that no more clips are decoded than were learnt from, and always at both ends.
        """
        learnt = config.eval_every * config.batch_size * config.accumulation
        every = config.eval_every * math.ceil(clips / learnt)
        return self.step % every == 0 or self.step == config.max_steps

    def is_spent(self, config: TrainConfig) -> bool:
        """Whether patience is at its end: `patience` scorings in a row were no better than the best."""
        return self.scorings_since_best >= config.patience

    def count(self, scoring: Scoring) -> bool:
        """Take note of a scoring; True where it is the best adapter so far."""
        self.scored = scoring.step
        if scoring.step == 0:
            self.base = scoring
            return False
        is_best = self.best is None or self._is_better(scoring, self.best)
        if is_best:
            self.best = scoring
        self.scorings_since_best = 0 if is_best else self.scorings_since_best + 1
        return is_best

    def _is_better(self, scoring: Scoring, best: Scoring) -> bool:
        """Whether `scoring` is the one to keep: within a word of the fewest errors, the one with the lowest loss.

        Of many clips a word is chance, of two clips three are, and the loss of all validation clips says more. Where
        all is the same the earlier stays: it has moved less far from the base model.
        """
        cost, kept = scoring.cost(self.base), best.cost(self.base)
        self.least = min(cost, kept if self.least is None else self.least)
        bound = self.least + scoring.chance + _ROUNDING
        if cost > bound or kept > bound:
            return cost < kept
        return (scoring.both_losses, cost) < (best.both_losses, kept)

    @property
    def has_helped(self) -> bool:
        """Whether the best adapter makes fewer word errors on the validation split than no adapter at all."""
        return self.best is not None and (self.base is None or self.best.wer < self.base.wer)

"""Scoring a split while a run goes on: it tells how far it is, and can be stopped between batches."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from studio.config import TrainConfig
from studio.data.manifest import Dataset, Utterance
from studio.evaluate import Evaluation, in_batches, scored, transcribe
from studio.events import Evaluated, Event, Phase, Sampled
from studio.models import Hypothesis, Recogniser
from studio.train.stopping import Check

if TYPE_CHECKING:
    from studio.models.base import Row

ScoringPhase = Literal["baseline", "validating", "tuned"]
SAMPLES = 3  # clips shown after each scoring: always the same, so that one sees them change


@dataclass(frozen=True, slots=True)
class Scorer:
    """What scoring needs, whichever split it is."""

    recogniser: Recogniser
    dataset: Dataset
    config: TrainConfig
    check: Check

    def evaluate(
        self, clips: Sequence[Utterance], phase: ScoringPhase, adapter: str | None
    ) -> Generator[Event, None, Evaluation]:
        """Decode and score `clips`, all of one split."""
        hypotheses: list[Hypothesis] = []
        for batch in in_batches(clips):
            yield Phase(name=phase, done=len(hypotheses), total=len(clips))
            self.check()
            hypotheses += transcribe(self.recogniser, self.dataset, batch)
        yield Phase(name=phase, done=len(clips), total=len(clips))
        return scored(clips, hypotheses, model=self.config.model, adapter=adapter, normaliser=self.config.normaliser)

    def loss(self, rows: Sequence[Row]) -> float:
        """Nats per token over `rows`, each token given the reference before it."""
        import torch

        family, model = self.recogniser.family, self.recogniser.model
        model.eval()
        nats = tokens = 0.0
        with torch.no_grad():
            for start in range(0, len(rows), self.config.batch_size):
                self.check()
                total, weight = family.loss(model, family.collate(rows[start : start + self.config.batch_size]))
                nats, tokens = nats + total.item(), tokens + weight.item()
        return nats / tokens


def shown(
    evaluation: Evaluation,
    split: Literal["validation", "test"],
    step: int,
    *,
    best: bool = False,
    loss: float | None = None,
) -> Iterator[Event]:
    """The events that tell of `evaluation` after `step`."""
    yield Evaluated(
        step=step,
        split=split,
        wer=evaluation.score.wer,
        cer=evaluation.score.cer,
        clips=evaluation.score.clips,
        best=best,
        loss=loss,
    )
    for row in evaluation.rows[:SAMPLES]:
        yield Sampled(step=step, reference=row.reference, hypothesis=row.hypothesis)

"""Scoring a split during a run: it reports its progress, and can be stopped between batches."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from studio.config import TrainConfig
from studio.data.manifest import Dataset, Example
from studio.errors import DataError
from studio.evaluation import failure_modes
from studio.evaluation.cache import HypothesisCache
from studio.evaluation.evaluate import Evaluation, hash_of, scored
from studio.evaluation.failure_modes import Probe
from studio.evaluation.hypotheses import Hypotheses, transcribed
from studio.models import Hypothesis, Recogniser
from studio.models.writable import named, shortened, unwritable
from studio.runs.events import Evaluated, Event, Phase, Sampled, Warned
from studio.text.metrics import Unit
from studio.train.rows import Rows
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
    rows: Rows = field(default_factory=Rows)  # of clips that were encoded before: then they are only decoded
    is_general: bool = False  # the clips are of other voices

    def evaluate(
        self, clips: Sequence[Example], phase: ScoringPhase, adapter: str | None, kept: Path | None = None
    ) -> Generator[Event, None, Evaluation]:
        """Decode and score `clips`, all of one split; before and after tuning also silence and noise.

        The folder `kept` holds the hypotheses so far: a run that was killed continues there. A clip that cannot be
        read any more is left out, and named. Raises DataError where none is left.
        """
        of = hash_of(clips)
        known = (
            HypothesisCache.of(kept, self.recogniser, of, with_adapter=adapter is not None)
            if kept
            else HypothesisCache()
        )
        read = Hypotheses()
        yield Phase(name=phase, total=len(clips), general=self.is_general)
        self.check()
        for batch in transcribed(self.recogniser, self.dataset, clips, known, self.rows.of):
            read.add(batch)
            yield Phase(name=phase, done=read.done, total=len(clips), general=self.is_general)
            self.check()
        good, skipped = read.clips_of(clips), read.skipped
        if skipped:
            yield Warned(message=f"Skipped while scoring ({len(skipped)}): {shortened(skipped)}.")
        if not good:
            raise DataError(f"None of the {clips[0].split} clips can be read.", "Bring them back, and resume.")
        probes = [] if phase == "validating" else failure_modes.probes(self.recogniser)
        too_long = [] if phase == "validating" else named(unwritable(good, self.recogniser))
        found = self._scored(good, list(read.texts.values()), adapter, skipped, probes)
        return found.model_copy(update={"unwritable": too_long})

    def _scored(
        self,
        clips: Sequence[Example],
        hypotheses: Sequence[Hypothesis],
        adapter: str | None,
        skipped: Sequence[str],
        probes: Sequence[Probe],
    ) -> Evaluation:
        return scored(
            clips,
            hypotheses,
            model=self.config.model,
            adapter=adapter,
            normaliser=self.config.normaliser,
            skipped=skipped,
            probes=probes,
        )

    def narrowed(self, evaluation: Evaluation, other: Evaluation, clips: Sequence[Example]) -> Evaluation:
        """`evaluation` on the clips that `other` has too, so that the two can be compared."""
        rows, wanted = {row.id for row in evaluation.rows}, {row.id for row in other.rows}
        both = [clip for clip in clips if clip.id in wanted & rows]
        if len(both) == len(rows):
            return evaluation
        return self.only(evaluation, both, other.skipped)

    def only(self, evaluation: Evaluation, clips: Sequence[Example], skipped: Sequence[str] = ()) -> Evaluation:
        """`evaluation` of some of its clips."""
        rows = {row.id: row for row in evaluation.rows}
        read = [rows[clip.id] for clip in clips]
        return self._scored(clips, [row.as_read for row in read], evaluation.adapter, skipped, evaluation.probes)

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
    unit: Unit,
    *,
    best: bool = False,
    loss: float | None = None,
    general_wer: float | None = None,
    general_loss: float | None = None,
) -> Iterator[Event]:
    """The events that report `evaluation` after `step`."""
    yield Evaluated(
        step=step,
        split=split,
        wer=evaluation.score.wer,
        cer=evaluation.score.cer,
        unit=unit,
        clips=evaluation.score.clips,
        best=best,
        loss=loss,
        general_wer=general_wer,
        general_loss=general_loss,
    )
    for row in evaluation.rows[:SAMPLES]:
        yield Sampled(step=step, reference=row.reference, hypothesis=row.hypothesis)

"""The training loop. It yields events; set-up, scoring, saving and printing live outside it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from studio.config import TrainConfig
from studio.errors import DivergedError
from studio.models import Recogniser
from studio.runs.events import Event, Phase, StepDone, Stopped, Warned
from studio.train import randomness
from studio.train.batches import clips_of_step, share_of
from studio.train.progress import Progress
from studio.train.randomness import RandomState
from studio.train.ranks import SingleProcess
from studio.train.resources import is_out_of_memory
from studio.train.rows import Rows
from studio.train.stopping import Check

if TYPE_CHECKING:
    import torch

    from studio.models.base import Batch


@dataclass(slots=True)
class Learner:
    """All that a step changes, and what it learns from."""

    recogniser: Recogniser
    rows: Rows  # of each training clip, as its family prepared it, followed by its variants
    replayed: Rows  # the same, of clips that are mixed in against forgetting
    config: TrainConfig
    parameters: dict[str, torch.nn.Parameter]  # the adapter's, by name
    optimiser: torch.optim.Optimizer
    progress: Progress = field(default_factory=Progress)
    random_state: RandomState = field(default_factory=randomness.capture)  # at the boundary between two steps
    ranks: SingleProcess = field(default_factory=SingleProcess)


@dataclass(frozen=True, slots=True)
class StepRequest:
    """The next step, for the processes that share it."""

    rate: float  # learning rate
    rows: int  # that it is chosen from, which all must have


HALVED = "There was not enough memory for {0} clips at once: from step {1} on they are taken in two halves, slower."

Act = Callable[[Learner], Iterator[Event]]


def fresh_learner(recogniser: Recogniser, config: TrainConfig, ranks: SingleProcess | None = None) -> Learner:
    """Nothing learnt yet: AdamW over the adapter of `recogniser`, and the random state of the seed."""
    import torch

    randomness.seed_everything(config.seed)
    adapter = {name: value for name, value in recogniser.model.named_parameters() if value.requires_grad}
    optimiser = torch.optim.AdamW(adapter.values(), lr=config.learning_rate, weight_decay=config.weight_decay)
    return Learner(recogniser, Rows(), Rows(), config, adapter, optimiser, ranks=ranks or SingleProcess())


def fit(learner: Learner, evaluate: Act, save: Act, check: Check) -> Iterator[Event]:
    """Fine-tune until `max_steps`, or until patience is at its end.

    In fixed order: evaluate, save, stop, step, log. `evaluate` scores the validation clips and counts them in
    `learner.progress`; `save` writes a checkpoint; `check` raises StopRequested where the run is to stop
    here. Raises DivergedError.
    """
    progress, config = learner.progress, learner.config
    began = time.perf_counter() - progress.seconds
    while True:
        if progress.is_due(config):
            yield from evaluate(learner)
            progress.seconds = time.perf_counter() - began
            yield from save(learner)
            yield Phase(name="training", done=progress.step, total=config.max_steps)
        if progress.step >= config.max_steps:
            return
        if progress.is_spent(config):
            yield Stopped(step=progress.step, reason="early stop")
            return
        check()
        start, rate = time.perf_counter(), learning_rate(progress.step + 1, config)
        learner.ranks.order(StepRequest(rate, len(learner.rows) + len(learner.replayed)))
        loss = take_step(learner, rate, check)
        end = time.perf_counter()
        progress.seconds = end - began
        if progress.halved_at == progress.step:
            yield Warned(message=HALVED.format(config.batch_size, progress.step))
        yield StepDone(
            step=progress.step,
            loss=loss,
            learning_rate=rate,
            clips_per_second=config.batch_size * config.accumulation / (end - start),
            seconds=progress.seconds,
        )


def take_step(learner: Learner, rate: float, check: Check) -> float:
    """One optimiser step at learning rate `rate`; its loss in nats per token of the whole global batch.

    The gradient is that of the summed loss divided by the number of tokens, so that it does not matter how
    the clips are dealt out to micro-batches, nor how long each is. Every step begins with the random state
    that the last one left: nothing between two steps, not even a resume, can move it. Of several processes
    each computes a share, and all take the same step. Raises DivergedError, JobError.
    """
    import torch

    step = learner.progress.step + 1
    summed = _summed_gradients(learner, step, check)
    if summed is None:
        learner.progress.halved_at = step
        return take_step(learner, rate, check)
    total, tokens = summed
    for parameter in learner.parameters.values():
        if parameter.grad is not None:
            parameter.grad /= tokens
    norm = torch.nn.utils.clip_grad_norm_(learner.parameters.values(), learner.config.max_grad_norm)
    if not (math.isfinite(total) and math.isfinite(norm.item())):
        raise _diverged(step, learner)
    for group in learner.optimiser.param_groups:
        group["lr"] = rate
    learner.optimiser.step()
    learner.progress.step = step
    learner.random_state = randomness.capture()
    return total / tokens


def _summed_gradients(learner: Learner, step: int, check: Check) -> tuple[float, float] | None:
    """The step's loss in nats and its tokens, with the gradient of their sum; None where memory ran out once."""
    ranks = learner.ranks
    randomness.restore(learner.random_state)
    if ranks.size > 1:
        randomness.seed_share(learner.config.seed, step, ranks.rank)
    learner.recogniser.model.train()
    learner.optimiser.zero_grad(set_to_none=True)
    nats, weight, was_short = ranks.sums(*_own_gradients(learner, step, check))
    if was_short:
        return None
    ranks.add_gradients(learner.parameters.values())
    return nats, weight


def _own_gradients(learner: Learner, step: int, check: Check) -> tuple[float, float, bool]:
    """The loss in nats, the tokens and the gradients of this process' share; and whether memory ran out, once."""
    recogniser = learner.recogniser
    total, tokens = 0.0, 0.0
    try:
        for batch in _micro_batches(learner, step):
            if learner.ranks.size == 1:  # others would wait for our share: there we stop between steps alone
                check()
            nats, weight = recogniser.family.loss(recogniser.model, batch)
            nats.backward()  # type: ignore[no-untyped-call]
            total, tokens = total + nats.item(), tokens + weight.item()
    except (RuntimeError, MemoryError) as error:
        if learner.progress.halved_at or learner.config.batch_size == 1 or not is_out_of_memory(error):
            raise
        return total, tokens, True
    return total, tokens, False


def learning_rate(step: int, config: TrainConfig) -> float:
    """The learning rate of `step` (counted from 1): up in a straight line for `warmup_steps`, then down to 0.

    Straight down, not along a cosine: the simpler one, and no worse. It was the best in pre-training (Bergsma
    et al., “Straight to Zero”, arXiv:2502.15938); on the starter, with two tasks and three seeds, five of the
    six pairs ended with the same word errors, and the sixth was in its favour.
    """
    warmup = min(config.warmup_steps, config.max_steps)
    if step <= warmup:
        return config.learning_rate * step / warmup
    return config.learning_rate * (config.max_steps - step + 1) / (config.max_steps - warmup)


def _micro_batches(learner: Learner, step: int) -> Iterator[Batch]:
    rows = learner.rows + learner.replayed
    clips = len(learner.rows) // (1 + learner.config.augment)
    chosen = clips_of_step(step, clips, learner.config, len(learner.replayed))
    for indices in share_of(learner.ranks.rank, learner.ranks.size, chosen):
        middle = (len(indices) + 1) // 2
        parts = (indices[:middle], indices[middle:]) if learner.progress.halved_at else (indices,)
        for part in parts:
            yield learner.recogniser.family.collate([rows[index] for index in part])


def _diverged(step: int, learner: Learner) -> DivergedError:
    best = learner.progress.best
    kept = f" The best checkpoint, of step {best.step}, is kept." if best else ""
    return DivergedError(
        f"The loss is no longer a number at step {step}.{kept}",
        f"Lower the learning rate (it was {learner.config.learning_rate:g}), or use precision fp32.",
    )

"""One worker's training: a step, its losses, its checkpoint."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional

from studio.starter.recipe import corpus, losses
from studio.starter.recipe.batches import Batch, PhoneTable, Sampler
from studio.starter.recipe.export import CHECKPOINT
from studio.starter.recipe.model import Trainee
from studio.starter.recipe.settings import Recipe, shard_name

_SHORTEST = 1.6  # seconds: where the length curriculum starts
_AVERAGE = 0.998  # decay of the averaged weights, which are what is shipped
_WEIGHTS = {"ce": 1.0, "ctc": 0.3, "position": 0.5, "guide": 0.5}
_SMOOTHING = 0.05  # of the decoder's labels
_CLIP = 1.0  # norm of the gradient
_CTC_MEMORY = 50  # steps of the running CTC loss


@dataclass(frozen=True, slots=True)
class RecipeStep:
    """What one step did: the losses by name, averaged over the workers."""

    step: int
    losses: dict[str, float]


def train(worker: int, recipe: Recipe, work: Path) -> Iterator[RecipeStep]:
    """Train from the checkpoint in `work`, if there is one, to the recipe's end; worker 0 saves."""
    trainer = Trainer(recipe, work, worker)
    trainer.resume()
    while trainer.step < recipe.steps:
        figures = trainer.train_step()
        if worker == 0 and recipe.saves_at(trainer.step):
            trainer.save()
        yield RecipeStep(trainer.step, figures)


class Trainer:
    """Model, averaged weights, optimizer and step of one worker."""

    def __init__(self, recipe: Recipe, work: Path, worker: int) -> None:
        self.recipe, self.work, self.worker, self.step, self.shards = recipe, work, worker, 0, 0
        torch.manual_seed(recipe.seed)
        folder = work / "corpus"
        phones = PhoneTable(corpus.read_shard(folder, shard_name(0)))
        self.sampler = Sampler(str(recipe.seed), recipe.seconds, phones)
        self.sampler.add_shard(folder, "human-own", recipe.human_repeats)
        self.sampler.add_shard(folder, "human-joined")
        self.model = Trainee(recipe.shape, phones.barred.shape[1])
        self.parameters = list(self.model.parameters())
        self.average = [parameter.detach().clone() for parameter in self.parameters]
        self.optimizer = torch.optim.AdamW(_groups(self.parameters), lr=recipe.peaks[0], betas=(0.9, 0.98), fused=True)
        self.cpu_before = 0.0  # CPU-seconds of all workers in earlier sittings
        self.ctc_level = 10.0  # running mean of the CTC loss
        self.guided = False

    def train_step(self) -> dict[str, float]:
        """One optimizer step; returns the losses by name."""
        self._take_shards()
        batch = self.sampler.batch(self.step, self.worker, self._longest())
        total, figures = self._losses(batch)
        self.optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        figures = self._shared(figures)
        torch.nn.utils.clip_grad_norm_(self.parameters, _CLIP, foreach=True)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate(self.step)
        self.optimizer.step()
        decay = min(_AVERAGE, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.average, [parameter.detach() for parameter in self.parameters], 1 - decay)
        self.ctc_level += (figures["ctc"] - self.ctc_level) / _CTC_MEMORY
        self.guided = self.guided or self.ctc_level < self.recipe.guide_below
        self.step += 1
        return figures

    def _longest(self) -> float:
        """The length curriculum, in seconds: short clips first."""
        done = min(1.0, self.step / self.recipe.curriculum)
        return _SHORTEST + (corpus.MAX_SECONDS - _SHORTEST) * done

    def _losses(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        hidden = self.model.encode(batch.sound)
        logits = self.model.decode(hidden, batch.before)
        log_probs = self.model.ctc(hidden).log_softmax(-1)
        parts = {
            "ce": functional.cross_entropy(
                logits.flatten(0, 1),
                batch.after.flatten(),
                ignore_index=losses.IGNORED,
                label_smoothing=_SMOOTHING,
            ),
            "ctc": losses.ctc(log_probs, batch.ctc),
            "phone": losses.phones(self.model.phone(hidden), batch.phones, batch.barred),
            "position": losses.positions(self.model.position(hidden)),
        }
        if self.guided:
            times = token_times(log_probs.detach(), batch)
            parts["guide"] = losses.guided_attention(self.model.attention, times, hidden.shape[1])
        weights = _WEIGHTS | {"phone": self.recipe.phone_weight(self.step)}
        total = torch.stack([weights[name] * loss for name, loss in parts.items()]).sum()
        right = (logits.argmax(-1) == batch.after)[batch.after != losses.IGNORED].float().mean()
        return total, {name: loss.item() for name, loss in parts.items()} | {"right": right.item()}

    def _shared(self, figures: dict[str, float]) -> dict[str, float]:
        """Average gradients and figures over the workers."""
        if self.recipe.workers == 1:
            return figures
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        flat = torch.cat([*(g.flatten() for g in gradients), torch.tensor(list(figures.values()))])
        dist.all_reduce(flat)
        sizes = [*(gradient.numel() for gradient in gradients), len(figures)]
        *pieces, means = torch.split(flat / self.recipe.workers, sizes)
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view_as(gradient))
        return dict(zip(figures, means.tolist(), strict=True))

    def _take_shards(self) -> None:
        while self.shards < self.recipe.shards_due(self.step):
            folder, name = self.work / "corpus", shard_name(self.shards)
            while not corpus.is_whole(folder, name):
                time.sleep(1)  # another process is making it
            self.sampler.add_shard(folder, name)
            self.shards += 1

    def save(self) -> None:
        """Write the checkpoint in one rename. No random state is needed: a batch depends on seed, step and
        worker alone.
        """
        half = self.work / f"{CHECKPOINT}.half"
        torch.save(
            {
                "step": self.step,
                "guided": self.guided,
                "ctc_level": self.ctc_level,
                "cpu_seconds": self.cpu_before + self.recipe.workers * time.process_time(),
                "shape": asdict(self.recipe.shape),
                "model": self.model.state_dict(),
                "average": self.average,
                "optimizer": self.optimizer.state_dict(),
            },
            half,
        )
        half.rename(self.work / CHECKPOINT)

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        path = self.work / CHECKPOINT
        if path.exists():
            state: dict[str, Any] = torch.load(path, weights_only=True)
            self.step, self.guided, self.ctc_level = state["step"], state["guided"], state["ctc_level"]
            self.average, self.cpu_before = state["average"], state["cpu_seconds"]
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])


def token_times(log_probs: Tensor, batch: Batch) -> Tensor:
    """When each decoder token is said, in frames [batch, tokens]; the end token at the last frame, -1 for
    padding.
    """
    times = torch.full(batch.after.shape, -1.0)
    heard = losses.ctc_times(log_probs.numpy(), batch.ctc)
    for row, (units, owner) in enumerate(zip(heard, batch.owner, strict=True)):
        times[row, : len(owner)] = torch.tensor([units[place] for place in owner])
        times[row, len(owner)] = log_probs.shape[1] - 1
    return times


def _groups(parameters: list[torch.nn.Parameter]) -> list[dict[str, Any]]:
    """Weight decay for matrices, none for biases and norms."""
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.02},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]

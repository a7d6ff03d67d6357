"""The recipe: `python -m studio.starter.build --work FOLDER` makes the corpus, trains, and writes the starter model.

Seeded and resumable: stop it at any time and give the same command again. Progress is counted in steps, never in
time, so the same seed, workers and threads give the same weights. About two hours on two CPU cores.
"""
from __future__ import annotations

import argparse
import math
import os
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from studio.starter import corpus, human, losses
from studio.starter.batches import Batch, PhoneTable, Sampler
from studio.starter.model import Shape, Trainee


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides the result."""

    seed: int = 20261
    shape: Shape = field(default_factory=Shape)
    shards: int = 8
    shard_clips: int = 4000
    shard_every: int = 600  # steps after which the next shard joins
    human_repeats: int = 6  # how often each clip of the train splits counts
    human_joined: int = 6000
    seconds: float = 12.0  # of sound in a worker's batch
    workers: int = 2
    peaks: tuple[float, ...] = (1.2e-3, 8e-4)  # learning rate at the top of each cycle
    cycles: tuple[int, ...] = (7000, 9000)  # steps; each is annealed to FLOOR of its peak
    warmup: int = 100
    curriculum: int = 1500  # steps until clips of all lengths are in
    guide_below: float = 1.6  # CTC loss under which attention is guided


FLOOR = 0.02
LOG_EVERY, SAVE_EVERY = 50, 500  # steps
_SHORTEST = 1.6  # seconds: where the length curriculum starts
_AVERAGE = 0.998  # decay of the averaged weights, which are what is shipped
_WEIGHTS = {"ctc": 0.3, "position": 0.5, "guide": 0.3}
_SMOOTHING = 0.05
_CLIP = 1.0


class Trainer:
    """State of one worker: model, averaged weights, optimizer, step."""

    def __init__(self, recipe: Recipe, work: Path, worker: int) -> None:
        self.recipe, self.work, self.worker, self.step = recipe, work, worker, 0
        torch.manual_seed(recipe.seed)
        first = corpus.read_shard(work / "corpus", shard_name(0))
        phones = PhoneTable(first)
        self.sampler = Sampler(str(recipe.seed), recipe.seconds, phones)
        self.sampler.add_shard(work / "corpus", "human-own", recipe.human_repeats)
        self.sampler.add_shard(work / "corpus", "human-joined")
        self.shards = 0
        self.model = Trainee(recipe.shape, phones.barred.shape[1])
        self.parameters = list(self.model.parameters())
        self.average = [p.detach().clone() for p in self.parameters]
        wide = [p for p in self.parameters if p.ndim > 1]
        thin = [p for p in self.parameters if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": wide, "weight_decay": 0.02}, {"params": thin, "weight_decay": 0.0}],
            lr=recipe.peaks[0], betas=(0.9, 0.98), fused=True)
        self.guided = False

    def train_step(self) -> dict[str, float]:
        """One optimizer step; returns the losses by name."""
        self._take_shards()
        done = self.step / self.recipe.curriculum
        batch = self.sampler.batch(self.step, self.worker, _SHORTEST + (corpus.MAX_SECONDS - _SHORTEST) * min(1.0, done))
        total, parts = self._losses(batch)
        self.optimizer.zero_grad()
        total.backward()
        parts = self._share(parts)
        torch.nn.utils.clip_grad_norm_(self.parameters, _CLIP, foreach=True)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe, self.step)
        self.optimizer.step()
        decay = min(_AVERAGE, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - decay)
        self.guided = self.guided or parts["ctc"] < self.recipe.guide_below
        self.step += 1
        return parts

    def _losses(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        hidden = self.model.encode(batch.sound)
        logits = self.model.decode(hidden, batch.before)
        log_probs = self.model.ctc(hidden).log_softmax(-1)
        parts = {
            "ce": F.cross_entropy(logits.flatten(0, 1), batch.after.flatten(), ignore_index=losses.IGNORED,
                                  label_smoothing=_SMOOTHING),
            "ctc": losses.ctc(log_probs, batch.ctc),
            "phone": losses.phones(self.model.phone(hidden), batch.phones, batch.barred),
            "position": losses.positions(self.model.position(hidden)),
        }
        if self.guided:
            parts["guide"] = losses.guided_attention(
                self.model.attention, token_times(log_probs.detach().float(), batch), hidden.shape[1])
        weights = _WEIGHTS | {"ce": 1.0, "phone": phone_weight(self.recipe, self.step)}
        total = torch.stack([weights[name] * loss for name, loss in parts.items()]).sum()
        right = (logits.argmax(-1) == batch.after)[batch.after != losses.IGNORED].float().mean()
        return total, {name: loss.item() for name, loss in parts.items()} | {"right": right.item()}

    def _share(self, parts: dict[str, float]) -> dict[str, float]:
        """Average gradients and figures over the workers."""
        if self.recipe.workers == 1:
            return parts
        import torch.distributed as dist

        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([p.grad.flatten() for p in self.parameters if p.grad is not None] + [torch.tensor(list(parts.values()))])
        dist.all_reduce(flat)
        flat /= self.recipe.workers
        place = 0
        for parameter in self.parameters:
            assert parameter.grad is not None
            parameter.grad.copy_(flat[place : place + parameter.numel()].view_as(parameter))
            place += parameter.numel()
        return dict(zip(parts, flat[place:].tolist(), strict=True))

    def _take_shards(self) -> None:
        due = min(self.recipe.shards, 1 + self.step // self.recipe.shard_every)
        while self.shards < due:
            folder, name = self.work / "corpus", shard_name(self.shards)
            while not (folder / f"{name}.jsonl").exists():
                time.sleep(1)  # it is being made beside us
            self.sampler.add_shard(folder, name)
            self.shards += 1

    def save(self) -> None:
        """Write the checkpoint in one rename."""
        half = self.work / "checkpoint.half"
        torch.save({"step": self.step, "guided": self.guided, "shape": asdict(self.recipe.shape), "model": self.model.state_dict(), "average": self.average,
                    "optimizer": self.optimizer.state_dict()}, half)
        half.rename(self.work / "checkpoint.pt")

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        path = self.work / "checkpoint.pt"
        if path.exists():
            state: dict[str, Any] = torch.load(path, weights_only=True)
            self.step, self.guided, self.average = state["step"], state["guided"], state["average"]
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])


def token_times(log_probs: Tensor, batch: Batch) -> Tensor:
    """When each decoder token is said, in frames [batch, tokens]; the end token at the last frame, -1 for padding."""
    times = torch.full(batch.after.shape, -1.0)
    for row, (units, owner) in enumerate(zip(losses.ctc_times(log_probs.numpy(), batch.ctc), batch.owner, strict=True)):
        times[row, : len(owner)] = torch.tensor([units[place] for place in owner])
        times[row, len(owner)] = log_probs.shape[1] - 1
    return times


def learning_rate(recipe: Recipe, step: int) -> float:
    """Cosine cycles with warm restarts, each after a linear warm-up."""
    for peak, length in zip(recipe.peaks, recipe.cycles, strict=True):
        if step < length:
            break
        step -= length
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / length)))
    return peak * min(1.0, (step + 1) / recipe.warmup) * (FLOOR + (1 - FLOOR) * cosine)


def phone_weight(recipe: Recipe, step: int) -> float:
    """From 0.7 down to 0.2 over half the first cycle."""
    return max(0.2, 0.7 - step / recipe.cycles[0])


def shard_name(place: int) -> str:
    """The name of a training shard."""
    return f"train-{place:03d}"


def make_corpus(recipe: Recipe, work: Path) -> None:
    """Make the shards that are missing, in the order in which training asks for them."""
    folder = work / "corpus"
    for place in range(recipe.shards):
        name = shard_name(place)
        corpus.make_shard(folder, name, corpus.orders(f"{recipe.seed}/{name}", recipe.shard_clips), recipe.workers)


def work_on(worker: int, recipe: Recipe, work: Path) -> None:
    """One worker's whole training; worker 0 also prints and saves."""
    torch.set_num_threads(1)
    if recipe.workers > 1:
        import torch.distributed as dist

        dist.init_process_group("gloo", init_method=f"file://{work}/meeting", rank=worker, world_size=recipe.workers)
    trainer = Trainer(recipe, work, worker)
    trainer.resume()
    sums: dict[str, float] = defaultdict(float)
    started, cpu = time.time(), time.process_time()
    while trainer.step < sum(recipe.cycles):
        for name, value in trainer.train_step().items():
            sums[name] += value
        if worker == 0 and trainer.step % LOG_EVERY == 0:
            figures = " ".join(f"{name} {value / LOG_EVERY:.3f}" for name, value in sums.items())
            print(f"step {trainer.step} {figures} wall {time.time() - started:.0f} s cpu {time.process_time() - cpu:.0f} s",
                  flush=True)
            sums.clear()
        if worker == 0 and (trainer.step % SAVE_EVERY == 0 or trainer.step in ends(recipe)):
            trainer.save()


def ends(recipe: Recipe) -> list[int]:
    """The steps at which a cycle is fully annealed."""
    return [sum(recipe.cycles[: place + 1]) for place in range(len(recipe.cycles))]


def main() -> None:
    """Read the command line, make the corpus, train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for the corpus and the checkpoint (about 5 GB)")
    work = parser.parse_args().work
    recipe = Recipe()
    work.mkdir(parents=True, exist_ok=True)
    (work / "meeting").unlink(missing_ok=True)
    human.make_shards(human.speech_folder(), work / "corpus", recipe.human_joined, str(recipe.seed))
    maker = torch.multiprocessing.get_context("spawn").Process(target=make_corpus, args=(recipe, work))
    maker.start()
    while not (work / "corpus" / f"{shard_name(0)}.jsonl").exists() and maker.is_alive():
        time.sleep(1)
    torch.multiprocessing.spawn(work_on, (recipe, work), nprocs=recipe.workers)
    maker.join()


if __name__ == "__main__":
    main()

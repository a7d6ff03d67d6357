"""Training: pairs are made as they are needed, seeded by their place; stopped at any time, it resumes."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from studio.typing.keyboards import KEYBOARDS
from studio.typing.profile import USUAL_RATES, Profile
from studio.typing.typos import TypedText, typed
from studio.typing_starter.recipe import tokens
from studio.typing_starter.recipe.corpus import Corpus, word_counts
from studio.typing_starter.recipe.muon import Muon
from studio.typing_starter.recipe.network import Shape, network, word_list

CHECKPOINT = "checkpoint.pt"
_POOL = 24  # batches of which one sorting by length makes
_IGNORED = -100


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training needs to be repeated, besides the corpus."""

    shape: Shape = field(default_factory=Shape)
    seed: int = 7
    batch_tokens: int = 2_000
    minutes: float = 65.0  # of training, in all sittings; the learning rate falls to 0 over them
    steps: int = 1_000_000  # at most; where this ends first, the rate falls over the steps, and the result is exact
    warmup: int = 40  # steps
    matrix_rate: float = 1e-2
    embedding_rate: float = 2e-3
    copying: int = 70_000  # examples with the usual typos, in which it learns to copy; the others have more
    identity: tuple[float, float] = (0.33, 0.2)  # share of examples without a typo: while it learns to copy, and after
    word_lists: tuple[float, float] = (0.2, 0.35)  # share of examples that are words without a sentence
    typos: tuple[tuple[float, float], tuple[float, float]] = ((0.4, 2.2), (1.0, 4.0))  # times the usual rates
    save_seconds: float = 150.0


@dataclass(frozen=True, slots=True)
class Step:
    """What one step came to."""

    number: int
    loss: float  # nats per token of the answers
    progress: float  # 0..1


class Examples:
    """Endless pairs, each by the seed and its place alone."""

    def __init__(self, recipe: Recipe, corpus: Corpus, tokenizer: Any, words: list[str]) -> None:
        self.recipe, self.corpus, self.tokenizer, self.words = recipe, corpus, tokenizer, words

    def pair(self, place: int) -> TypedText:
        """The pair at `place`: another keyboard, another hand each time."""
        rng, stage = random.Random(f"{self.recipe.seed}/{place}"), int(place >= self.recipe.copying)
        is_list = rng.random() < self.recipe.word_lists[stage]
        text = word_list(rng, self.words) if is_list else self._sentence(rng, stage)
        if rng.random() < self.recipe.identity[stage] * (0.3 if is_list else 1.0):
            return TypedText(text, text, ())
        times = rng.uniform(*self.recipe.typos[stage]) * (2.5 if is_list else 1.0)
        rates = {kind: rate * times * rng.choice((0.5, 1.0, 1.5)) for kind, rate in USUAL_RATES.items()}
        profile = Profile(rates=rates, characters=0)
        return typed(text, profile, KEYBOARDS[rng.choice(tuple(KEYBOARDS))], rng)

    def _sentence(self, rng: random.Random, stage: int) -> str:
        """A sentence; once it can copy, of three the one with the most words that are one token."""
        drawn = [self.corpus.draw(rng) for _ in range(3 if stage else 1)]
        return min(drawn, key=lambda text: len(self.tokenizer.encode(text).ids) / len(text)) if stage else drawn[0]

    def batches(self, pool: int) -> list[list[tuple[list[int], int]]]:
        """Batches of one pool, each of rows of like length: (ids, where the answer begins)."""
        count = _POOL * self.recipe.batch_tokens // 45
        found = [self.pair(pool * count + place) for place in range(count)]
        before, after = ([f" {getattr(pair, side)}" for pair in found] for side in ("typed", "wanted"))
        rows = []
        for read, meant in zip(self.tokenizer.encode_batch(before), self.tokenizer.encode_batch(after), strict=True):
            rows.append(([1, *read.ids, 2, *meant.ids, 3], len(read.ids) + 1))
        rows.sort(key=lambda row: len(row[0]))
        made: list[list[tuple[list[int], int]]] = [[]]
        for row in rows:
            if len(row[0]) * (len(made[-1]) + 1) > self.recipe.batch_tokens:
                made.append([])
            made[-1].append(row)
        random.Random(pool).shuffle(made)
        return made

    def from_place(self, step: int) -> Iterator[list[tuple[list[int], int]]]:
        """The batches from the one numbered `step` on."""
        pool, passed = 0, 0
        while True:
            made = self.batches(pool)
            if passed + len(made) > step:
                yield from made[max(0, step - passed) :]
            passed, pool = passed + len(made), pool + 1


def loss_of(model: Any, batch: Sequence[tuple[list[int], int]]) -> torch.Tensor:
    """Mean nats per token of the answers, their ends included."""
    longest = max(len(ids) for ids, _ in batch)
    inputs = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in batch])
    labels = torch.full_like(inputs, _IGNORED)
    for row, (ids, start) in enumerate(batch):
        labels[row, start : len(ids) - 1] = inputs[row, start + 1 : len(ids)]
    hidden = model.model(input_ids=inputs).last_hidden_state  # causal and padded on the right: no mask is needed
    counted = labels != _IGNORED
    return functional.cross_entropy(model.lm_head(hidden[counted]), labels[counted])


class Trainer:
    """The network, its optimisers, and how far they are."""

    def __init__(self, recipe: Recipe, corpus: Corpus, work: Path) -> None:
        self.recipe, self.work, self.step, self.spent = recipe, work, 0, 0.0
        written = word_counts([text for texts in corpus.train.values() for text in texts])
        shape = recipe.shape
        words = tokens.vocabulary(written, corpus.frequencies, shape.vocabulary, shape.capitals)
        self.tokenizer = tokens.tokenizer(words)
        pieces = [self.tokenizer.id_to_token(place) for place in range(self.tokenizer.get_vocab_size())]
        self.model = network(shape, pieces, recipe.seed)
        self.examples = Examples(recipe, corpus, self.tokenizer, words)
        matrices = [p for name, p in self.model.named_parameters() if p.ndim == 2 and "embed" not in name]
        others = [p for name, p in self.model.named_parameters() if p.ndim != 2 or "embed" in name]
        self.optimisers: list[tuple[torch.optim.Optimizer, float]] = [
            (Muon(matrices, lr=recipe.matrix_rate), recipe.matrix_rate),
            (torch.optim.AdamW(others, recipe.embedding_rate, (0.9, 0.98), weight_decay=0.0), recipe.embedding_rate),
        ]
        self.resume()

    @property
    def progress(self) -> float:
        """How much is done, 0..1."""
        return max(self.spent / (60 * self.recipe.minutes), self.step / self.recipe.steps)

    def run(self) -> Iterator[Step]:
        """Train to the end; saves every few minutes and at the end."""
        saved = started = time.monotonic()
        before = self.spent
        for batch in self.examples.from_place(self.step):
            if self.progress >= 1:
                break
            factor = min(1.0, (self.step + 1) / self.recipe.warmup) * min(1.0, 1.25 * (1 - self.progress) + 0.01)
            for optimiser, rate in self.optimisers:
                for group in optimiser.param_groups:
                    group["lr"] = rate * factor
            loss = loss_of(self.model, batch)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            for optimiser, _ in self.optimisers:
                optimiser.step()
                optimiser.zero_grad()
            self.step, self.spent = self.step + 1, before + time.monotonic() - started
            if time.monotonic() - saved > self.recipe.save_seconds:
                self.save()
                saved = time.monotonic()
            yield Step(self.step, loss.item(), self.progress)
        self.save()

    def save(self) -> None:
        """Write the checkpoint in one rename."""
        half = self.work / f"{CHECKPOINT}.half"
        state = {
            "step": self.step,
            "spent": self.spent,
            "shape": asdict(self.recipe.shape),
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser, _ in self.optimisers],
        }
        torch.save(state, half)
        half.rename(self.work / CHECKPOINT)

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if (path := self.work / CHECKPOINT).exists():
            state: dict[str, Any] = torch.load(path, weights_only=True)
            self.step, self.spent = state["step"], state["spent"]
            self.model.load_state_dict(state["model"])
            for (optimiser, _), saved in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(saved)

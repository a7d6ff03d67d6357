"""From clips to batches: drawn by length, augmented, fitted to one length, with all targets.

A batch depends on (seed, step, worker) alone, so a resumed run goes on with the very batches it would have
had.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.starter.domain import as_words
from studio.starter.recipe import corpus
from studio.starter.recipe.augment import Augmented, as_sound, augment, fitted, normalised
from studio.starter.recipe.corpus import SAMPLE_RATE, ShardClip
from studio.starter.recipe.losses import IGNORED
from studio.starter.recipe.model import FRAME_CENTRE, SAMPLES_PER_FRAME
from studio.starter.recipe.tokenizer import Targets

_QUANTUM = 10 * SAMPLES_PER_FRAME  # lengths are rounded up to this, which keeps memory from fragmenting
_NEIGHBOURS = 300  # clips of about equal length from which a batch is drawn
_SPELLED = 0.06  # of the clips have one word written in letters
_AS_WORDS = 0.15  # of the clips write their digits as names unasked: rarer than digits, so a
# greedy decoder still writes digits, but a change of convention is then one decision and nothing new
_PLAIN = 0.15  # of the clips are not augmented
_BARRED = -1e4


@dataclass(frozen=True, slots=True)
class Item:
    """One clip as the sampler sees it: its sound (a view), text, and phones where known."""

    sound: NDArray[np.int16]
    text: str
    starts: NDArray[np.int64]  # of the phones, in samples
    labels: NDArray[np.int64]
    engine: int  # whose phones: 0 espeak-ng, 1 flite (human clips have none)


@dataclass(frozen=True, slots=True)
class Batch:
    """[batch, samples] of equal length, and what each loss needs."""

    sound: Tensor
    before: Tensor  # decoder input, [batch, tokens]
    after: Tensor  # decoder target, [batch, tokens]
    ctc: list[list[int]]
    owner: list[list[int]]  # for each decoder token, the place of its CTC unit
    phones: Tensor  # [batch, frames]
    barred: Tensor  # [batch, phones]


class PhoneTable:
    """Numbers for the phones of both engines; those the first shard does not show are not labelled."""

    def __init__(self, clips: list[ShardClip]) -> None:
        names = {(_engine(clip), phone) for clip in clips for _, phone in clip.phones}
        self.numbers = {name: place for place, name in enumerate(sorted(names))}
        own = torch.tensor([[engine == wanted for engine, _ in sorted(names)] for wanted in range(2)])
        self.barred = torch.zeros(2, len(names)).masked_fill(~own, _BARRED)

    def item(self, clip: ShardClip, sound: NDArray[np.int16]) -> Item:
        """The clip with its phones numbered."""
        engine = _engine(clip)
        labels = [self.numbers.get((engine, phone), IGNORED) for _, phone in clip.phones]
        return Item(sound, clip.text, np.array([start for start, _ in clip.phones]), np.array(labels), engine)


class Sampler:
    """Draws batches; shards may be added as training goes on."""

    def __init__(self, seed: str, seconds: float, phones: PhoneTable) -> None:
        self.seed, self.seconds, self.phones, self.targets = seed, seconds, phones, Targets()
        self.items: list[Item] = []
        self.lengths: list[int] = []

    def add_shard(self, folder: Path, name: str, repeats: int = 1) -> None:
        """Add the clips of a whole shard, each `repeats` times."""
        samples = corpus.samples_of(folder, name)
        clips = corpus.read_shard(folder, name)
        new = [self.phones.item(c, samples[c.offset : c.offset + c.length]) for c in clips]
        self.items = sorted([*self.items, *new * repeats], key=lambda item: len(item.sound))
        self.lengths = [len(item.sound) for item in self.items]

    def batch(self, step: int, worker: int, longest: float) -> Batch:
        """The batch of this step and worker, of clips up to `longest` seconds."""
        name = f"{self.seed}/{step}/{worker}"
        rng, noise = random.Random(name), np.random.default_rng(list(name.encode()))
        items = self._draw(rng, longest)
        changed = [_changed(item, noise) for item in items]
        samples = -(-max(len(c.sound) for c in changed) // _QUANTUM) * _QUANTUM
        sounds = [fitted(clip, samples, noise) for clip in changed]
        texts = [self._target(item.text, rng) for item in items]
        before, after = _teacher_forcing([decoder for decoder, _, _ in texts])
        frames = (((samples - 127) // 64 + 1 - 7) // 3 + 1 - 3) // 2 + 1
        labels = np.stack([_phone_labels(i, s, frames) for i, s in zip(items, sounds, strict=True)])
        return Batch(
            sound=torch.from_numpy(np.stack([normalised(s.sound) for s in sounds])),
            before=before,
            after=after,
            ctc=[units for _, units, _ in texts],
            owner=[owner for _, _, owner in texts],
            phones=torch.from_numpy(labels),
            barred=self.phones.barred[[i.engine for i in items]],
        )

    def _target(self, text: str, rng: random.Random) -> tuple[list[int], list[int], list[int]]:
        if rng.random() < _AS_WORDS:
            text = as_words(text)
        return self.targets.encode(text, rng.random() if rng.random() < _SPELLED else None)

    def _draw(self, rng: random.Random, longest: float) -> list[Item]:
        """Clips of about one length: an anchor, then neighbours of it."""
        end = max(_NEIGHBOURS, bisect_left(self.lengths, longest * SAMPLE_RATE))
        anchor = rng.randrange(min(end, len(self.items)))
        count = max(2, int(self.seconds * SAMPLE_RATE / self.lengths[anchor]))
        first = max(0, anchor - _NEIGHBOURS // 2)
        window = self.items[first : first + max(_NEIGHBOURS, count)]
        return rng.sample(window, min(count, len(window)))


def _engine(clip: ShardClip) -> int:
    return int(clip.voice.startswith("flite"))


def _changed(item: Item, noise: np.random.Generator) -> Augmented:
    sound = as_sound(item.sound / 32768)
    return Augmented(sound, 1.0, 0) if noise.random() < _PLAIN else augment(sound, noise)


def _phone_labels(item: Item, clip: Augmented, frames: int) -> NDArray[np.int64]:
    """The phone under the middle of every frame; IGNORED outside the clip's own sound."""
    labels = np.full(frames, IGNORED)
    if len(item.starts):
        places = (np.arange(frames) * SAMPLES_PER_FRAME + FRAME_CENTRE - clip.lead) * clip.speed
        phone = np.searchsorted(item.starts, places, side="right") - 1
        inside = (phone >= 0) & (places < len(item.sound))
        labels[inside] = item.labels[phone[inside]]
    return labels


def _teacher_forcing(decoder: list[list[int]]) -> tuple[Tensor, Tensor]:
    from studio.starter.recipe.tokenizer import END, PAD, START

    width = max(map(len, decoder)) + 1
    before = torch.full((len(decoder), width), PAD)
    after = torch.full((len(decoder), width), IGNORED)
    for row, ids in enumerate(decoder):
        before[row, : len(ids) + 1] = torch.tensor([START, *ids])
        after[row, : len(ids) + 1] = torch.tensor([*ids, END])
    return before, after

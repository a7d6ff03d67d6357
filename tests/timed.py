"""Clips whose words have known times: each word a tone of its own, at 24 kHz, with pauses where a test wants them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.audio import write_wav
from studio.data.manifest import Dataset
from studio.data.utterance import Split, Utterance
from studio.models import Clip
from studio.text import DIGIT_NAMES

RATE = 24_000  # Hz
SECONDS = 0.24  # of a word
GAP = 0.16  # seconds between words
WORDS = ("order", "number", "please", "hold", *DIGIT_NAMES)
SPLITS: tuple[Split, ...] = ("train", "train", "train", "validation", "test")

Timed = list[tuple[str, tuple[float, float]]]


def timed(words: Sequence[str], gaps: Sequence[float] = ()) -> Timed:
    """When each of `words` is said; `gaps` are the seconds after each, GAP where there are fewer."""
    found, at = [], GAP
    for place, word in enumerate(words):
        found.append((word, (round(at, 3), round(at + SECONDS, 3))))
        at += SECONDS + (gaps[place] if place < len(gaps) else GAP)
    return found


def sound(words: Timed, seed: int = 0) -> NDArray[np.float32]:
    """The sound of `words`, with a faint noise."""
    count = int((words[-1][1][1] + GAP) * RATE)
    samples = np.random.default_rng(seed).standard_normal(count) * 0.003
    for word, (start, end) in words:
        first, last = int(start * RATE), int(end * RATE)
        times = np.arange(last - first) / RATE
        pitch = 200 * 1.16 ** (WORDS.index(word) if word in WORDS else int(word))
        samples[first:last] += 0.3 * np.sin(2 * np.pi * pitch * times) + 0.1 * np.sin(6 * np.pi * pitch * times)
    return samples.astype(np.float32)


def clip(words: Sequence[str], gaps: Sequence[float] = (), seed: int = 0) -> Clip:
    """`words` as a clip with their times."""
    times = timed(words, gaps)
    return Clip(sound(times, seed), " ".join(words), f"clip-{seed}", times)


def orders(count: int, seed: int = 0) -> list[list[str]]:
    """The words of `count` sentences: “order number”, and three digits by their names."""
    rng = random.Random(seed)
    return [["order", "number", *(DIGIT_NAMES[rng.randrange(10)] for _ in range(3))] for _ in range(count)]


def dataset(workspace: Path, name: str = "timed", clips: int = 10, rate: int = RATE) -> Dataset:
    """A dataset of `clips` orders with word times, three fifths to learn from."""
    folder = workspace / "recordings" / name
    (folder / "clips").mkdir(parents=True)
    lines = []
    for place, words in enumerate(orders(clips)):
        times = timed(words)
        samples = sound(times, place)[:: RATE // rate]
        write_wav(folder / "clips" / f"c{place}.wav", samples, rate)
        lines.append(
            Utterance(
                id=f"c{place}", audio_filepath=f"clips/c{place}.wav", text=" ".join(words),
                duration=len(samples) / rate, split=SPLITS[place % len(SPLITS)], words=times,
            ).to_line()
        )  # fmt: skip
    (folder / "manifest.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return Dataset.open(folder)

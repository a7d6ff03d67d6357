"""Real human digits for the recipe: the train splits of a digit data set, alone and recombined into longer
strings.

The data folder holds `metadata.jsonl` (file_name, text, speaker, set, split); it is looked for in
STUDIO_SPEECH and in `../shared/speech`. Where it is absent the recipe trains on synthetic speech alone.
"""

from __future__ import annotations

import json
import math
import os
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from studio.starter.augment import Sound, resampled_by
from studio.starter.corpus import SAMPLE_RATE, Recording, write_shard
from studio.text import DIGIT_NAMES

SPEAKERS = ("fsdd_jackson", "fsdd_lucas", "fsdd_nicolas")
NEVER_HEARD = ("fsdd_theo", "moonshine_petewarden")  # kept out of training altogether
_SETS = ("fsdd_single", "fsdd_connected", "moonshine_connected")
_DIGIT = {name: str(digit) for digit, name in enumerate(DIGIT_NAMES)} | {
    str(digit): str(digit) for digit in range(10)
}


def speech_folder() -> Path | None:
    """The folder of human recordings, or None."""
    named = os.environ.get("STUDIO_SPEECH")
    folder = Path(named) if named else Path(__file__).resolve().parents[2].parent / "shared" / "speech"
    return folder if (folder / "metadata.jsonl").exists() else None


def recordings(folder: Path, split: str, speakers: tuple[str, ...]) -> list[Recording]:
    """All digit clips of `speakers` in `split`, in the order of the metadata."""
    import soundfile

    found = []
    with (folder / "metadata.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            words = row["text"].lower().split()
            if (
                row["split"] == split
                and row["set"] in _SETS
                and row["speaker"] in speakers
                and all(word in _DIGIT for word in words)
            ):
                sound, sample_rate = soundfile.read(folder / row["file_name"], dtype="float32")
                assert sample_rate == SAMPLE_RATE, row["file_name"]
                found.append(
                    Recording(sound, "".join(_DIGIT[word] for word in words), f"human:{row['speaker']}")
                )
    return found


def make_shards(source: Path | None, folder: Path, joined: int, seed: str) -> None:
    """Write the shards `human-own` (train splits) and `human-joined` (`joined` new strings); empty without
    `source`.
    """
    own = recordings(source, "train", SPEAKERS) if source else []
    write_shard(folder, "human-own", own)
    write_shard(folder, "human-joined", recombined(own, joined, f"{seed}/human"))


def recombined(singles: list[Recording], count: int, seed: str) -> Iterator[Recording]:
    """`count` digit strings of one speaker each, joined from single digits: levels, paces and gaps vary."""
    rng = random.Random(seed)
    by_speaker: dict[str, dict[str, list[Sound]]] = defaultdict(lambda: defaultdict(list))
    for clip in singles:
        if len(clip.text) == 1:
            by_speaker[clip.speaker][clip.text].append(clip.sound)
    for _ in range(count if by_speaker else 0):
        yield _joined(rng, *rng.choice(sorted(by_speaker.items())))


def _joined(rng: random.Random, speaker: str, digits: dict[str, list[Sound]]) -> Recording:
    text = "".join(rng.choice(sorted(digits)) for _ in range(rng.randint(2, 10)))
    pace = rng.uniform(0.0, 0.15)  # seconds between digits, before each gap's own chance
    parts: list[Sound] = []
    for digit in text:
        sound = resampled_by(rng.choice(digits[digit]), math.exp(rng.gauss(0, 0.05)))
        level = 0.07 * 10 ** (rng.gauss(0, 2) / 20) / (float(np.sqrt(np.mean(sound**2))) + 1e-6)
        gap = int(SAMPLE_RATE * (pace + rng.uniform(0.0, 0.1)))
        parts += [sound * np.float32(level), np.zeros(gap, np.float32)]
    return Recording(np.concatenate(parts), text, speaker)

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
from numpy.typing import NDArray

from studio.starter.recipe.augment import Sound, resampled_by
from studio.starter.recipe.corpus import SAMPLE_RATE, SpokenText, write_shard
from studio.text import DIGIT_NAMES

SPEAKERS = ("fsdd_jackson", "fsdd_lucas", "fsdd_nicolas")
NEVER_HEARD = ("fsdd_theo", "moonshine_petewarden")  # kept out of training altogether
_HOP = SAMPLE_RATE // 100
_SHORTEST_PAUSE = 5  # frames
_STANDS_OUT = 1.25
_EDGE = 3  # frames kept on either side of a digit
_DIGIT_SECONDS = (0.12, 1.0)
_SETS = ("fsdd_single", "fsdd_connected", "moonshine_connected")
_DIGIT = {name: str(digit) for digit, name in enumerate(DIGIT_NAMES)} | {str(digit): str(digit) for digit in range(10)}


def speech_folder() -> Path | None:
    """The folder of human recordings, or None."""
    named = os.environ.get("STUDIO_SPEECH")
    folder = Path(named) if named else Path(__file__).resolve().parents[3].parent / "shared" / "speech"
    return folder if (folder / "metadata.jsonl").exists() else None


def recordings(folder: Path, split: str, speakers: tuple[str, ...]) -> list[SpokenText]:
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
                found.append(SpokenText(sound, "".join(_DIGIT[word] for word in words), f"human:{row['speaker']}"))
    return found


def make_shards(source: Path | None, folder: Path, joined: int, seed: str) -> None:
    """Write the shards `human-own` (train splits) and `human-joined` (`joined` new strings); empty without
    `source`.
    """
    own = recordings(source, "train", SPEAKERS) if source else []
    write_shard(folder, "human-own", own)
    write_shard(folder, "human-joined", recombined(own, joined, f"{seed}/human"))


def recombined(clips: list[SpokenText], count: int, seed: str) -> Iterator[SpokenText]:
    """`count` digit strings of one speaker each, joined anew from the digits of `clips` at other paces."""
    rng = random.Random(seed)
    by_speaker: dict[str, dict[str, list[Sound]]] = defaultdict(lambda: defaultdict(list))
    for clip in clips:
        for digit, sound in zip(clip.text, cut_apart(clip.sound, len(clip.text)), strict=False):
            by_speaker[clip.speaker][digit].append(sound)
    for _ in range(count if by_speaker else 0):
        yield _joined(rng, *rng.choice(sorted(by_speaker.items())))


def cut_apart(sound: Sound, digits: int) -> list[Sound]:
    """The single digits of a clip that was spoken with pauses; [] unless the pauses are plain to see.

    The `digits` - 1 longest quiet stretches must stand out from the next longest, which may be the closure
    within a word such as "eight".
    """
    quiet, pauses = _pauses(sound)
    gaps = digits - 1
    if len(pauses) < gaps or (gaps and pauses[gaps - 1][0] < _SHORTEST_PAUSE):
        return []
    if gaps and len(pauses) > gaps and pauses[gaps - 1][0] < _STANDS_OUT * pauses[gaps][0]:
        return []
    loud = np.flatnonzero(~quiet)
    inner = [frame for _, start, end in sorted(pauses[:gaps], key=lambda pause: pause[1]) for frame in (start, end)]
    edges = [int(loud[0]), *inner, int(loud[-1]) + 1]
    spans = [(max(0, a - _EDGE) * _HOP, (b + _EDGE) * _HOP) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    found = [sound[start:end] for start, end in spans]
    shortest, longest = (seconds * SAMPLE_RATE for seconds in _DIGIT_SECONDS)
    return found if all(shortest < len(digit) < longest for digit in found) else []


def _pauses(sound: Sound) -> tuple[NDArray[np.bool_], list[tuple[int, int, int]]]:
    """Which 10 ms frames are quiet, and the quiet stretches between the first and last loud frame: (length,
    start, end) in frames, longest first.
    """
    power = np.convolve(sound**2, np.full(2 * _HOP, 1 / (2 * _HOP), np.float32), "same")[::_HOP]
    level = np.sqrt(power)
    quiet = level < max(2 * float(np.percentile(level, 10)), 0.02 * float(level.max()))
    edges = np.flatnonzero(np.diff(quiet.astype(np.int8)))  # the last frame before each change
    loud_to_quiet = [int(edge) + 1 for edge in edges if quiet[edge + 1]]
    quiet_to_loud = [int(edge) + 1 for edge in edges if not quiet[edge + 1]]
    if quiet[0]:
        quiet_to_loud = quiet_to_loud[1:]
    pairs = zip(loud_to_quiet, quiet_to_loud, strict=False)  # a last stretch without an end is no pause
    return quiet, sorted(((end - start, start, end) for start, end in pairs), reverse=True)


def _joined(rng: random.Random, speaker: str, digits: dict[str, list[Sound]]) -> SpokenText:
    text = "".join(rng.choice(sorted(digits)) for _ in range(rng.randint(2, 10)))
    pace = rng.uniform(0.0, 0.15)  # seconds between digits, before each gap's own chance
    parts: list[Sound] = []
    for digit in text:
        sound = resampled_by(rng.choice(digits[digit]), math.exp(rng.gauss(0, 0.05)))
        level = 0.07 * 10 ** (rng.gauss(0, 2) / 20) / (float(np.sqrt(np.mean(sound**2))) + 1e-6)
        gap = int(SAMPLE_RATE * (pace + rng.uniform(0.0, 0.1)))
        parts += [sound * np.float32(level), np.zeros(gap, np.float32)]
    return SpokenText(np.concatenate(parts), text, speaker)

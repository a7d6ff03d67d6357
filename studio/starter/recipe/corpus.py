"""The synthetic corpus: seeded sentences said by seeded voices, in shards of 16 kHz int16 samples that
survive a kill.

A shard is two files, `NAME.raw` (samples, one clip after the other) and `NAME.jsonl` (one clip a line). The
`.jsonl` is renamed into place last, so its existence means that the shard is whole; a resumed run makes only
what is missing.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import random
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.starter import domain, synthesis
from studio.starter.recipe.augment import Sound, as_sound
from studio.starter.synthesis import ACCENTS, VARIANTS, SyntheticVoice

SAMPLE_RATE = 16_000
MAX_SECONDS = 9.0  # ten slow digits and their carrier phrase; longer clips are left out
_MARGIN = SAMPLE_RATE // 10  # silence kept before and after the speech
_PEAK = 0.5
_BLOCK = 100  # clips
_SHARES = (("slt", 0.13), ("rms", 0.13), ("kal16", 0.07), ("kal", 0.07))  # of flite; the rest is espeak-ng


@dataclass(frozen=True, slots=True)
class ShardClip:
    """One clip of a shard: where its samples lie, what was said, and by whom."""

    offset: int  # samples into the .raw file
    length: int  # samples
    text: str
    spoken: str
    voice: str
    phones: list[tuple[int, str]]  # (start in samples, the engine's own name of the phone)


@dataclass(frozen=True, slots=True)
class SpokenText:
    """A sound with what was said in it, by whom, and its phones where an engine gave them."""

    sound: Sound  # 16 kHz
    text: str
    speaker: str
    spoken: str = ""
    phones: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SynthesisJob:
    """One clip to make. `voice` empty: drawn from the heard voices."""

    seed: str
    voice: str = ""


def orders(name: str, count: int, voice: str = "") -> list[SynthesisJob]:
    """`count` orders whose seeds derive from `name`, so two names never share a random stream."""
    return [SynthesisJob(f"{name}/{place}", voice) for place in range(count)]


def make_shard(folder: Path, name: str, wanted: Iterable[SynthesisJob], workers: int) -> list[ShardClip]:
    """Make shard `name` unless it is whole; returns its clips. The same orders give the same bytes."""
    if not is_whole(folder, name):
        _write(folder, name, _made(list(wanted), workers))
    return read_shard(folder, name)


def write_shard(folder: Path, name: str, recordings: Iterable[SpokenText]) -> None:
    """Write recordings as shard `name`, unless it is already whole; those over MAX_SECONDS are left out."""
    if not is_whole(folder, name):
        _write(folder, name, (r for r in recordings if len(r.sound) <= MAX_SECONDS * SAMPLE_RATE))


def is_whole(folder: Path, name: str) -> bool:
    """Whether a shard was written to its end."""
    return (folder / f"{name}.jsonl").exists()


def read_shard(folder: Path, name: str) -> list[ShardClip]:
    """The clips of a whole shard."""
    with (folder / f"{name}.jsonl").open(encoding="utf-8") as lines:
        return [ShardClip(**json.loads(line)) for line in lines]


def samples_of(folder: Path, name: str) -> NDArray[np.int16]:
    """All samples of a shard, mapped, not read."""
    raw = folder / f"{name}.raw"
    return np.memmap(raw, dtype=np.int16, mode="r") if raw.stat().st_size else np.zeros(0, np.int16)


def _made(wanted: list[SynthesisJob], workers: int) -> Iterator[SpokenText]:
    """Make clips in blocks, each in a fresh process: espeak-ng carries flutter over from clip to clip, and
    the clips of processes that lived on would depend on which of them was free first.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["scipy.signal", __name__])
    blocks = [wanted[place : place + _BLOCK] for place in range(0, len(wanted), _BLOCK)]
    with context.Pool(workers, maxtasksperchild=1) as pool:
        for block in pool.imap(make_block, blocks):
            yield from block


def make_block(block: list[SynthesisJob]) -> list[SpokenText]:
    """Make a block of clips, in order, without those that failed."""
    return [made for made in map(make_clip, block) if made is not None]


def _write(folder: Path, name: str, recordings: Iterable[SpokenText]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    half, offset = folder / f"{name}.half", 0
    with (folder / f"{name}.raw").open("wb") as samples, half.open("w", encoding="utf-8") as lines:
        for made in recordings:
            samples.write((made.sound.clip(-1, 1) * 32767).astype(np.int16).tobytes())
            clip = ShardClip(offset, len(made.sound), made.text, made.spoken, made.speaker, list(made.phones))
            lines.write(json.dumps(asdict(clip)) + "\n")
            offset += clip.length
    half.rename(folder / f"{name}.jsonl")


def make_clip(order: SynthesisJob) -> SpokenText | None:
    """Say one sentence; None when it came out longer than MAX_SECONDS or silent."""
    rng = random.Random(order.seed)
    speaker = synthesis.voice(order.voice) if order.voice else draw_voice(rng)
    sentence = domain.utterance(rng)
    sound, sample_rate, times = _say(sentence.spoken, speaker, *_manner(speaker, rng))
    sound, cut = trimmed(resampled(sound, sample_rate))
    if not 0 < len(sound) <= MAX_SECONDS * SAMPLE_RATE:
        return None
    phones = tuple((max(0, int(second * SAMPLE_RATE) - cut), phone) for second, phone in times)
    return SpokenText(sound, sentence.text, str(speaker), sentence.spoken, phones)


def _manner(speaker: SyntheticVoice, rng: random.Random) -> tuple[float, float]:
    """A rate and a pitch: wide for training, as the voice is for measuring unheard ones."""
    if not speaker.heard:
        return rng.uniform(0.85, 1.1), 1.0
    if speaker.engine == "flite":
        return rng.uniform(0.75, 1.2), rng.uniform(0.8, 1.3)
    return rng.uniform(0.72, 1.25), rng.uniform(0.5, 1.5)


def draw_voice(rng: random.Random) -> SyntheticVoice:
    """A heard voice: 40 % flite, 60 % an espeak-ng accent and variant."""
    place = rng.random()
    for name, share in _SHARES:
        place -= share
        if place < 0:
            return SyntheticVoice("flite", name)
    return SyntheticVoice("espeak-ng", f"{rng.choice(ACCENTS)}+{rng.choice(VARIANTS)}")


def resampled(sound: Sound, sample_rate: int) -> Sound:
    """`sound` at 16 kHz (polyphase)."""
    from scipy.signal import resample_poly

    if sample_rate == SAMPLE_RATE:
        return sound
    common = math.gcd(SAMPLE_RATE, sample_rate)
    return as_sound(resample_poly(sound, SAMPLE_RATE // common, sample_rate // common))


def trimmed(sound: Sound) -> tuple[Sound, int]:
    """`sound` without its outer silence, at a fixed peak, and how many samples were cut in front; empty if
    silent.
    """
    level = np.abs(sound)
    loud = np.flatnonzero(level > max(1e-4, 0.01 * float(level.max(initial=0.0))))
    if len(loud) == 0:
        return sound[:0], 0
    first, last = max(0, int(loud[0]) - _MARGIN), min(len(sound), int(loud[-1]) + _MARGIN)
    return sound[first:last] * (_PEAK / float(level.max())), first


def _say(text: str, speaker: SyntheticVoice, rate: float, pitch: float) -> tuple[Sound, int, synthesis.PhoneTimes]:
    if speaker.engine == "flite":
        return synthesis.synthesise_with_phones(text, speaker, rate, pitch)
    from studio.starter.recipe.espeak_events import synthesise_with_phonemes

    return synthesise_with_phonemes(text, speaker, rate, pitch)

"""Clips of which every word's start is known: joined from single digits, or synthesised by espeak-ng."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.audio import read, resample
from studio.starter.recipe import espeak_events
from studio.starter.synthesis import espeak_settings

RATE = 16_000
FLOOR = 4e-4  # RMS of the room around and between what is joined: -68 dBFS
BELOW_PEAK, ABOVE_FLOOR = 30.0, 10.0  # dB: from where on a digit is audible
SURE = 0.93  # correlation from which on a digit is found again in what it was joined into
WORD = 1  # espeak_EVENT_TYPE
SENTENCES = (
    "please confirm my order number one two nine six eight zero three",
    "the meeting is at noon on thursday",
    "move order four five six to gate seven",
    "call me back at five five five oh one two three",
    "the quick brown fox jumps over the lazy dog",
    "invoice seven seven one is due on the fifth",
    "he was not able to say what it meant",
    "the weather in london is colder than in madrid this week",
)
VOICES = ("en-us+m3", "en+f2", "en-us+Alex", "en-gb-scotland+m5", "en-gb-x-rp+f4", "en-029+m1")

Sound = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TimedClip:
    """A clip at RATE, its words, and where each starts (seconds), None where that is not known."""

    samples: Sound
    words: list[str]
    starts: list[float | None]

    @property
    def text(self) -> str:
        return " ".join(self.words)


def audible(samples: Sound) -> tuple[float, float]:
    """From where to where (seconds) a recording of one word is more than its room's noise."""
    power = np.convolve(np.square(samples), np.ones(RATE // 100) / (RATE // 100), "same")
    level = 10 * np.log10(power + 1e-12)
    bar = min(max(level.max() - BELOW_PEAK, np.percentile(level, 5) + ABOVE_FLOOR), level.max() - 8)
    places = np.flatnonzero(level > bar)
    return places[0] / RATE, places[-1] / RATE


def joined_digits(folder: Path, count: int, seed: int, gaps: tuple[float, float] = (0.06, 0.18)) -> list[TimedClip]:
    """Single words of one speaker each, cut to what is audible and joined with silent `gaps` (seconds)."""
    generator = np.random.default_rng(seed)
    spoken = _singles(folder)
    speakers = sorted(spoken)
    return [_joined(spoken[speakers[number % len(speakers)]], generator, gaps) for number in range(count)]


def connected_digits(folder: Path, count: int) -> Iterator[TimedClip]:
    """The joined clips of the dev set, with the starts of those digits whose single recordings are there too."""
    rows = _rows(folder)
    singles = {row["source"].split("recordings/")[1].split(".")[0]: row for row in rows if row["set"] == "fsdd_single"}
    for row in [row for row in rows if row["set"] == "fsdd_connected"]:
        parts = row["source"].split(":")[-1].split("+")
        once = [part if part in singles and parts.count(part) == 1 else "" for part in parts]
        if not count:
            return
        if any(once):
            samples = read(folder / row["file_name"], RATE).samples
            sounds = [read(folder / singles[part]["file_name"], RATE).samples if part else None for part in once]
            starts = [None if sound is None else _found(samples, sound) for sound in sounds]
            if any(start is not None for start in starts):
                count -= 1
                yield TimedClip(samples, row["text"].split(), starts)


def spoken_sentences(count: int, seed: int) -> list[TimedClip]:
    """Sentences said by espeak-ng; the starts are its own word events. Raises DeviceError where it is absent."""
    generator = np.random.default_rng(seed)
    found = []
    for number in range(count):
        words = SENTENCES[number % len(SENTENCES)].split()
        said, rate, starts = _said(" ".join(words), VOICES[(number + seed) % len(VOICES)], generator.uniform(0.8, 1.15))
        lead = round(generator.uniform(0.1, 0.6) * RATE)
        samples = _in_a_room([np.zeros(lead), resample(said, rate, RATE), np.zeros(RATE // 4)], generator)
        places = np.cumsum([1, *(len(word) + 1 for word in words)])[:-1]
        known = [starts.get(int(place)) for place in places]
        found.append(TimedClip(samples, words, [None if at is None else at + lead / RATE for at in known]))
    return found


def _rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]


def _singles(folder: Path) -> dict[str, list[tuple[str, Path]]]:
    """Of each speaker the single words, and the files in which they are said."""
    spoken: dict[str, list[tuple[str, Path]]] = {}
    for row in _rows(folder):
        if row["set"] in ("fsdd_single", "moonshine_alnum"):
            spoken.setdefault(row["speaker"], []).append((row["text"], folder / row["file_name"]))
    return spoken


@cache
def _cut(path: Path) -> Sound:
    """What is audible in `path`, from 10 ms before."""
    samples = read(path, RATE).samples
    start, end = audible(samples)
    return samples[max(0, round((start - 0.01) * RATE)) : round((end + 0.02) * RATE)]


def _joined(spoken: Sequence[tuple[str, Path]], generator: np.random.Generator, gaps: tuple[float, float]) -> TimedClip:
    parts: list[NDArray[Any]] = [np.zeros(round(generator.uniform(0.1, 0.6) * RATE))]
    words: list[str] = []
    starts: list[float | None] = []
    for place in generator.integers(0, len(spoken), generator.integers(3, 10)):
        word, path = spoken[place]
        parts.append(np.zeros(round(generator.uniform(*gaps) * RATE)))
        words.append(word)
        starts.append(sum(map(len, parts)) / RATE + 0.01)
        parts.append(_cut(path))
    parts.append(np.zeros(round(generator.uniform(0.1, 0.6) * RATE)))
    return TimedClip(_in_a_room(parts, generator), words, starts)


def _in_a_room(parts: Sequence[NDArray[Any]], generator: np.random.Generator) -> Sound:
    samples = np.concatenate(parts)
    return (samples + generator.normal(0, FLOOR, len(samples))).astype(np.float32)


def _found(samples: Sound, single: Sound) -> float | None:
    """Where (seconds) the audible part of `single` begins in `samples`: by correlation, where that is beyond doubt."""
    start, end = audible(single)
    part = single[round(start * RATE) : round(end * RATE)]
    size = 1 << int(np.ceil(np.log2(len(samples) + len(part))))
    spectra = np.fft.rfft(samples, size) * np.conj(np.fft.rfft(part, size))
    alike = np.fft.irfft(spectra, size)[: len(samples)]
    sums = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64)), np.zeros(len(part))])
    sums[len(samples) + 1 :] = sums[len(samples)]
    energy = sums[len(part) : len(part) + len(samples)] - sums[: len(samples)]
    alike = alike / (np.sqrt(energy + 1e-9) * np.linalg.norm(part) + 1e-9)
    best = int(np.argmax(alike))
    return best / RATE if alike[best] > SURE else None


def _said(text: str, voice: str, rate: float) -> tuple[Sound, int, dict[int, float]]:
    """`text` by espeak-ng: samples, their rate, and for each word's place in the text (from 1) when it starts."""
    engine = espeak_events._engine()
    blocks: list[NDArray[np.int16]] = []
    starts: dict[int, float] = {}

    def gather(samples: Any, count: int, events: Any) -> int:
        if count > 0 and samples:
            blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        place = 0
        while events[place].type:
            if events[place].type == WORD:
                starts[events[place].text_position] = events[place].audio_position / 1000
            place += 1
        return 0

    callback = espeak_events._Callback(gather)
    engine.library.espeak_SetSynthCallback(callback)
    try:
        engine.library.espeak_SetVoiceByName(voice.encode())
        for parameter, value in zip((1, 3), espeak_settings(rate, 1.0), strict=True):
            engine.library.espeak_SetParameter(parameter, value, 0)
        said = text.encode() + b"\0"
        engine.library.espeak_Synth(said, ctypes.c_size_t(len(said)), 0, 1, 0, 1, None, None)
        engine.library.espeak_Synchronize()
    finally:
        engine.library.espeak_SetSynthCallback(engine.callback)
    return (np.concatenate(blocks) / 32768).astype(np.float32), engine.sample_rate, starts

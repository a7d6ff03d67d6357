"""Damaged sound files: each gives its sound, or a sentence, within ten seconds.

`STUDIO_FUZZ=100000 make thorough` tries more of them, STUDIO_SEED=2 others.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from sounds import by_ffmpeg, encoded, saved
from voices import speech

from studio.audio import Source, inspect, length, read, resample
from studio.data import quality
from studio.errors import StudioError

INPUTS = int(os.environ.get("STUDIO_FUZZ", "3000"))
SECONDS = 10.0  # that no input may take
FORMS = {  # (format, width) -> Hz and channels
    **dict.fromkeys(
        ((form, "PCM_16") for form in ("WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "NIST")), ((16_000, 1),)
    ),
    **dict.fromkeys((("WAV", width) for width in ("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")), ((16_000, 1),)),
    **dict.fromkeys((("WAV", width) for width in ("ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM")), ((8_000, 1),)),
    **dict.fromkeys((("WAV", width) for width in ("GSM610", "G721_32")), ((8_000, 1),)),
    ("WAV", "PCM_16"): ((8_000, 1), (16_000, 1), (44_100, 2), (48_000, 1), (48_000, 8), (192_000, 1)),
    ("FLAC", "PCM_S8"): ((8_000, 1),),
    ("FLAC", "PCM_16"): ((16_000, 1),),
    ("FLAC", "PCM_24"): ((48_000, 2),),
    ("MP3", "MPEG_LAYER_III"): ((8_000, 1), (16_000, 1), (44_100, 2), (48_000, 1)),
    ("OGG", "VORBIS"): ((8_000, 1), (16_000, 1), (44_100, 2)),
    ("OGG", "OPUS"): ((8_000, 1), (16_000, 1), (48_000, 2)),
}
FILMS = {  # FFmpeg's formats and a codec of each: what phones and meetings record
    "ipod": "aac",
    "mov": "pcm_s16le",
    "adts": "aac",
    "webm": "libopus",
    "asf": "wmav2",
    "ac3": "ac3",
    "wv": "wavpack",
}
VARIANTS = [(*form, *shape) for form, shapes in FORMS.items() for shape in shapes]
VARIANTS += [(*form, 48_000, 2) for form in FILMS.items()]


@lru_cache
def whole(form: str, width: str, rate: int, channels: int) -> bytes:
    """Half a second of speech in one variant."""
    samples = resample(speech()[:8_000], 16_000, rate)
    if form in FILMS:
        return by_ffmpeg(samples, rate, form, width)
    return encoded(np.stack([samples] * channels, axis=1) if channels > 1 else samples, rate, form, width)


def mutated(content: bytes, chance: random.Random) -> bytes:
    """`content` with some of what disks, networks and enemies do to files."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        place, size = chance.randrange(len(data)), chance.choice([1, 1, 2, 4, 8, 64])
        if chance.random() < 0.5:
            place %= 200  # headers
        kind = chance.randrange(6)
        if kind == 0:
            data[place : place + size] = chance.randbytes(size)
        elif kind == 1:
            data[place : place + size] = chance.choice([b"\0", b"\xff", b"\x7f", b"\x80"]) * size
        elif kind == 2:
            del data[place : place + size]
        elif kind == 3:
            data[place:place] = data[place : place + size] * chance.choice([1, 1, 50])
        elif kind == 4:
            del data[max(1, place) :]
        else:
            data += whole(*chance.choice(VARIANTS))
        data = data or bytearray(b"\0")
    return bytes(data)


def used(source: Source) -> None:
    """What import, record and transcribe do with a file."""
    looks: list[Callable[[Source], object]] = [length, inspect, lambda given: quality.measure(read(given, 16_000))]
    for look in looks:
        with suppress(StudioError):
            look(source)


def test_all_variants_are_read() -> None:
    assert len(VARIANTS) == 44
    for variant in VARIANTS:
        wave = read(whole(*variant))
        assert wave.duration == pytest.approx(0.5, abs=0.15), variant


@pytest.mark.thorough
@pytest.mark.timeout(0)
def test_no_damaged_sound_file_makes_a_traceback_or_hangs(tmp_path: Path) -> None:
    seed = os.environ.get("STUDIO_SEED", "1")
    for number in range(INPUTS):
        chance = random.Random(f"{seed} {number}")
        variant = chance.choice(VARIANTS)
        content = mutated(whole(*variant), chance)
        source = content if number % 2 else saved(tmp_path / "sound.mp3", content)
        began = time.process_time()
        try:
            used(source)
        except Exception as error:
            raise AssertionError(f"input {number} ({variant})") from error
        assert time.process_time() - began < SECONDS, f"input {number} ({variant})"

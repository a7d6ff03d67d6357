"""Sounds for tests: short, seeded, and as bad as people's files are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from studio.audio import wav_bytes


def tone(seconds: float = 0.5, rate: int = 16_000, level: float = 0.3, pitch: float = 220.0) -> NDArray[np.float32]:
    """A steady tone, (frames,)."""
    return (level * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def recording(seed: int = 0, seconds: float = 0.5, rate: int = 16_000) -> bytes:
    """A WAV file like no other: noise of its seed, at a voice's level."""
    noise = np.random.default_rng(seed).normal(0, 0.05, round(seconds * rate))
    return wav_bytes(noise.astype(np.float32), rate)


def encoded(samples: NDArray[np.float32], rate: int, format: str = "WAV", subtype: str = "PCM_16") -> bytes:
    """`samples`, (frames,) or (frames, channels), as a sound file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=format, subtype=subtype)
    return buffer.getvalue()


def saved(path: Path, content: bytes) -> Path:
    """`path`, with `content` in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path

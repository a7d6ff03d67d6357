"""A recording that can be kept: decoded once, named by its samples, measured once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from studio.audio.decoding import Samples
from studio.audio.io import Waveform, decode, info_of, refusal, to_16_bit
from studio.audio.measurements import remembered
from studio.errors import AudioError


@dataclass(frozen=True)
class Recording:
    """Its samples, (frames,) at its own rate, and their name, computed when it is first needed."""

    wave: Waveform

    @classmethod
    def of(cls, source: bytes | Path | Waveform) -> Recording:
        """The recording in a file, in its bytes, or of samples.

        Raises AudioError (no sound file, or none that can be kept: empty, too short, too long, silent) or DiskError.
        """
        if isinstance(source, Waveform):
            samples: Samples = (to_16_bit(source.samples) / 32768).astype(np.float32)  # as they will be kept
            wave = Waveform(samples, source.sample_rate)
            info = info_of(wave)
        else:
            info, wave = decode(source)
        if refused := refusal(info):
            name = source.name if isinstance(source, Path) else "The recording"
            raise AudioError(f"{name} was not kept. {refused.what}", refused.remedy)
        return cls(wave)

    @cached_property
    def sha256(self) -> str:
        """A name for exactly these samples."""
        return fingerprint(self.wave)

    def fields(self) -> dict[str, Any]:
        """What the manifest keeps of it."""
        return {
            "duration": round(self.wave.duration, 4),  # seconds
            "quality": remembered(self.wave),
            "audio_sha256": self.sha256,
        }


def fingerprint(wave: Waveform) -> str:
    """A name for exactly these samples (as 16 bits) at this rate, whatever file they came in."""
    digest = hashlib.sha256(f"{wave.sample_rate}:".encode())
    digest.update(to_16_bit(wave.samples).tobytes())
    return digest.hexdigest()[:32]

"""A recording that can be kept: decoded once, named by its samples, measured once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from studio.audio.io import AudioInfo, Waveform, decode, refusal, to_16_bit, wav_bytes
from studio.audio.measurements import Quality, measured
from studio.errors import AudioError


@dataclass(frozen=True)
class Recording:
    """Its samples, and what follows from them, each worked out when it is first asked for."""

    wave: Waveform

    @classmethod
    def of(cls, source: bytes | Path | Waveform) -> Recording:
        """The recording in a file, in its bytes, or of samples.

        Raises AudioError (no sound file, or none that can be kept: empty, too short, too long, silent) or DiskError.
        """
        if isinstance(source, Waveform):
            source = wav_bytes(source.samples, source.sample_rate)  # as it will be kept: 16 bits
        info, wave = decode(source)
        _check(info, source.name if isinstance(source, Path) else "The recording")
        return cls(wave)

    @cached_property
    def sha256(self) -> str:
        """A name for exactly these samples."""
        return fingerprint(self.wave)

    @cached_property
    def quality(self) -> Quality | None:
        """What was measured; None where measuring failed."""
        return measured(self.wave)

    def fields(self) -> dict[str, Any]:
        """What the manifest keeps of it."""
        return {
            "duration": round(self.wave.duration, 4),  # seconds
            "quality": self.quality.stored() if self.quality else None,
            "audio_sha256": self.sha256,
        }


def fingerprint(wave: Waveform) -> str:
    """A name for exactly these samples (as 16 bits) at this rate, whatever file they came in."""
    digest = hashlib.sha256(f"{wave.sample_rate}:".encode())
    digest.update(to_16_bit(wave.samples).tobytes())
    return digest.hexdigest()[:32]


def _check(info: AudioInfo, name: str) -> None:
    if refused := refusal(info):
        raise AudioError(f"{name} was not kept. {refused.what}", refused.remedy)

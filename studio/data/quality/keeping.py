"""Whether a recording can be kept, and what its samples are called."""

from __future__ import annotations

import hashlib
from pathlib import Path

from studio.audio import AudioInfo, Waveform, inspect, refusal, to_16_bit
from studio.errors import AudioError


def checked_recording(source: bytes | Path) -> AudioInfo:
    """What was measured in a recording that can be kept. Raises AudioError with the reason otherwise."""
    info = inspect(source)
    if refused := refusal(info):
        name = source.name if isinstance(source, Path) else "The recording"
        raise AudioError(f"{name} was not kept. {refused.what}", refused.remedy)
    return info


def fingerprint(wave: Waveform) -> str:
    """A name for exactly these samples (as 16 bits) at this rate, whatever file they came in."""
    digest = hashlib.sha256(f"{wave.sample_rate}:".encode())
    digest.update(to_16_bit(wave.samples).tobytes())
    return digest.hexdigest()[:32]

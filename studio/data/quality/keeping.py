"""Whether a recording can be kept, and what is remembered about it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from studio.audio import AudioInfo, Waveform, inspect, to_16_bit, verdicts
from studio.errors import AudioError


def checked_recording(source: bytes | Path) -> AudioInfo:
    """What was measured in a recording that can be kept. Raises AudioError with the reason otherwise."""
    info = inspect(source)
    for verdict in verdicts(info):
        if verdict.severity == "refuse":
            name = source.name if isinstance(source, Path) else "The recording"
            raise AudioError(f"{name} was not kept. {verdict.what}", verdict.remedy)
    return info


def card(info: AudioInfo) -> dict[str, Any]:
    """What the manifest remembers: levels in dBFS, the clipped share, the codes of the verdicts."""
    return {
        "peak_db": info.peak_db,
        "rms_db": info.rms_db,
        "clipped_share": info.clipped_share,
        "verdict": " ".join(verdict.code for verdict in verdicts(info)) or "good",
    }


def fingerprint(wave: Waveform) -> str:
    """A name for exactly these samples (as 16 bits) at this rate, whatever file they came in."""
    digest = hashlib.sha256(f"{wave.sample_rate}:".encode())
    digest.update(to_16_bit(wave.samples).tobytes())
    return digest.hexdigest()[:32]

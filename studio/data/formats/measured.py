"""How long a sound file is, from its header alone."""

from __future__ import annotations

import io
from pathlib import Path

from studio.errors import AudioError
from studio.workspace import disk_errors


def header(source: Path | bytes) -> tuple[int, int]:
    """Sample rate (Hz) and frames. Raises AudioError, DiskError."""
    import soundfile

    try:
        if isinstance(source, bytes):
            info = soundfile.info(io.BytesIO(source))
        else:
            with disk_errors(source, "read"), source.open("rb") as stream:
                info = soundfile.info(stream)
    except (soundfile.LibsndfileError, TypeError) as error:
        raise AudioError("It is not a sound file that can be read.", "Export it as WAV, FLAC or MP3.") from error
    return int(info.samplerate), int(info.frames)


def seconds(source: Path | bytes) -> float:
    """Length in seconds. Raises AudioError, DiskError."""
    rate, frames = header(source)
    return frames / rate

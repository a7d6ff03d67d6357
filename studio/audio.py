"""Sound files and samples: read, resample, write, and say why a recording cannot be kept."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from studio.errors import AudioError
from studio.workspace import disk_errors, write_atomically

Samples = NDArray[np.float32]
Sums = NDArray[np.float64]
Source = Path | bytes
"""A sound file on disk, or its bytes as they came from the browser."""

MIN_SECONDS = 0.1  # Moonshine needs 895 samples (0.056 s); the shortest spoken words last about 0.15 s
MAX_SECONDS = 60.0  # the streaming models hear at most 82 s; a clip this long holds many sentences, not one
SILENT_PEAK_DB = -60.0  # dBFS; 33 steps of 16 bits: a muted microphone's noise, not a voice
FULL_SCALE = 0.999  # of 1.0: where a sample counts as clipped
FLOOR_DB = -120.0  # dBFS that stands for silence: 16 bits end at -96
_BLOCK = 1 << 16  # frames


@dataclass(frozen=True, slots=True)
class Waveform:
    """Sound in memory."""

    samples: Samples  # (frames,) mono, -1..1
    sample_rate: int  # Hz

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What was measured in a sound file; levels are of the channel that `read` takes."""

    duration: float  # seconds
    sample_rate: int  # Hz
    channels: int
    peak_db: float  # dBFS, FLOOR_DB for silence
    rms_db: float  # dBFS
    channel: int = 0  # the loudest, counted from 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a recording cannot be kept: what is so, and what to do."""

    code: Literal["empty", "too short", "too long", "silent"]
    what: str
    remedy: str


def read(
    source: Source, sample_rate: int | None = None, *, offset: float = 0.0, duration: float | None = None
) -> Waveform:
    """Mono samples of a sound file, resampled to `sample_rate` Hz where one is asked for.

    `offset` and `duration` (seconds) take a part of it. Of several channels the loudest is taken: the mean of
    microphones at different distances is comb-filtered, and silent channels would only lower it.
    Raises AudioError (no sound file, no samples, NaN) or DiskError.
    """
    with _opened(source) as file:
        rate = file.samplerate
        file.seek(min(max(round(offset * rate), 0), file.frames))
        count = -1 if duration is None else round(duration * rate)
        frames = file.read(count, dtype="float32", always_2d=True)
    if not len(frames):
        raise _without_sound(source)
    _check_numbers(frames, source)
    samples = loudest(frames)
    if sample_rate is None or sample_rate == rate:
        return Waveform(samples, rate)
    return Waveform(resample(samples, rate, sample_rate), sample_rate)


def length(source: Source) -> float:
    """Seconds, by the header alone. Raises AudioError (no sound file) or DiskError."""
    with _opened(source) as file:
        return float(file.frames / file.samplerate)


def blocks(source: Source, sample_rate: int, seconds: float) -> Iterator[Samples]:
    """A sound file from its start to its end in blocks (frames, channels) of about `seconds`, at `sample_rate` Hz.

    Raises AudioError (no sound file, no samples, NaN) or DiskError.
    """
    import soxr

    with _opened(source) as file:
        rate, size = file.samplerate, round(seconds * file.samplerate)
        stream = soxr.ResampleStream(rate, sample_rate, file.channels, dtype="float32", quality="HQ")
        frames = file.read(size, dtype="float32", always_2d=True)
        if not len(frames):
            raise _without_sound(source)
        while len(frames):
            _check_numbers(frames, source)
            following = file.read(size, dtype="float32", always_2d=True)
            yield frames if rate == sample_rate else stream.resample_chunk(frames, last=not len(following))
            frames = following


def loudest(frames: Samples) -> Samples:
    """The channel of (frames, channels) that holds the most energy, (frames,)."""
    return np.ascontiguousarray(frames[:, int(np.argmax(_energy(frames)))])


def resample(samples: Samples, source: int, target: int) -> Samples:
    """`samples` at `target` Hz instead of `source` Hz, by soxr at high quality."""
    if source == target:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, source, target, quality="HQ"), dtype=np.float32)


def write_wav(path: Path, samples: Samples, sample_rate: int) -> None:
    """Write mono 16-bit WAV, whole or not at all. Raises DiskError.

    Samples beyond ±1 (float files may hold them) scale the whole clip down: no voice is cut off here.
    """
    write_atomically(path, wav_bytes(samples, sample_rate))


def wav_bytes(samples: Samples, sample_rate: int) -> bytes:
    """The content of a mono 16-bit WAV file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, to_16_bit(samples), sample_rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def to_16_bit(samples: Samples) -> NDArray[np.int16]:
    """The steps that a 16-bit file holds for `samples`; those of a 16-bit file come back bit-equal."""
    peak = float(np.max(np.abs(samples), initial=0.0))
    scaled = samples / peak if peak > 1 else samples
    steps: NDArray[np.int16] = np.clip(np.rint(scaled * 32768.0), -32768, 32767).astype(np.int16)
    return steps


def inspect(source: Source) -> AudioInfo:
    """Measure a sound file, block by block. Raises AudioError (no sound file, NaN) or DiskError."""
    with _opened(source) as file:
        blocks = file.blocks(_BLOCK, dtype="float32", always_2d=True)
        frames, peak, energy = _tally(blocks, file.channels, source)
        rate, channels = file.samplerate, file.channels
    loudest = int(np.argmax(energy))
    return AudioInfo(
        duration=frames / rate,
        sample_rate=rate,
        channels=channels,
        peak_db=round(decibels(float(peak[loudest])), 1),
        rms_db=round(decibels(math.sqrt(float(energy[loudest]) / max(frames, 1))), 1),
        channel=loudest,
    )


def refusal(info: AudioInfo) -> Refusal | None:
    """Why this recording cannot be kept; None where it can. How good it is says `studio.data.quality`."""
    seconds = info.duration
    if seconds == 0:
        return Refusal("empty", "It holds no sound.", "Record it again.")
    if seconds < MIN_SECONDS:
        what = f"It lasts {seconds:.2f} s; nothing can be said in less than {MIN_SECONDS} s."
        return Refusal("too short", what, "Record it again and speak before you stop.")
    if seconds > MAX_SECONDS:
        what = f"It lasts {_spell(seconds)}; a clip may last {MAX_SECONDS:.0f} s at most."
        return Refusal("too long", what, "Cut it into sentences and add each with its own label.")
    if info.peak_db <= SILENT_PEAK_DB:
        remedy = "Is the microphone muted, or is another one chosen? Record it again."
        return Refusal("silent", f"It is silent (peak {info.peak_db:.0f} dBFS).", remedy)
    return None


def decibels(amplitude: float) -> float:
    """Amplitude (1.0 is full scale) in dBFS, FLOOR_DB at least."""
    return max(20 * math.log10(amplitude), FLOOR_DB) if amplitude > 0 else FLOOR_DB


def _spell(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def _name(source: Source) -> str:
    return "The recording" if isinstance(source, bytes) else source.name


@contextmanager
def _opened(source: Source) -> Iterator[soundfile.SoundFile]:
    """The decoder of `source`; what it cannot read becomes an AudioError."""
    if not _size(source):
        raise AudioError(f"{_name(source)} is empty (0 bytes).", "Record it again.")
    try:
        with soundfile.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else source) as file:
            yield file
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip(" .")
        raise _unreadable(source, reason) from error
    except TypeError as error:  # a name that ends in .raw
        raise _unreadable(source, "raw samples without a header") from error


def _size(source: Source) -> int:
    """Bytes. Raises DiskError with the reason, where the decoder would say only “System error”."""
    if isinstance(source, bytes):
        return len(source)
    with disk_errors(source, "read"), source.open("rb") as file:
        return file.seek(0, io.SEEK_END)


def _without_sound(source: Source) -> AudioError:
    return AudioError(f"{_name(source)} holds no sound.", "Record it again, or export it as WAV.")


def _unreadable(source: Source, reason: str) -> AudioError:
    what = f"{_name(source)} is not a sound file that can be read: {reason}."
    return AudioError(what, "Export it as WAV, FLAC or MP3 and try again.")


def _tally(blocks: Iterable[Samples], channels: int, source: Source) -> tuple[int, Sums, Sums]:
    """Frames, and of each channel the peak and the sum of squares."""
    frames = 0
    peak, energy = np.zeros((2, channels))
    for block in blocks:
        _check_numbers(block, source)
        frames += len(block)
        peak = np.maximum(peak, np.abs(block).max(axis=0, initial=0.0))
        energy += _energy(block)
    return frames, peak, energy


def _energy(frames: Samples) -> Sums:
    energy: Sums = np.square(frames, dtype=np.float64).sum(axis=0)
    return energy


def _check_numbers(frames: Samples, source: Source) -> None:
    if not np.isfinite(frames).all():
        raise AudioError(
            f"{_name(source)} holds samples that are not numbers (NaN).",
            "The program that wrote it is at fault: export it again as 16-bit WAV.",
        )

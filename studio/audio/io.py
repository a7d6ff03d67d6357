"""Sound files and samples: read, resample, write, and say why a recording cannot be kept."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from studio.audio.decoding import Decoder, Samples, Source, name_of, opened
from studio.errors import AudioError
from studio.workspace import disk_errors, write_atomically

Sums = NDArray[np.float64]

MIN_SECONDS = 0.1  # Moonshine needs 895 samples (0.056 s); the shortest spoken words last about 0.15 s
MAX_SECONDS = 60.0  # the streaming models take at most 82 s; a clip this long holds many sentences, not one
SILENT_PEAK_DB = -60.0  # dBFS; 33 steps of 16 bits: a muted microphone's noise, not a voice
LONGEST_READ = 2 * MAX_SECONDS  # seconds in memory at once: clips of other programs may be longer than ours
MOST_SAMPLES = 100_000_000  # of all channels together in memory at once: 400 MB
HIGHEST = 2.0**31  # of a sample: some programs write the steps of 32 bits as floats; beyond is damage
FULL_SCALE = 0.999  # of 1.0: where a sample counts as clipped
FLOOR_DB = -120.0  # dBFS used for silence: 16 bits end at -96


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
    is_longer: bool = False  # than `duration`: too long for a clip, so the rest was not decoded


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
    Raises AudioError (no sound file, no samples, NaN, more than LONGEST_READ seconds) or DiskError.
    """
    with opened(source, is_part=offset > 0) as sound:
        rate = sound.sample_rate
        count = None if duration is None else max(0, round(duration * rate))
        samples = _mono(sound, source, max(0, round(offset * rate)), count)
    wanted = sample_rate or rate
    samples = resample(samples, rate, wanted)
    if not len(samples):  # nor where it had a frame or two at a high rate
        raise _without_sound(source)
    return Waveform(samples, wanted)


def length(source: Source) -> float:
    """Seconds: by the header, or else by decoding. Raises AudioError (no sound file) or DiskError."""
    rate, frames = rate_and_frames(source)
    return frames / rate


def rate_and_frames(source: Source) -> tuple[int, int]:
    """Sample rate (Hz) and frames, as `length` finds them. Raises AudioError or DiskError."""
    if isinstance(source, bytes):
        return _counted(source)
    with disk_errors(source, "read"):
        about = source.stat()
    return _remembered(source, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=64)
def _remembered(path: Path, changed: int, size: int) -> tuple[int, int]:
    """As of a file that has not changed: an hour of MP3, cut into a thousand rows of a list, is decoded once."""
    return _counted(path)


def _counted(source: Source) -> tuple[int, int]:
    with opened(source) as sound:
        return sound.sample_rate, sum(map(len, sound.blocks())) if sound.stated is None else sound.stated


def blocks(source: Source, sample_rate: int, seconds: float) -> Iterator[Samples]:
    """A sound file from its start to its end in blocks (frames, channels) of about `seconds`, at `sample_rate` Hz.

    Raises AudioError (no sound file, no samples, NaN) or DiskError.
    """
    import soxr

    with opened(source) as sound:
        rate = sound.sample_rate
        stream = soxr.ResampleStream(rate, sample_rate, sound.channels, dtype="float32", quality="HQ")
        decoded = sound.blocks(round(seconds * rate))
        frames = next(decoded, None)
        if frames is None:
            raise _without_sound(source)
        while frames is not None:
            _check_numbers(frames, source)
            following = next(decoded, None)
            yield frames if rate == sample_rate else stream.resample_chunk(frames, last=following is None)
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
    """Measure a sound file, block by block, until it is longer than LONGEST_READ seconds.

    Raises AudioError (no sound file, NaN) or DiskError.
    """
    with opened(source) as sound:
        meter = _Meter(sound.sample_rate, sound.channels)
        for _ in _measured(sound, meter, source):
            pass
    return meter.info()


def decode(source: Source) -> tuple[AudioInfo, Waveform]:
    """What `inspect` measures and what `read` gives, decoded once; of what is too long for a clip, the beginning.

    Raises AudioError (no sound file, NaN, more than MOST_SAMPLES) or DiskError.
    """
    kept: list[Samples] = []
    with opened(source) as sound:
        meter = _Meter(sound.sample_rate, sound.channels)
        for block in _measured(sound, meter, source):
            if meter.frames * sound.channels > MOST_SAMPLES:
                raise _too_long(source, meter.frames / sound.sample_rate)
            kept.append(block)
    info = meter.info()
    return info, Waveform(_channel(kept, info.channel), info.sample_rate)


def info_of(wave: Waveform) -> AudioInfo:
    """What `inspect` would measure in a file of these samples."""
    meter = _Meter(wave.sample_rate, channels=1)
    meter.add(wave.samples[:, None])
    return meter.info()


def _measured(sound: Decoder, meter: _Meter, source: Source) -> Iterator[Samples]:
    """The blocks of `sound`, each as `meter` has added it, until it is too long. Raises AudioError (NaN)."""
    for block in sound.blocks():
        _check_numbers(block, source)
        meter.add(block)
        if meter.is_longer:
            return
        yield block


class _Meter:
    """Measures sound that comes in blocks, (frames, channels)."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.sample_rate, self.frames = sample_rate, 0
        self._peak, self._energy = np.zeros((2, channels))

    @property
    def is_longer(self) -> bool:
        """Whether it is too long to be measured to its end."""
        return self.frames > LONGEST_READ * self.sample_rate

    def add(self, block: Samples) -> None:
        self.frames += len(block)
        self._peak = np.maximum(self._peak, np.abs(block).max(axis=0, initial=0.0))
        self._energy += _energy(block)

    def info(self) -> AudioInfo:
        """What was measured; levels of the loudest channel."""
        loudest = int(np.argmax(self._energy))
        power = float(self._energy[loudest]) / max(self.frames, 1)
        return AudioInfo(
            duration=self.frames / self.sample_rate,
            sample_rate=self.sample_rate,
            channels=len(self._energy),
            peak_db=round(decibels(float(self._peak[loudest])), 1),
            rms_db=round(decibels(math.sqrt(power)), 1),
            channel=loudest,
            is_longer=self.is_longer,
        )


def refusal(info: AudioInfo) -> Refusal | None:
    """Why this recording cannot be kept; None where it can. How good it is says `studio.data.quality`."""
    seconds = info.duration
    if seconds == 0:
        return Refusal("empty", "It holds no sound.", "Record it again.")
    if seconds < MIN_SECONDS:
        what = f"It lasts {seconds:.2f} s; a clip needs at least {MIN_SECONDS} s."
        return Refusal("too short", what, "Record it again and speak before you stop.")
    if seconds > MAX_SECONDS:
        lasts = f"more than {_spell(seconds)}" if info.is_longer else _spell(seconds)
        what = f"It lasts {lasts}; a clip may last {MAX_SECONDS:.0f} s at most."
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


def _mono(sound: Decoder, source: Source, start: int, count: int | None) -> Samples:
    """The loudest channel of `count` frames (None: of all) from `start` on, decoded no further than needed."""
    most = min(round(LONGEST_READ * sound.sample_rate), MOST_SAMPLES // sound.channels)
    kept: list[Samples] = []
    energy: Sums = np.zeros(sound.channels)
    frames = 0
    for block in sound.blocks(start=start):
        kept.append(block if count is None else block[: count - frames])
        _check_numbers(kept[-1], source)
        energy += _energy(kept[-1])
        frames += len(kept[-1])
        if frames > most:
            raise _too_long(source, most / sound.sample_rate)
        if frames == count:
            break
    return _channel(kept, int(np.argmax(energy)))


def _channel(blocks: list[Samples], channel: int) -> Samples:
    return np.concatenate([block[:, channel] for block in blocks]) if blocks else np.zeros(0, np.float32)


def _too_long(source: Source, seconds: float) -> AudioError:
    what = f"{name_of(source)} lasts more than {_spell(seconds)}; a clip may last {MAX_SECONDS:.0f} s at most."
    return AudioError(what, "Cut it into sentences and add each with its own label.")


def _without_sound(source: Source) -> AudioError:
    return AudioError(f"{name_of(source)} holds no sound.", "Record it again, or export it as WAV.")


def _energy(frames: Samples) -> Sums:
    energy: Sums = np.square(frames, dtype=np.float64).sum(axis=0)
    return energy


def _check_numbers(frames: Samples, source: Source) -> None:
    if not (np.abs(frames) <= HIGHEST).all():
        raise AudioError(
            f"{name_of(source)} holds samples that are not numbers (NaN), or far too large.",
            "The program that wrote it is at fault: export it again as 16-bit WAV.",
        )

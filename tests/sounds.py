"""Sounds for tests: short, seeded, and as bad as people's files are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from studio.audio import to_16_bit, wav_bytes


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


def with_tracks(*tracks: NDArray[np.float32], rate: int = 16_000) -> bytes:
    """A Matroska file with several sound tracks, each of samples (frames,)."""
    import av

    content = io.BytesIO()
    with av.open(content, "w", format="matroska") as container:
        streams = [container.add_stream("pcm_s16le", rate=rate, layout="mono") for _ in tracks]
        for stream, samples in zip(streams, tracks, strict=True):
            sound = av.AudioFrame.from_ndarray(to_16_bit(samples)[None], format="s16", layout="mono")
            sound.sample_rate = rate
            container.mux(stream.encode(sound))
            container.mux(stream.encode(None))
    return content.getvalue()


def by_ffmpeg(samples: NDArray[np.float32], rate: int, form: str, codec: str, *, has_picture: bool = False) -> bytes:
    """`samples` (frames,) as the content of a file that FFmpeg wrote: its format `form`, its `codec`, in stereo.

    AMR, which knows nothing else, is in mono.
    """
    import av

    content, channels = io.BytesIO(), 1 if form == "amr" else 2
    layout = "mono" if channels == 1 else "stereo"
    with av.open(content, "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 12_200 if form == "amr" else 96_000
        if has_picture:
            film = container.add_stream("mpeg4", rate=10)
            film.width = film.height = 32
            film.pix_fmt = "yuv420p"
            for _ in range(10):
                picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
                container.mux(film.encode(picture))
            container.mux(film.encode(None))
        sound = av.AudioFrame.from_ndarray(np.stack([samples] * channels), format="fltp", layout=layout)
        sound.sample_rate = rate
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    return content.getvalue()

"""Decode sound files block by block, from a path or from bytes alike.

libsndfile reads the formats whose length is known: WAV, AIFF, FLAC and others. FFmpeg (through PyAV) reads MP3 and Ogg
until nothing more comes: libsndfile ends an MP3 at a length estimated from its first frames, and joined streams where
the first of them ends. It also reads the few FLAC files that state no length, or that of their first part alone.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, groupby
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from studio.errors import AudioError
from studio.workspace import disk_errors

Samples = NDArray[np.float32]
Source = Path | bytes
"""A sound file on disk, or its bytes as they came from the browser."""

LEAST_RATE, MOST_RATE = 4_000, 384_000  # Hz: half a telephone's, and the most that sound cards record at
MOST_CHANNELS = 32
BLOCK = 1 << 16  # frames
_FLAC = b"fLaC\0\0\0\x22"  # and the length of the header that must follow
_MOST_FRAMES_A_BYTE = 1 << 13  # 65,535 equal samples take eleven bytes
_FORMATS = "mp3,ogg,flac,aac,mov,matroska,asf,amr,ac3,eac3,wv,caf"
"""What FFmpeg may read. Formats of playlists, which name further files, are not among them; `mov` (MP4, M4A) does not
follow the names in it unless asked to."""
_FIRST_BYTES = 12
_SIGNATURES = (
    b"\x1aE\xdf\xa3",
    b"0&\xb2u",
    b"#!AM",
    b"\x0bw",
    b"wvpk",
)  # of Matroska, ASF, AMR, AC3, WavPack
_MOST_EMPTY = 30_000  # packets in a row without a sound in them: ten minutes of pauses


class Decoder(Protocol):
    """An opened sound file."""

    sample_rate: int  # Hz
    channels: int
    stated: int | None  # frames; None where only decoding can determine it
    track: int  # which of the file's sound tracks is read, from 1
    tracks: int  # how many it has

    def blocks(self, size: int = BLOCK, start: int = 0) -> Iterator[Samples]:
        """What decodes from the frame `start` to the end, in blocks (frames, channels) of about `size` frames."""
        ...


@contextmanager
def opened(source: Source, *, is_part: bool = False) -> Iterator[Decoder]:
    """The decoder of `source`, or the one that is best for a part of it.

    Raises AudioError (empty, not a sound file, no usable rate) or DiskError.
    """
    with _stream(source) as stream:
        head = stream.read(_FIRST_BYTES)
        if not head:
            raise AudioError(f"{name_of(source)} is empty (0 bytes).", "Record it again.")
        stream.seek(0)
        counted = _counted(stream, head, is_part)
        stream.seek(0)
        with _opened(stream, counted, source) as decoder:
            _check_header(decoder, source)
            yield decoder


def name_of(source: Source) -> str:
    """What messages call `source`."""
    return "The recording" if isinstance(source, bytes) else source.name


class _Bytes(io.BytesIO):
    """Like a file on disk it stays where it is when libsndfile, in damaged content, seeks before the start."""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except ValueError:
            return self.tell()


class _Plain:
    """A stream without a name, by which FFmpeg would guess its format, that like `_Bytes` stays where it is."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return self._stream.seek(offset, whence)
        except (OSError, ValueError):
            return self._stream.tell()

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True


@contextmanager
def _stream(source: Source) -> Iterator[IO[bytes]]:
    if isinstance(source, bytes):
        yield _Bytes(source)
        return
    with disk_errors(source, "read"):  # libsndfile would say only “System error”
        stream = source.open("rb", buffering=0)  # both decoders have buffers of their own
    with stream:
        yield stream


def _counted(stream: IO[bytes], head: bytes, is_part: bool) -> str:
    """FFmpeg's name of a format whose length only decoding can determine; empty for the others."""
    if head[0] == 0xFF and len(head) > 1 and head[1] & 0xE6 in (0xE2, 0xE4, 0xE6):  # a frame of layer III, II or I
        return "mp3"
    if head.startswith(_FLAC[:4]):
        return "flac" if not is_part and _is_doubtful(stream) else ""
    return "ogg" if head.startswith(b"OggS") else "mp3" if head.startswith(b"ID3") else ""


def _is_doubtful(flac: IO[bytes]) -> bool:
    """Whether a FLAC file states no length, as from a pipe, an impossible one, or only that of its first part."""
    first = flac.read(26)
    frames = int.from_bytes(first[-8:]) & 0xF_FFFF_FFFF  # the last 36 bits
    tail, size, joints = first, len(first), 0
    while piece := flac.read(1 << 20):
        joints += (tail[-len(_FLAC) + 1 :] + piece).count(_FLAC)
        tail, size = piece, size + len(piece)
    return joints > 0 or not 0 < frames <= size * _MOST_FRAMES_A_BYTE


@contextmanager
def _opened(stream: IO[bytes], counted: str, source: Source) -> Iterator[Decoder]:
    if not counted:
        try:
            file = _by_libsndfile(stream)
        except soundfile.LibsndfileError as error:
            refused = error  # unless it is an MP3 that begins with something else
        else:
            with file, _refusals(soundfile.LibsndfileError, source):
                yield _Sndfile(file)
            return
        stream.seek(0)
    import av

    try:
        container = av.open(
            _Plain(stream), format=counted or None, options={"format_whitelist": _FORMATS}, metadata_errors="ignore"
        )
    except av.FFmpegError as error:
        cut = "it is cut off or damaged" if _has_signature(stream) else None
        raise _unreadable(source, cut or _reason(error if counted else refused)) from error
    with container, _refusals(av.FFmpegError, source):
        if not container.streams.audio:
            raise _unreadable(source, "it has no sound track")
        track = container.streams.best("audio")
        if track is None or track.codec_context is None:
            raise _unreadable(source, "its sound track is damaged, or of a kind that is not known")
        yield _Ffmpeg(container, track, source)


def _has_signature(stream: IO[bytes]) -> bool:
    """Whether it begins like a file that only FFmpeg reads."""
    stream.seek(0)
    head = stream.read(_FIRST_BYTES)
    return head[4:8] == b"ftyp" or head.startswith(_SIGNATURES)


def _by_libsndfile(stream: IO[bytes]) -> soundfile.SoundFile:
    """By the file's number rather than its path: libsndfile would judge headerless files by their names."""
    if isinstance(stream, io.BytesIO):
        return soundfile.SoundFile(stream)
    return soundfile.SoundFile(stream.fileno(), closefd=False)


@contextmanager
def _refusals(kind: type[Exception], source: Source) -> Iterator[None]:
    """What the decoder refuses becomes an AudioError."""
    try:
        yield
    except kind as error:
        raise _unreadable(source, _reason(error)) from error


def _reason(error: Exception) -> str:
    """Why a decoder gave up, in words that a person can use."""
    if "SF_INFO" in str(error):  # libsndfile's “Internal error”, of a header that says nothing it can use
        return "its header is damaged"
    words = {
        "PatchWelcomeError": "its joined parts have different rates or channels",
        "EOFError": "it ends before any sound",
        "InvalidDataError": "its content is damaged, or of another format than it seems",
    }
    said = str(getattr(error, "error_string", "") or getattr(error, "strerror", ""))
    return words.get(type(error).__name__) or ("its content is damaged" if said.startswith("Error number") else said)


def _unreadable(source: Source, reason: str) -> AudioError:
    what = f"{name_of(source)} is not a sound file that can be read: {reason.strip(' .')}."
    return AudioError(what, "Export it as WAV, FLAC or MP3 and try again.")


def _check_header(decoder: Decoder, source: Source) -> None:
    """Refuse what would take hours or gigabytes, and is no recording."""
    if not decoder.sample_rate:
        raise _unreadable(source, "it is cut off or damaged: it states no sample rate")
    if not LEAST_RATE <= decoder.sample_rate <= MOST_RATE:
        what = f"{name_of(source)} states a sample rate of {decoder.sample_rate:,} Hz."
        raise AudioError(what, f"Export it with a rate between {LEAST_RATE:,} and {MOST_RATE:,} Hz.")
    if not 0 < decoder.channels <= MOST_CHANNELS:
        what = f"{name_of(source)} has {decoder.channels:,} channels; at most {MOST_CHANNELS} are read."
        raise AudioError(what, "Export it with one channel.")


class _Sndfile:
    def __init__(self, file: soundfile.SoundFile) -> None:
        self.sample_rate: int = file.samplerate
        self.channels: int = file.channels
        self.stated: int | None = file.frames
        self.track = self.tracks = 1
        self._file = file

    def blocks(self, size: int = BLOCK, start: int = 0) -> Iterator[Samples]:
        if start:
            self._file.seek(min(start, self._file.frames))
        while len(frames := self._file.read(size, dtype="float32", always_2d=True)):
            yield frames


class _Ffmpeg:
    def __init__(self, container: Any, track: Any, source: Source) -> None:
        context = track.codec_context
        self.sample_rate: int = context.sample_rate
        self.channels: int = context.channels
        self.stated: int | None = None
        order = [each.index for each in container.streams.audio]
        self.track, self.tracks = order.index(track.index) + 1, len(order)
        self._container, self._track, self._source = container, track, source
        self._layout: str = context.layout.name

    def blocks(self, size: int = BLOCK, start: int = 0) -> Iterator[Samples]:
        held: list[Samples] = []
        count, passed = 0, 0
        for frames in self._pieces():
            kept = frames[max(0, start - passed) :]
            passed += len(frames)
            held.append(kept)
            count += len(kept)
            if count >= size:
                yield np.concatenate(held)
                held, count = [], 0
        if count:
            yield np.concatenate(held)

    def _pieces(self) -> Iterator[Samples]:
        """What each packet holds, (frames, channels). A stream that is joined on may have another rate, or channels."""
        import av

        for _, alike in groupby(
            self._frames(), key=lambda frame: (frame.sample_rate, frame.layout.name, frame.format.name)
        ):
            converter = av.AudioResampler(format="flt", layout=self._layout, rate=self.sample_rate)
            for frame in chain(alike, (None,)):
                yield from map(self._samples, converter.resample(frame))

    def _frames(self) -> Iterator[Any]:
        import av

        empty = 0
        for packet in self._container.demux(self._track):
            try:
                decoded = packet.decode()
            except av.InvalidDataError:
                decoded = []  # damaged: players skip it too
            empty = 0 if decoded else empty + 1
            if empty > _MOST_EMPTY:
                raise _unreadable(self._source, "it continues for minutes without any sound in it")
            for frame in decoded:
                frame.pts = None  # those of joined streams begin again
                yield frame

    def _samples(self, frame: Any) -> Samples:
        values: Samples = frame.to_ndarray().reshape(-1, self.channels)
        return values

"""This computer's microphones, through PortAudio: which there are, and one take from one of them."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.audio import MAX_SECONDS, Samples, Waveform, decibels
from studio.errors import DeviceError

Block = NDArray[np.int16]  # (frames, channels)
Blocks = queue.SimpleQueue[tuple[Block, bool]]  # each with: were samples lost before it?
OnLevel = Callable[[float, float], None]  # (seconds so far, peak of the last block in dBFS)

BLOCK_SECONDS = 0.05  # a level meter moves smoothly at 20 looks a second
STALL_SECONDS = 3.0  # a microphone that gives nothing for so long was unplugged, or sleeps
_INVALID_CHANNELS, _INVALID_DEVICE, _UNAVAILABLE = -9998, -9996, -9985  # PaErrorCode of portaudio.h


@dataclass(frozen=True, slots=True)
class Device:
    """One microphone."""

    index: int  # PortAudio's
    name: str
    channels: int
    sample_rate: int  # Hz, its own
    is_default: bool


def devices() -> list[Device]:
    """The microphones of this computer, the default first. Raises DeviceError without PortAudio."""
    sounddevice = _sounddevice()
    default = sounddevice.default.device[0]
    found = [_device(row, default) for row in sounddevice.query_devices() if row["max_input_channels"] > 0]
    return sorted(found, key=lambda device: not device.is_default)


def choose(found: list[Device], wanted: str = "") -> Device:
    """The device that `wanted` names, by index or part of its name; the first where nothing is wanted.

    Raises DeviceError where there is none, and says which there are.
    """
    if not found:
        raise DeviceError("No microphone was found on this computer.", f"Plug one in{_permission()}, and try again.")
    for device in found:
        if wanted in ("", str(device.index)):
            return device
    for device in found:
        if wanted.casefold() in device.name.casefold():
            return device
    names = "; ".join(f"{device.index}: {device.name}" for device in found)
    raise DeviceError(f"There is no microphone “{wanted}”.", f"There are {names}.")


def record(
    device: Device,
    stop: threading.Event,
    *,
    on_level: OnLevel | None = None,
    max_seconds: float = MAX_SECONDS,
) -> Waveform:
    """One take at the device's own rate, until `stop` is set or `max_seconds` have passed.

    Of several channels the loudest is kept. Raises DeviceError where the microphone refuses, is busy, stalls,
    loses samples, or gives only zeros, as systems do that withhold it.
    """
    blocks: Blocks = queue.SimpleQueue()
    taken: list[Block] = []
    frames = 0
    with _listening(device, blocks):
        while not stop.is_set() and frames < max_seconds * device.sample_rate:
            taken.append(_next(blocks, device))
            frames += len(taken[-1])
            if on_level is not None:
                on_level(frames / device.sample_rate, _peak_db(taken[-1]))
    while not blocks.empty():  # what was spoken before `stop` and not yet handed over
        taken.append(_next(blocks, device))
    return Waveform(_loudest(taken, device, max_seconds), device.sample_rate)


def _device(row: dict[str, Any], default: int) -> Device:
    return Device(
        index=row["index"],
        name=row["name"],
        channels=row["max_input_channels"],
        sample_rate=round(row["default_samplerate"]),
        is_default=row["index"] == default,
    )


@contextmanager
def _listening(device: Device, blocks: Blocks) -> Iterator[None]:
    """While this lasts, `device` fills `blocks`."""
    sounddevice = _sounddevice()
    try:
        with _stream(sounddevice, device, blocks):
            yield
    except sounddevice.PortAudioError as error:
        raise _refused(device, error) from error


def _stream(sounddevice: Any, device: Device, blocks: Blocks) -> Any:
    """An input of one channel, or of all where the device does not give one alone."""

    def on_block(block: Block, frames: int, time: Any, status: Any) -> None:
        blocks.put((block.copy(), bool(status.input_overflow)))

    options = {
        "device": device.index,
        "samplerate": device.sample_rate,
        "dtype": "int16",
        "blocksize": round(BLOCK_SECONDS * device.sample_rate),
        "latency": "high",  # a busy computer then loses nothing, and delay does not matter here
        "callback": on_block,
    }
    try:
        return sounddevice.InputStream(channels=1, **options)
    except sounddevice.PortAudioError as error:
        if _code(error) != _INVALID_CHANNELS or device.channels == 1:
            raise
        return sounddevice.InputStream(channels=device.channels, **options)


def _next(blocks: Blocks, device: Device) -> Block:
    try:
        block, lost = blocks.get(timeout=STALL_SECONDS)
    except queue.Empty:
        what = f"“{device.name}” has given no sound for {STALL_SECONDS:.0f} s."
        raise DeviceError(what, "Plug it in again, or choose another one.") from None
    if lost:
        what = "The computer was too busy: part of the recording was lost."
        raise DeviceError(what, "Close other programs and record it again.")
    return block


def _loudest(taken: list[Block], device: Device, max_seconds: float) -> Samples:
    frames = np.concatenate(taken or [np.zeros((0, 1), np.int16)])[: round(max_seconds * device.sample_rate)]
    samples = frames.astype(np.float32) / 32768.0
    if not samples.any():
        raise DeviceError(f"“{device.name}” gave only zeros.", f"Unmute it{_permission()}, and record again.")
    return np.ascontiguousarray(samples[:, int(np.argmax(np.square(samples).sum(axis=0)))])


def _peak_db(block: Block) -> float:
    return decibels(float(np.abs(block.astype(np.int32)).max(initial=0)) / 32768)


def _refused(device: Device, error: Exception) -> DeviceError:
    """What PortAudio's refusal means."""
    if _code(error) == _UNAVAILABLE:
        what = f"“{device.name}” is busy, or this program may not use it."
        return DeviceError(what, f"Close other programs that record{_permission()}, and try again.")
    if _code(error) == _INVALID_DEVICE:
        return DeviceError(f"“{device.name}” is no longer there.", "Plug it in again, or choose another one.")
    what = f"“{device.name}” cannot be opened: {error.args[0] if error.args else error}."
    return DeviceError(what, "Choose another microphone, or look at the system's sound settings.")


def _code(error: Exception) -> int | None:
    return error.args[1] if len(error.args) > 1 else None


def _permission() -> str:
    if sys.platform == "darwin":
        return ", allow this terminal under System Settings › Privacy & Security › Microphone"
    return ", choose it in the system's sound settings"


def _sounddevice() -> Any:
    try:
        import sounddevice
    except OSError as error:
        remedy = "brew install portaudio" if sys.platform == "darwin" else "sudo apt install libportaudio2"
        raise DeviceError("The PortAudio library is missing.", f"Install it: {remedy}.") from error
    return sounddevice

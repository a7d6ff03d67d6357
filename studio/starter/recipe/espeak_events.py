"""espeak-ng through its shared library: the sound *and* when each phoneme starts. Only the recipe needs this.

The times come from the engine's own phoneme events (speak_lib.h, espeakEVENT_PHONEME); they become frame
labels for an auxiliary loss. One process may hold one engine; the recipe runs it in worker processes.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import DeviceError
from studio.starter.synthesis import PhoneTimes, SyntheticVoice, espeak_settings

_RETRIEVAL, _PHONEME_EVENTS = 1, 1  # espeak_AUDIO_OUTPUT, and the option that asks for phoneme events
_PHONEME, _LIST_END = 7, 0  # espeak_EVENT_TYPE
_RATE, _PITCH = 1, 3  # espeak_PARAMETER
_UTF8 = 1


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _EspeakEvent(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_EspeakEvent))


class _Engine:
    """The loaded library, with the callback that gathers blocks of samples and phoneme events."""

    def __init__(self) -> None:
        name = ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1"
        try:
            self.library = ctypes.CDLL(name)
        except OSError as error:
            raise DeviceError(
                "The library of espeak-ng cannot be loaded.",
                "Debian and Ubuntu: `sudo apt-get install espeak-ng libespeak-ng1`.",
            ) from error
        self.sample_rate: int = self.library.espeak_Initialize(_RETRIEVAL, 500, None, _PHONEME_EVENTS)
        self.blocks: list[NDArray[np.int16]] = []
        self.events: list[tuple[float, str]] = []
        self.callback = _Callback(self._gather)  # kept: the library holds only a bare pointer
        self.library.espeak_SetSynthCallback(self.callback)

    def _gather(self, samples: Any, count: int, events: Any) -> int:
        if count > 0 and samples:
            self.blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        place = 0
        while events[place].type != _LIST_END:
            if events[place].type == _PHONEME:
                phone = bytes(events[place].id.string).split(b"\0")[0].decode("latin1")
                self.events.append((events[place].audio_position / 1000, phone))
            place += 1
        return 0


@cache
def _engine() -> _Engine:
    return _Engine()


def synthesise_with_phonemes(
    text: str, voice: SyntheticVoice, rate: float, pitch: float
) -> tuple[NDArray[np.float32], int, PhoneTimes]:
    """Say `text` with an espeak-ng voice: samples, their rate in Hz, and (seconds, phoneme) pairs."""
    engine = _engine()
    engine.blocks.clear()
    engine.events.clear()
    if engine.library.espeak_SetVoiceByName(voice.name.encode()) != 0:
        raise DeviceError(f"espeak-ng has no voice {voice.name}.", "Choose another accent and variant.")
    speed, height = espeak_settings(rate, pitch)
    engine.library.espeak_SetParameter(_RATE, speed, 0)
    engine.library.espeak_SetParameter(_PITCH, height, 0)
    said = text.encode() + b"\0"
    engine.library.espeak_Synth(said, ctypes.c_size_t(len(said)), 0, 1, 0, _UTF8, None, None)
    engine.library.espeak_Synchronize()
    samples = (np.concatenate(engine.blocks) / 32768).astype(np.float32)
    return samples, engine.sample_rate, tuple(engine.events)

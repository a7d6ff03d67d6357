"""Speech from text with the free synthesisers espeak-ng and flite, called as programs (portable; nothing to
crash).

Used by the recipe, by `studio demo` to make a voice, and by the end-to-end test. Digits should be given as
words (`studio.starter.domain.spoken`); commas are short pauses.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from studio.errors import DeviceError

Engine = Literal["espeak-ng", "flite"]
PhoneTimes = tuple[tuple[float, str], ...]  # (start in seconds, phone)

ACCENTS = (
    "en-us",
    "en",
    "en-gb-x-rp",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-gb-scotland",
    "en-029",
    "en-us-nyc",
)  # "en" is British
_VARIANT_NAMES = """
m1 m2 m3 m4 m5 m6 m7 f1 f2 f3 f4 klatt klatt2 klatt3 Alex Alicia Andrea Andy Annie Denis Diogo Gene
Gene2 Henrique Hugo Jacky Lee Marco Mario Michael Mike Nguyen adam anika announcer antonio aunty
belinda benjamin boris caleb david ed edward edward2 grandma grandpa gustave iven iven2 iven3 iven4
john kaukovalta linda marcelo max michel miguel norbert pablo paul pedro quincy rob robert sandro
shelby steph steph2 steph3 travis victor zac
"""
VARIANTS = tuple(_VARIANT_NAMES.split())
FLITE_HEARD = {"slt": 170.0, "rms": 95.0, "kal": 95.0, "kal16": 95.0}  # voice -> usual pitch, Hz
UNHEARD = (
    "flite:awb",
    "espeak-ng:en-gb-scotland+f5",
    "espeak-ng:en-gb-scotland+m8",
    "espeak-ng:en-us+klatt4",
    "espeak-ng:en-us+whisperf",
)
_FLITE_PITCH = FLITE_HEARD | {"awb": 115.0}
_WORDS_PER_MINUTE = 160.0  # espeak-ng at rate 1
_PACKAGES = "Debian and Ubuntu: `sudo apt-get install espeak-ng flite`; macOS: `brew install espeak-ng flite`."


@dataclass(frozen=True, slots=True)
class SyntheticVoice:
    """One synthetic voice; `heard` says whether the starter model was trained on it."""

    engine: Engine
    name: str  # flite: a voice; espeak-ng: accent+variant
    heard: bool = True

    def __str__(self) -> str:
        return f"{self.engine}:{self.name}"


def voices() -> list[SyntheticVoice]:
    """All voices of the recipe: four heard of flite, every accent with every variant of espeak-ng, and the
    unheard ones.
    """
    heard = [SyntheticVoice("flite", name) for name in FLITE_HEARD]
    heard += [SyntheticVoice("espeak-ng", f"{accent}+{variant}") for accent in ACCENTS for variant in VARIANTS]
    return heard + [voice(name) for name in UNHEARD]


def voice(name: str) -> SyntheticVoice:
    """The voice written as `engine:name`, for example `flite:awb`."""
    engine, _, rest = name.partition(":")
    if engine not in ("espeak-ng", "flite") or not rest:
        raise DeviceError(f"There is no voice {name!r}.", "Write `flite:awb` or `espeak-ng:en-us+klatt4`.")
    return SyntheticVoice("flite" if engine == "flite" else "espeak-ng", rest, heard=name not in UNHEARD)


def available(engine: Engine) -> bool:
    """Whether the program of `engine` is installed."""
    return shutil.which(engine) is not None


def synthesise(
    text: str, voice: SyntheticVoice, rate: float = 1.0, pitch: float = 1.0
) -> tuple[NDArray[np.float32], int]:
    """Say `text`; returns mono samples in [-1, 1] and their rate in Hz (espeak-ng 22050, flite 16000 or
    8000).

    `rate` and `pitch` are factors on the voice's own. Raises DeviceError when the engine is absent or
    refuses.
    """
    samples, sample_rate, _ = synthesise_with_phones(text, voice, rate, pitch)
    return samples, sample_rate


def synthesise_with_phones(
    text: str, voice: SyntheticVoice, rate: float = 1.0, pitch: float = 1.0
) -> tuple[NDArray[np.float32], int, PhoneTimes]:
    """As `synthesise`, with flite's phone times (empty for espeak-ng: see espeak_events.py)."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.wav"
        printed = _run([*_command(voice, rate, pitch), *_output(voice.engine, clip, text)], voice)
        samples, sample_rate = _read(clip, voice)
    return samples, sample_rate, _phone_times(printed) if voice.engine == "flite" else ()


def _command(voice: SyntheticVoice, rate: float, pitch: float) -> list[str]:
    if voice.engine == "flite":
        settings = [f"duration_stretch={1 / rate:.3f}"]
        if pitch != 1.0:
            settings.append(f"int_f0_target_mean={_FLITE_PITCH.get(voice.name, 110.0) * pitch:.1f}")
        return [
            "flite",
            "-psdur",
            "-voice",
            voice.name,
            *(part for pair in settings for part in ("--setf", pair)),
        ]
    speed, height = espeak_settings(rate, pitch)
    return ["espeak-ng", "-v", voice.name, "-s", str(speed), "-p", str(height)]


def espeak_settings(rate: float, pitch: float) -> tuple[int, int]:
    """espeak-ng's own units: words a minute (80 to 450) and pitch 0 to 99 (50 is the voice's own)."""
    return round(min(450.0, max(80.0, _WORDS_PER_MINUTE * rate))), round(min(99.0, max(0.0, 50.0 * pitch)))


def _output(engine: Engine, clip: Path, text: str) -> list[str]:
    return ["-t", text, str(clip)] if engine == "flite" else ["-w", str(clip), text]


def _run(command: list[str], voice: SyntheticVoice) -> str:
    if not available(voice.engine):
        raise DeviceError(f"The speech synthesiser {voice.engine} is not installed.", _PACKAGES)
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"The speech synthesiser {voice.engine} does not answer: {error}.", _PACKAGES) from error
    if done.returncode != 0:
        raise DeviceError(
            f"{voice.engine} refused the voice {voice.name}: {done.stderr.strip()}", "Choose another voice."
        )
    return done.stdout


def _read(clip: Path, voice: SyntheticVoice) -> tuple[NDArray[np.float32], int]:
    if not clip.exists():
        raise DeviceError(f"{voice} wrote no sound.", "Try another voice, or install the synthesiser again.")
    with wave.open(str(clip), "rb") as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return (frames / 32768).astype(np.float32), file.getframerate()


def _phone_times(printed: str) -> PhoneTimes:
    """flite prints `phone:end` in seconds, one line a sentence, each line starting from 0."""
    times: list[tuple[float, str]] = []
    offset = 0.0
    for line in printed.splitlines():
        start = offset
        for phone, end in re.findall(r"([a-z]+):([0-9.]+)", line):
            times.append((start, phone))
            start = offset + float(end)
        offset = start
    return tuple(times)

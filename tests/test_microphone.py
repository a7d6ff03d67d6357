"""This computer's microphones: PortAudio is replaced by a small fake, and once by a real PulseAudio source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sounds import saved

from studio.audio import to_16_bit
from studio.audio.microphone import Device, choose, devices, record
from studio.errors import DeviceError

USB = Device(3, "USB microphone", 2, 48_000, is_default=True)


class PortAudioError(Exception):
    pass


class FakePortAudio:
    """The part of `sounddevice` that is used: gives `sound`, (frames, channels), block by block."""

    PortAudioError = PortAudioError

    def __init__(self, sound: np.ndarray, refusals: dict[int, int] | None = None) -> None:
        self.sound = sound
        self.refusals = refusals or {}  # PaErrorCode by number of channels
        self.lost_at = -1
        self.opened: dict[str, Any] = {}
        self.closed = False
        self.default = SimpleNamespace(device=[3, 0])

    def query_devices(self) -> list[dict[str, Any]]:
        rows = [("Loudspeaker", 0, 44_100), ("Built-in", 1, 44_100), ("Line", 8, 96_000), ("USB microphone", 2, 48_000)]
        return [
            {"index": index, "name": name, "max_input_channels": channels, "default_samplerate": float(rate)}
            for index, (name, channels, rate) in enumerate(rows)
        ]

    def InputStream(self, **options: Any) -> FakePortAudio:  # noqa: N802 - sounddevice's name
        if (code := self.refusals.get(options["channels"])) is not None:
            raise PortAudioError("Error opening InputStream", code)
        self.opened = options
        return self

    def __enter__(self) -> FakePortAudio:
        size, channels = self.opened["blocksize"], self.opened["channels"]
        buffer = np.zeros((size, channels), np.int16)  # PortAudio uses the same memory for every block
        for place in range(0, len(self.sound) - size + 1, size):
            buffer[:] = self.sound[place : place + size, :channels]
            status = SimpleNamespace(input_overflow=place // size == self.lost_at)
            self.opened["callback"](buffer, size, None, status)
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


def steps(seconds: float = 1.0, level: float = 0.5) -> np.ndarray:
    """Two channels, the second louder; noise, so that no two blocks are alike."""
    sound = np.random.default_rng(0).uniform(-level, level, round(seconds * 48_000)).astype(np.float32)
    return np.stack([to_16_bit(sound) // 8, to_16_bit(sound)], axis=1)


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakePortAudio], FakePortAudio]:
    def plugged(fake: FakePortAudio) -> FakePortAudio:
        monkeypatch.setitem(sys.modules, "sounddevice", fake)
        return fake

    monkeypatch.setattr("studio.audio.microphone.STALL_SECONDS", 0.05)
    return plugged


Plug = Callable[[FakePortAudio], FakePortAudio]


def test_microphones_are_listed_the_default_first_and_loudspeakers_are_none(plug: Plug) -> None:
    plug(FakePortAudio(steps()))
    assert [device.name for device in devices()] == ["USB microphone", "Built-in", "Line"]
    assert devices()[0] == USB


@pytest.mark.parametrize(("wanted", "name"), [("", "USB microphone"), ("1", "Built-in"), ("line", "Line")])
def test_a_microphone_is_chosen_by_number_or_by_part_of_its_name(plug: Plug, wanted: str, name: str) -> None:
    plug(FakePortAudio(steps()))
    assert choose(devices(), wanted).name == name


def test_a_microphone_that_is_not_there_and_none_at_all_are_sentences(plug: Plug) -> None:
    plug(FakePortAudio(steps()))
    with pytest.raises(DeviceError, match=r"no microphone “studio”.*3: USB microphone; 1: Built-in"):
        choose(devices(), "studio")
    with pytest.raises(DeviceError, match=r"No microphone was found on this computer.*Plug one in"):
        choose([])


def test_a_take_is_the_devices_own_samples_bit_for_bit_with_its_level(plug: Plug) -> None:
    fake = plug(FakePortAudio(steps(1.0)))
    levels: list[tuple[float, float]] = []
    wave = record(USB, threading.Event(), max_seconds=0.52, on_level=lambda *seen: levels.append(seen))
    assert wave.sample_rate == 48_000
    assert np.array_equal(to_16_bit(wave.samples), steps()[: round(0.52 * 48_000), 0])
    assert levels[0] == (pytest.approx(0.05), pytest.approx(-24.1, abs=0.2))
    assert levels[-1][0] == pytest.approx(0.55)
    assert fake.opened["samplerate"] == 48_000
    assert fake.closed


def test_stop_ends_the_take_and_what_was_spoken_before_it_is_kept(plug: Plug) -> None:
    plug(FakePortAudio(steps(0.5)))
    stop = threading.Event()
    wave = record(USB, stop, on_level=lambda seconds, _: stop.set())
    assert wave.duration == pytest.approx(0.5)


def test_a_device_that_gives_only_all_channels_is_recorded_from_the_loudest(plug: Plug) -> None:
    fake = plug(FakePortAudio(steps(), refusals={1: -9998}))
    wave = record(USB, threading.Event(), max_seconds=0.5)
    assert fake.opened["channels"] == 2
    assert np.array_equal(to_16_bit(wave.samples), steps()[: len(wave.samples), 1])


@pytest.mark.parametrize(
    ("code", "sentence"),
    [(-9985, "is busy.*Close other programs"), (-9996, "no longer there"), (-9999, "cannot be opened.*Choose another")],
)
def test_a_refusal_says_what_to_do(plug: Plug, code: int, sentence: str) -> None:
    plug(FakePortAudio(steps(), refusals={1: code, 2: code}))
    with pytest.raises(DeviceError, match=sentence):
        record(USB, threading.Event())


def test_a_refusal_at_the_start_of_the_stream_is_a_sentence_too(plug: Plug, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: FakePortAudio) -> FakePortAudio:
        raise PortAudioError("Error starting stream", -9985)

    monkeypatch.setattr(FakePortAudio, "__enter__", refuse)
    plug(FakePortAudio(steps()))
    with pytest.raises(DeviceError, match="is busy"):
        record(USB, threading.Event())


def test_a_microphone_that_falls_silent_or_loses_samples_is_refused(plug: Plug) -> None:
    plug(FakePortAudio(steps(0.5)))
    with pytest.raises(DeviceError, match="has given no sound"):
        record(USB, threading.Event(), max_seconds=2)
    plug(FakePortAudio(steps(0.5))).lost_at = 3
    with pytest.raises(DeviceError, match="too busy"):
        record(USB, threading.Event(), max_seconds=0.5)
    plug(FakePortAudio(steps(0.5) * 0))
    with pytest.raises(DeviceError, match=r"only zeros.*Unmute it"):
        record(USB, threading.Event(), max_seconds=0.5)


def test_samples_lost_at_the_very_end_are_refused_as_well(plug: Plug) -> None:
    plug(FakePortAudio(steps(0.5))).lost_at = 9
    stop = threading.Event()
    with pytest.raises(DeviceError, match="too busy"):
        record(USB, stop, on_level=lambda *_: stop.set())


@pytest.mark.parametrize(("system", "remedy"), [("linux", "apt install libportaudio2"), ("darwin", "brew install")])
def test_a_missing_portaudio_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str, remedy: str
) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(DeviceError, match=remedy):
        devices()


@pytest.fixture
def virtual_microphone(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A PulseAudio of our own with a source that plays what is sent to its sink, as ALSA's default."""
    if not shutil.which("pulseaudio") or not shutil.which("pacat"):
        pytest.skip("PulseAudio is absent: apt install pulseaudio pulseaudio-utils libasound2-plugins")
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    saved(home / ".asoundrc", b"pcm.!default { type pulse }\nctl.!default { type pulse }\n")
    runtime = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "PULSE_SERVER": f"unix:{home}/pulse.socket"}
    environment = {**os.environ, **runtime}
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
    for module in (
        f"module-native-protocol-unix socket={home}/pulse.socket auth-anonymous=1",
        "module-null-sink sink_name=vmic rate=48000 channels=1",
        "module-remap-source source_name=mic master=vmic.monitor",
    ):
        command += ["-L", module]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            if (home / "pulse.socket").exists():
                break
            time.sleep(0.05)
        yield environment
    finally:
        server.terminate()
        server.wait()


def test_a_real_source_is_recorded_bit_for_bit(virtual_microphone: dict[str, str], tmp_path: Path) -> None:
    played = np.random.default_rng(0).integers(-9000, 9000, 5 * 48_000).astype(np.int16)
    saved(tmp_path / "played.raw", played.tobytes())
    code = f"""
import threading
from pathlib import Path
from studio.audio import write_wav
from studio.audio.microphone import choose, devices, record
from dataclasses import replace
device = replace(choose(devices(), "default"), sample_rate=48000)
wave = record(device, threading.Event(), max_seconds=1.5)
write_wav(Path({str(tmp_path / "got.wav")!r}), wave.samples, wave.sample_rate)
"""
    player = subprocess.Popen(
        ["pacat", "--device=vmic", "--rate=48000", "--channels=1", "--format=s16le", str(tmp_path / "played.raw")],
        env=virtual_microphone,
    )
    time.sleep(0.5)
    done = subprocess.run(
        [sys.executable, "-c", code], env=virtual_microphone, capture_output=True, text=True, timeout=60, check=False
    )
    player.terminate()
    player.wait()
    if "No microphone was found" in done.stderr or "no microphone “default”" in done.stderr:
        pytest.skip("ALSA does not see PulseAudio: apt install libasound2-plugins")
    assert done.returncode == 0, done.stderr
    import soundfile

    got, rate = soundfile.read(tmp_path / "got.wav", dtype="int16")
    assert rate == 48_000
    assert len(got) == 72_000
    middle = got[24_000:28_800]
    found = [at for at in np.flatnonzero(played == middle[0]) if np.array_equal(played[at : at + 4800], middle)]
    assert len(found) == 1

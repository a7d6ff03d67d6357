"""Sound files and samples."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sounds import encoded, saved, tone

from studio.audio import inspect, length, read, refusal, resample, to_16_bit, wav_bytes, write_wav
from studio.errors import AudioError, DiskError


@given(arrays(np.int16, st.integers(1, 500)), st.sampled_from([8000, 16000, 44100, 48000, 192000]))
def test_sixteen_bit_samples_come_back_bit_equal(steps: np.ndarray, rate: int) -> None:
    wave = read(wav_bytes(steps.astype(np.float32) / 32768, rate))
    assert wave.sample_rate == rate
    assert np.array_equal(to_16_bit(wave.samples), steps)


@given(arrays(np.float32, st.integers(1, 200), elements=st.floats(-40000, 40000, width=32)))
def test_floats_beyond_full_scale_are_scaled_down_and_never_cut_off(samples: np.ndarray) -> None:
    steps = to_16_bit(samples).astype(float)
    peak = max(1.0, float(np.abs(samples).max()))
    assert np.abs(steps / 32768 - samples / peak).max() <= 1.01 / 32768


def test_flac_and_mp3_are_read(tmp_path: Path) -> None:
    samples = tone(1.0)
    flac = saved(tmp_path / "a.flac", encoded(samples, 16000, "FLAC"))
    mp3 = saved(tmp_path / "a.mp3", encoded(samples, 16000, "MP3", "MPEG_LAYER_III"))
    assert np.abs(read(flac).samples - samples).max() < 1e-4
    assert inspect(mp3).peak_db == pytest.approx(inspect(flac).peak_db, abs=1)


def test_resampling_keeps_the_tone_and_its_level() -> None:
    samples = tone(1.0, 48_000, pitch=440)
    low = resample(samples, 48_000, 16_000)
    assert abs(len(low) - 16_000) <= 1
    assert np.abs(low[1000:15000] - tone(1.0, 16_000, pitch=440)[1000:15000]).max() < 1e-3
    assert read(encoded(samples, 48_000), 16_000).sample_rate == 16_000


def test_a_part_of_a_file_is_read_by_offset_and_duration() -> None:
    samples = np.concatenate([tone(1.0), np.zeros(16_000, np.float32)])
    whole = read(encoded(samples, 16_000))
    part = read(encoded(samples, 16_000), offset=0.25, duration=0.5)
    assert np.array_equal(part.samples, whole.samples[4000:12000])
    with pytest.raises(AudioError, match="no sound"):
        read(encoded(samples, 16_000), offset=9)


def test_of_eight_channels_the_loudest_is_kept_undiluted() -> None:
    frames = np.random.default_rng(0).normal(0, 0.001, (8000, 8)).astype(np.float32)
    frames[:, 5] = tone(0.5)
    info = inspect(encoded(frames, 16_000))
    assert (info.channels, info.channel, refusal(info)) == (8, 5, None)
    assert np.abs(read(encoded(frames, 16_000)).samples - tone(0.5)).max() < 1e-4


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (encoded(np.zeros(0, np.float32), 16_000), "empty"),
        (encoded(tone(0.02), 16_000), "too short"),
        (encoded(np.zeros(16_000, np.float32), 16_000), "silent"),
        (encoded(tone(level=0.0005), 16_000), "silent"),
        (encoded(tone(61, 8000), 8000), "too long"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_kept_is_refused_with_what_to_do(content: bytes, code: str) -> None:
    refused = refusal(inspect(content))
    assert refused is not None
    assert refused.code == code
    assert refused.what.endswith(".")
    assert refused.remedy.endswith(".")


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, 192_000])
def test_a_recording_at_any_rate_is_kept_and_so_is_a_bad_one(rate: int) -> None:
    for sound in (tone(rate=rate), tone(rate=rate, level=0.01), np.clip(tone(rate=rate, level=3), -1, 1)):
        assert refusal(inspect(encoded(sound, rate))) is None


def test_forty_minutes_are_measured_and_refused() -> None:
    content = encoded(np.tile(tone(60, 8001), 40), 8001, "FLAC")
    assert length(content) == pytest.approx(2400, abs=0.1)
    refused = refusal(inspect(content))
    assert refused is not None
    assert refused.what == "It lasts more than 2 min; a clip may last 60 s at most."
    with pytest.raises(AudioError, match="more than 2 min"):
        read(content)


@pytest.mark.parametrize("content", [b"", b"this is a text", b"RIFF\x00\x00", b"\x00" * 5000, b"fLaC" + b"\xff" * 99])
def test_what_is_no_sound_is_refused_with_a_remedy(content: bytes, tmp_path: Path) -> None:
    for source in (content, saved(tmp_path / "clip.wav", content), saved(tmp_path / "clip.raw", content)):
        for look in (read, inspect):
            with pytest.raises(AudioError) as refused:
                look(source)
            assert ("The recording" if isinstance(source, bytes) else source.name) in refused.value.what
            assert refused.value.remedy


@given(st.binary(max_size=300), st.integers(0, 200))
def test_no_bytes_whatever_make_a_traceback(noise: bytes, cut: int) -> None:
    for content in (noise, b"RIFF" + noise, wav_bytes(tone(0.01), 16_000)[:cut] + noise):
        with suppress(AudioError):
            assert read(content).samples.dtype == np.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_numbers_are_refused(bad: float) -> None:
    samples = tone()
    samples[100] = bad
    content = encoded(samples, 16_000, subtype="FLOAT")
    for look in (read, inspect):
        with pytest.raises(AudioError, match="not numbers"):
            look(content)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="No such file"):
        read(tmp_path / "gone.wav")


def test_a_recording_cut_off_in_the_middle_keeps_what_is_there() -> None:
    whole = encoded(tone(1.0), 16_000)
    assert inspect(whole[: len(whole) // 2]).duration == pytest.approx(0.5, abs=0.01)


def test_a_written_clip_is_mono_sixteen_bit(tmp_path: Path) -> None:
    write_wav(tmp_path / "clips" / "a.wav", tone(), 44_100)
    import soundfile

    info = soundfile.info(tmp_path / "clips" / "a.wav")
    assert (info.channels, info.subtype, info.samplerate) == (1, "PCM_16", 44_100)
    assert [path.name for path in (tmp_path / "clips").iterdir()] == ["a.wav"]


def test_real_clips_are_read_and_none_is_refused(speech_folder: Path) -> None:
    rows = [json.loads(line) for line in (speech_folder / "metadata.jsonl").read_text().splitlines()]
    for row in random.Random(0).sample(rows, 100):
        info = inspect(speech_folder / row["file_name"])
        assert read(speech_folder / row["file_name"]).duration == pytest.approx(info.duration)
        assert refusal(info) is None

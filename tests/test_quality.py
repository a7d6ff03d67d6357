"""What is measured in a recording, and what it means."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sounds import tone
from voices import LEVEL, Sound, loudest, noise, silence, speech, steps, wave

from studio.audio import Waveform, artifacts, read, resample, to_16_bit
from studio.audio.artifacts import FARTHEST
from studio.audio.loudness import loudness
from studio.data import quality
from studio.data.quality import THRESHOLDS, Finding, Quality, findings, measure, pace, remembered, usual_pace, verdict

Spoil = Callable[[Sound, int], Sound]


def found(samples: Sound, rate: int = 16_000, **about: object) -> dict[str, str]:
    """Code and verdict of every finding in a recording."""
    clip = wave(samples, rate)
    about = {"duration": clip.duration, **about}
    return {one.code: one.verdict for one in findings(measure(clip), **about)}  # type: ignore[arg-type]


def clip_at(share: float) -> Spoil:
    """Clip so that this share (0..1) of the samples is cut off, as a microphone's input does."""
    return lambda x, rate: np.clip(x, -(top := np.quantile(np.abs(x), 1 - share)), top) / top


def then(*deeds: Spoil) -> Spoil:
    def all_of_them(x: Sound, rate: int) -> Sound:
        for deed in deeds:
            x = deed(x, rate)
        return x

    return all_of_them


def gain(factor: float) -> Spoil:
    return lambda x, rate: steps(steps(x) * np.float32(factor))


def noisy(snr: float) -> Spoil:
    """Noise of the voice's own bandwidth."""
    level = LEVEL * 10 ** (-snr / 20)
    return lambda x, rate: x + resample(noise(len(x) * 16_000 // rate + 9, level, 3), 16_000, rate)[: len(x)]


def offset(share: float) -> Spoil:
    return lambda x, rate: x + np.float32(share)


def edge(before: float, after: float) -> Spoil:
    return lambda x, rate: np.concatenate([silence(before, rate), x, silence(after, rate)])


def pause(seconds: float) -> Spoil:
    def spread(x: Sound, rate: int) -> Sound:
        return np.concatenate([x, silence(max(0.0, seconds - 0.9), rate), x])

    return spread


def doubled(buffer: int, times: int = 1) -> Spoil:
    """A buffer that is sent twice, `times` at places 20 ms apart."""

    def twice(x: Sound, rate: int) -> Sound:
        for number in range(times):
            at = loudest(speech(rate), rate) + number * (2 * buffer + rate // 50)
            x = np.concatenate([x[: at + buffer], x[at:]])
        return x

    return twice


def gap(seconds: float, times: int = 1) -> Spoil:
    """So many seconds of zeros where somebody speaks."""

    def silent(x: Sound, rate: int) -> Sound:
        x = x.copy()
        for number in range(times):
            at = loudest(x, rate, 0.05) + number * rate // 80
            x[at : at + round(seconds * rate)] = 0
        return x

    return silent


def missing(buffer: int) -> Spoil:
    """A buffer lost where the jump that it leaves is the largest nearby."""

    def cut(x: Sound, rate: int) -> Sound:
        middle = loudest(x, rate)
        places = range(middle - rate // 50, middle + rate // 50)
        at = max(places, key=lambda place: abs(x[place] - x[place + buffer]))
        return np.concatenate([x[:at], x[at + buffer :]])

    return cut


def lowered(rate_of_old: int) -> Spoil:
    """Recorded at a lower rate and resampled."""
    return lambda x, rate: resample(resample(x, rate, rate_of_old), rate_of_old, rate)


CASES: list[tuple[str, Spoil, dict[str, str]]] = [
    ("as it is", gain(1), {}),
    ("half as loud", gain(0.5), {}),
    ("just above very quiet", gain(0.06), {}),
    ("very quiet", gain(0.025), {"quiet": "look"}),
    ("a touch of clipping", clip_at(0.0005), {}),
    ("clipped", clip_at(0.003), {"clipped": "look"}),
    ("badly clipped", clip_at(0.03), {"clipped": "re-record"}),
    ("clipped, then turned down", then(clip_at(0.003), gain(0.31)), {"clipped": "look"}),
    ("badly clipped, then turned down", then(clip_at(0.03), gain(0.31)), {"clipped": "re-record"}),
    ("a little noise", noisy(18), {}),
    ("noise", noisy(9), {"noisy": "look"}),
    ("much noise", noisy(4), {"noisy": "re-record"}),
    ("hardly off centre", offset(0.01), {}),
    ("off centre", offset(0.03), {"offset": "look"}),
    ("off centre, downwards", offset(-0.03), {"offset": "look"}),
    ("some silence before", edge(0.9, 0), {}),
    ("much silence before", edge(1.4, 0), {"silence": "look"}),
    ("much silence after", edge(0, 1.4), {"silence": "look"}),
    ("a pause", pause(1.7), {}),
    ("a long pause", pause(2.6), {"pause": "look"}),
    ("recorded at 8 kHz", lowered(8_000), {"telephone": "note"}),
    ("recorded at 11 kHz", lowered(11_025), {}),
    ("doubled, 128 samples", doubled(128), {"doubled": "look"}),
    ("doubled, 441 samples", doubled(441), {"doubled": "look"}),
    ("doubled, 1024 samples", doubled(1024), {"doubled": "look"}),
    ("doubled three times", doubled(256, 3), {"doubled": "re-record"}),
    ("a gap of 0.5 ms", gap(0.0005), {}),
    ("a gap of 3 ms", gap(0.003), {"dropped": "look"}),
    ("a gap of 20 ms", gap(0.020), {"dropped": "look"}),
    ("three gaps", gap(0.003, 3), {"dropped": "re-record"}),
    ("three copies of it", lambda x, rate: np.tile(x, 9), {"long": "look"}),
]


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize(("name", "spoil", "expected"), CASES, ids=[name for name, *_ in CASES])
def test_each_defect_is_found_and_no_other(name: str, spoil: Spoil, expected: dict[str, str], rate: int) -> None:
    assert found(spoil(speech(rate), rate), rate) == expected


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("buffer", [128, 512, 2048])
def test_a_lost_buffer_is_found_at_the_rates_of_microphones(buffer: int, rate: int) -> None:
    assert found(missing(buffer)(speech(rate), rate), rate) == {"click": "look"}


@pytest.mark.parametrize("pitch", [50, 100, 220, 440, 1000])
@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_a_steady_tone_is_neither_clipped_nor_torn(pitch: float, rate: int) -> None:
    assert not set(found(tone(2, rate, pitch=pitch), rate)) & {"clipped", "doubled", "dropped", "click"}


SOUNDS: list[tuple[str, Sound, dict[str, str]]] = [
    ("the room alone", silence(3), {"no-speech": "re-record"}),
    ("loud noise", noise(48_000, 0.1), {"no-speech": "re-record"}),
    ("a hum", tone(2, pitch=50), {"no-speech": "re-record"}),
    ("a tone", tone(2), {"no-speech": "re-record", "telephone": "note"}),
    ("zeros", np.zeros(16_000, np.float32), {"no-speech": "re-record", "telephone": "note"}),
    ("one knock", np.concatenate([silence(1), noise(300, 0.2), silence(1)]), {"no-speech": "re-record"}),
    ("a clipped tone", np.clip(tone(2, level=3), -1, 1), {"no-speech": "re-record", "clipped": "re-record"}),
]


@pytest.mark.parametrize(("name", "sound", "expected"), SOUNDS, ids=[name for name, *_ in SOUNDS])
def test_a_sound_without_speech_is_told_from_speech(name: str, sound: Sound, expected: dict[str, str]) -> None:
    told = found(sound)
    assert {code: told.get(code) for code in expected} == expected
    assert set(told) - {"telephone"} == set(expected) - {"telephone"}


@pytest.mark.parametrize(
    ("usual", "text", "expected"),
    [
        (None, "location code 145866", {}),
        (11.0, "location code 145866", {}),
        (11.0, "location code 145866 " * 3, {"fast": "look"}),
        (11.0, "location code", {"slow": "look"}),
        (None, "location code 145866 " * 4, {"fast": "look"}),
        (11.0, "yes", {}),  # too short to tell a pace
        (11.0, "", {}),
    ],
)
def test_a_label_that_does_not_fit_the_time_is_noticed(
    usual: float | None, text: str, expected: dict[str, str]
) -> None:
    assert found(speech(), text=text, usual_pace=usual) == expected


def test_a_usual_pace_needs_twenty_clips_of_one_speaker_and_digits_count_as_words() -> None:
    said = [(len("location code one four"), pace("location code 14", None, 3.0))] * THRESHOLDS.pace_clips
    assert usual_pace(said[1:]) is None
    assert usual_pace(said) == pytest.approx(len("location code one four") / 3, abs=0.05)
    assert usual_pace([*said[1:], (3, 1.0)]) is None  # a short word tells no pace


def test_the_same_samples_elsewhere_are_told_and_a_note_is_no_reproach() -> None:
    figures = measure(wave(speech()))
    [twin] = findings(figures, duration=3, duplicates=["other"])
    assert (twin.code, verdict([twin])) == ("twin", "look")
    assert "2 other clips" in findings(figures, duration=3, duplicates=["a", "b"])[0].what
    assert verdict([]) == "fine"
    assert verdict([Finding(code="telephone", verdict="note", what="x")]) == "fine"


def test_every_finding_is_a_sentence_with_a_remedy_and_has_a_name() -> None:
    for _, spoil, _ in CASES:
        clip = wave(spoil(speech(), 16_000))
        for one in findings(measure(clip), duration=clip.duration):
            assert one.what.endswith((".", ")."))
            assert one.remedy.endswith(".")
            assert quality.NAMES[one.code]


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_loudness_agrees_with_the_standards_tone_and_with_pyloudnorm(rate: int) -> None:
    if rate > 16_000:  # lower, half of the rate is near, and bends the standard's filters
        assert loudness(Waveform(tone(3, rate, 1.0, 997), rate)) == pytest.approx(-3.01, abs=0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyloudnorm = pytest.importorskip("pyloudnorm")
    sound = speech(rate)
    assert loudness(Waveform(sound, rate)) == pytest.approx(pyloudnorm.Meter(rate).integrated_loudness(sound), abs=0.2)


def test_a_word_shorter_than_a_block_of_the_standard_has_a_loudness() -> None:
    assert loudness(Waveform(tone(0.15, level=1.0, pitch=997), 16_000)) == pytest.approx(-3.0, abs=0.5)


@settings(max_examples=60)
@given(arrays(np.float32, st.integers(1, 3000), elements=st.floats(-1, 1, width=32)), st.sampled_from([8000, 48_000]))
def test_no_samples_whatever_break_the_measure(samples: np.ndarray, rate: int) -> None:
    figures = measure(Waveform(samples, rate))
    assert Quality.known(figures.stored()) == figures
    findings(figures, duration=len(samples) / rate, text="some words", usual_pace=3.0)


def test_a_broken_measure_does_not_stop_a_save(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("studio.audio.measurements.find_voice", broken)
    assert remembered(wave(speech())) is None
    assert "could not be measured" in caplog.text


def test_figures_of_an_older_way_of_measuring_are_unknown() -> None:
    assert Quality.known(None) is None
    assert Quality.known({"peak_db": -3.0, "rms_db": -20.0, "clipped_share": 0.0, "verdict": "good"}) is None
    assert Quality.known({"version": quality.VERSION, "peak_db": "loud"}) is None


def test_five_seconds_are_measured_in_the_time_of_two_frames_of_a_film() -> None:
    sound = resample(np.tile(speech(), 2)[: 5 * 16_000], 16_000, 48_000)
    measure(Waveform(sound, 48_000))
    times = []
    for _ in range(5):
        began = time.thread_time()
        measure(Waveform(sound, 48_000))
        times.append(time.thread_time() - began)
    assert min(times) < 0.1  # of the processor; 0.015 s on a quiet machine


def test_clips_in_eight_bits_are_as_fine_as_in_sixteen(cases: Path) -> None:
    for path in sorted((cases / "eight_bit_wav").glob("*.wav")):
        clip = read(path)
        said = findings(measure(clip), duration=clip.duration, text=path.with_suffix(".txt").read_text())
        assert (path.name, verdict(said)) == (path.name, "fine"), said


@pytest.mark.parametrize("bits", [8, 16])
def test_a_lost_and_a_doubled_buffer_are_found_whatever_the_step(bits: int) -> None:
    step = np.float32(2.0 ** (1 - bits))
    coarse = (np.rint(speech(16_000) * 2 / step) * step).astype(np.float32)
    for spoil, code in ((gap(0.02), "dropped"), (doubled(640), "doubled")):
        assert code in found(spoil(coarse, 16_000))


@pytest.mark.thorough
@pytest.mark.parametrize("sound", ["tone", "noise that repeats"])
def test_two_minutes_at_48_khz_cost_a_bounded_number_of_comparisons(
    sound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate, looks = 48_000, Counter[str]()
    samples = {"tone": tone(120.0, rate), "noise that repeats": np.tile(noise(4800, 0.1, 0), 1200)}[sound]
    compare = artifacts._equal_stretch

    def counting(steps: artifacts.Steps, place: int, lag: int) -> tuple[int, int]:
        first, last = compare(steps, place, lag)
        looks.update(stretches=1)
        assert last - first <= 8 * FARTHEST * rate
        return first, last

    monkeypatch.setattr(artifacts, "_equal_stretch", counting)
    pairs = artifacts._equal_windows(to_16_bit(samples).astype(np.int64), round(FARTHEST * rate))
    assert pairs == sorted(pairs)
    assert len(pairs) <= artifacts.MOST_PAIRS
    measure(wave(samples, rate))
    assert looks["stretches"] <= artifacts.MOST_LOOKED_AT


@pytest.mark.parametrize("make", ["tone", "square", "held", "noise that repeats"])
def test_a_minute_of_a_machines_signal_takes_no_longer_to_measure_than_a_voice(make: str) -> None:
    rate = 16_000
    sounds = {
        "tone": tone(60.0, rate),
        "square": np.sign(tone(60.0, rate)) * np.float32(0.3),
        "held": np.repeat(np.random.default_rng(0).normal(0, 0.1, rate * 60 // 20).astype(np.float32), 20),
        "noise that repeats": np.tile(noise(1600, 0.1, 0), 600),
    }
    began = time.process_time()
    measure(wave(sounds[make], rate))
    assert time.process_time() - began < 4.0  # 0.3 to 0.9 s on a quiet machine


def test_of_real_clips_few_are_flagged(speech_folder: Path) -> None:
    import json

    rows = [json.loads(line) for line in (speech_folder / "metadata.jsonl").read_text().splitlines()]
    flagged = []
    for row in rows[::5]:
        sound = read(speech_folder / row["file_name"])
        if verdict(findings(measure(sound), duration=sound.duration, text=row["text"])) != "fine":
            flagged.append(row["file_name"])
    assert len(flagged) <= 0.02 * len(rows[::5]), flagged

"""Variants of a clip: seeded, of the kinds that are named, and computed once like the clip itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tones import adapter, config, run_until, tones, train

from studio.models import Clip
from studio.runs.events import Finished, StepDone
from studio.train import augment
from studio.train.augment import variant

RATE = 16_000
TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)


@pytest.fixture
def at_its_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variant has another pace or pitch: librosa compiles for half a minute when it is first asked for one."""
    monkeypatch.setattr(augment, "PACE_SHARE", 0.0)
    monkeypatch.setattr(augment, "PITCH_SHARE", 0.0)


def clip(id: str = "one", samples: np.ndarray = TONE) -> Clip:
    return Clip(samples, "a tone", id)


def decibels(part: np.ndarray, whole: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(part.astype(np.float64) ** 2) / np.mean(whole.astype(np.float64) ** 2)))


@pytest.mark.usefixtures("at_its_pace")
def test_a_variant_is_the_same_for_the_same_seed_and_clip_and_else_another() -> None:
    first = variant(clip(), RATE, 1, 1).samples
    assert np.array_equal(first, variant(clip(), RATE, 1, 1).samples)
    for other in (variant(clip("two"), RATE, 1, 1), variant(clip(), RATE, 2, 1), variant(clip(), RATE, 1, 2)):
        assert not np.array_equal(first, other.samples)
    assert variant(clip(), RATE, 1, 1).text == "a tone"


@pytest.mark.thorough
def test_variants_stay_within_their_bounds_and_never_clip() -> None:
    for number in range(1, 60):
        samples = variant(clip(), RATE, 3, number).samples
        assert samples.dtype == np.float32
        fastest = np.exp(augment.SPEED + augment.PACE) + 0.01
        assert 1 / fastest < RATE / len(samples) < fastest
        assert np.max(np.abs(samples)) <= 1
        assert np.isfinite(samples).all()


def highest(samples: np.ndarray) -> float:
    """Hertz of the loudest tone."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * RATE / len(samples))


@pytest.mark.thorough
def test_pace_changes_the_length_alone_and_pitch_the_height_alone() -> None:
    fast = augment._at_pace(TONE, 1.25)
    assert (len(fast), highest(fast)) == (RATE / 1.25, pytest.approx(440, abs=3))
    high = augment._at_pitch(TONE, 2.0, RATE)
    assert (len(high), highest(high)) == (RATE, pytest.approx(440 * 2 ** (2 / 12), abs=3))


def test_noise_lies_as_far_below_the_clip_as_asked() -> None:
    noise = augment._with_noise(TONE, 20.0, np.random.default_rng(0)) - TONE
    assert decibels(noise, TONE) == pytest.approx(-20, abs=0.2)


def test_a_band_limit_takes_what_lies_above_and_leaves_what_lies_below() -> None:
    high = (0.3 * np.sin(2 * np.pi * 6000 * np.arange(RATE) / RATE)).astype(np.float32)
    limited = augment._below(TONE + high, 4000, RATE)
    assert np.max(np.abs(limited - TONE)) < 0.01


@pytest.mark.usefixtures("at_its_pace")
def test_silence_and_the_shortest_clip_have_variants_too() -> None:
    for samples in (np.zeros(RATE, np.float32), TONE[:16]):
        assert np.isfinite(variant(clip(samples=samples), RATE, 0, 1).samples).all()


@pytest.mark.usefixtures("at_its_pace")
def test_a_run_with_variants_learns_from_them_and_resumes_to_the_same_bits(tmp_path: Path) -> None:
    tones(tmp_path)
    changed = {"augment": 2, "max_steps": 8}
    assert isinstance(train(tmp_path, "whole", config(**changed))[-1], Finished)
    train(tmp_path, "plain", config(max_steps=8))
    assert adapter(tmp_path, "whole") != adapter(tmp_path, "plain")
    run_until(tmp_path, "cut", lambda event: isinstance(event, StepDone) and event.step == 3, **changed)
    train(tmp_path, "cut", config(**changed), resume=True)
    assert adapter(tmp_path, "cut") == adapter(tmp_path, "whole")

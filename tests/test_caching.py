"""What is computed once a clip instead of at every step is exactly what would have been computed then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from tones import config, go_on

from studio.models import Clip, adapters, load
from studio.models.base import Encodes
from studio.train.loop import Learner, fresh_learner, take_step

STEPS = 12
TEXTS = ["order 12", "a much longer order 98765", "3", "phone 555 then 11", "code 0", "order 40 40"]


def learner_on(folder: Path, targets: str) -> Learner:
    settings = config(targets=targets, dropout=0, batch_size=3, accumulation=2, learning_rate=0.01)
    base = load(str(folder), "cpu")
    recogniser = adapters.attach(base, settings.rank, settings.alpha, settings.dropout, targets, settings.seed)
    learner = fresh_learner(recogniser, settings)
    for place, text in enumerate(TEXTS):
        clip = Clip(tiny_models.noise(0.5 + 0.3 * place, place), text)
        learner.rows.append(recogniser.family.prepare(recogniser.model, recogniser.processor, clip))
    return learner


def losses(learner: Learner) -> list[float]:
    return [take_step(learner, 0.01, go_on) for _ in range(STEPS)]


STREAMING = pytest.param(tiny_models.moonshine_streaming, marks=pytest.mark.thorough)


@pytest.mark.parametrize("make", [tiny_models.moonshine, STREAMING])
@pytest.mark.parametrize("targets", [pytest.param("conventions", marks=pytest.mark.thorough), "voice"])
def test_with_the_encoder_cached_twelve_steps_have_the_losses_that_they_have_without(
    make: Callable[..., Any], targets: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(tmp_path / "model")
    cached = learner_on(folder, targets)
    monkeypatch.setattr("studio.models.encoder_decoder.adapts_encoder", lambda _: True)
    uncached = learner_on(folder, targets)
    assert "memory" in cached.rows[0]
    assert "stem" in uncached.rows[0]
    expected = losses(uncached)
    assert losses(cached) == pytest.approx(expected, abs=1e-5)
    assert expected[-1] < expected[0]


@pytest.mark.parametrize("make", [tiny_models.moonshine, STREAMING, tiny_models.whisper])
@pytest.mark.parametrize("targets", [pytest.param("conventions", marks=pytest.mark.thorough), "deep"])
def test_what_was_encoded_for_training_is_read_as_the_sound_is(
    make: Callable[..., Any], targets: str, tmp_path: Path
) -> None:
    base = load(str(make(tmp_path / "model")), "cpu")
    recogniser = adapters.attach(base, 4, 8.0, 0.0, targets, 0)
    family, model, processor = recogniser.family, recogniser.model, recogniser.processor
    assert isinstance(family, Encodes)
    clips = [Clip(tiny_models.noise(0.5 + 0.3 * place, place)) for place in range(3)]
    features = [family.features(model, processor, clip) for clip in clips]
    from_sound = family.transcribe_batch(model, processor, clips)
    from_features = family.transcribe_features(model, processor, clips, features)
    assert [read.text for read in from_features] == [read.text for read in from_sound]
    assert [read.confidence for read in from_features] == pytest.approx([read.confidence for read in from_sound])
    assert any(read.text for read in from_sound)

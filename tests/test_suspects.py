"""Wrong labels stand first among the suspects; hard clips and a weak model do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted import caught, planted, swapped
from tones import tones

from studio import models
from studio.data.manifest import Dataset
from studio.data.store import asr_results
from studio.data.store.asr_results import AsrResult
from studio.inference.label_errors import LIKELY, find_suspects, label_loss, with_suspicion
from studio.models import Clip
from studio.models.echo import speak
from studio.text import digits_to_words


def search(dataset: Dataset, recogniser: models.Recogniser, adapter: str | None = None) -> tuple[int, int, list[str]]:
    found = find_suspects(recogniser, dataset, dataset.utterances(), adapter, lambda done, total: None)
    return found.clips, found.likely, found.skipped


@pytest.fixture
def dataset(tmp_path: Path) -> tuple[Dataset, set[str]]:
    dataset = tones(tmp_path, clips=40)
    clips = dataset.utterances()
    labels, places = swapped([clip.text for clip in clips], 4, seed=0)
    dataset.change({clip.id: {"text": label} for clip, label in zip(clips, labels, strict=True) if clip.text != label})
    return dataset, {clips[place].id for place in places}


def test_swapped_labels_are_likely_and_nothing_else_is(dataset: tuple[Dataset, set[str]]) -> None:
    data, wrong = dataset
    assert search(data, models.load("echo")) == (40, 4, [])
    found = asr_results.read(data)
    assert {id for id, item in found.items() if (item.suspicion or 0) > LIKELY} == wrong
    for id in wrong:
        assert found[id].reason.startswith(f"The model transcribed “{found[id].text}”. The model finds this label")
        assert "nats per token" in found[id].reason
    assert all(not item.reason for id, item in found.items() if id not in wrong)


def test_a_label_in_the_other_convention_is_no_surprise() -> None:
    echo = models.load("echo")  # writes digits
    as_words = label_loss(echo, Clip(speak("order 129"), "order one two nine"))
    as_digits = label_loss(echo, Clip(speak("order 129"), "order 129"))
    assert as_words == pytest.approx(as_digits)
    assert label_loss(echo, Clip(speak("order 129"), "Order, 129!")) == pytest.approx(as_digits)
    assert label_loss(echo, Clip(speak("order 129"), "order 807")) > as_digits + 1


def reading(id: str, label: str, text: str, loss: float, base: str | None = None) -> AsrResult:
    fields = {"id": id, "audio_sha256": id, "label": label, "text": text, "loss": loss, "base_text": base}
    return AsrResult.model_validate({**fields, "model": "starter", "at": "2026-11-21T10:00:00+00:00"})


def test_a_hard_clip_and_a_weak_model_count_less_than_both_signs_together() -> None:
    usual = [reading(str(number), "go back", "go back", 0.1) for number in range(9)]
    both = reading("both", "go back", "please hold", 4.0)
    only_loss = reading("hard", "go back", "go back", 4.0)
    only_text = reading("weak", "go back", "please hold", 0.1)
    judged = {item.id: item.suspicion or 0 for item in with_suspicion([*usual, both, only_loss, only_text])}
    assert judged["both"] > LIKELY
    assert judged["hard"] == judged["weak"] == judged["0"] == 0
    assert "0.1 is usual here" in next(item.reason for item in with_suspicion([*usual, both]) if item.id == "both")


def test_a_difference_counts_more_where_base_and_tuned_model_agree_against_the_label() -> None:
    usual = [reading(str(number), "go back", "go back", 0.1, "go back") for number in range(9)]
    agree = reading("agree", "order five two", "order 79", 1.5, "order seven nine")
    differ = reading("differ", "order five two", "order 79", 1.5, "order five nine")
    judged = {item.id: item for item in with_suspicion([*usual, agree, differ])}
    assert (judged["agree"].suspicion or 0) > (judged["differ"].suspicion or 0)
    assert judged["agree"].reason.startswith("Both the base model and the tuned one transcribed “order 79”.")


def test_a_model_that_cannot_read_the_clips_says_that_it_cannot_judge(tmp_path: Path) -> None:
    data = tones(tmp_path, clips=6)
    data.change({clip.id: {"text": f"nothing of the kind {place}"} for place, clip in enumerate(data.utterances())})
    found = find_suspects(models.load("echo"), data, data.utterances(), None, lambda done, total: None)
    assert found.is_lost
    readable = tones(tmp_path / "other", clips=6)
    assert not find_suspects(
        models.load("echo"), readable, readable.utterances(), None, lambda done, total: None
    ).is_lost


def test_an_odd_number_of_clips_none_or_one_does_no_harm() -> None:
    assert with_suspicion([]) == []
    (alone,) = with_suspicion([reading("x", "go", "stop", 5.0)])
    assert alone.suspicion == 0  # nothing to compare it with


def test_with_an_adapter_both_readings_are_kept(dataset: tuple[Dataset, set[str]]) -> None:
    from studio.models.adapters import attach

    data, wrong = dataset
    tuned = attach(models.load("echo"), 4, 8.0, 0.0, "all", seed=0)
    assert search(data, tuned, "tuned")[1] == len(wrong)
    for item in asr_results.read(data).values():
        assert item.base_text == item.text  # a fresh adapter changes nothing
        assert item.adapter == "tuned"


@pytest.mark.thorough
def test_of_labels_swapped_among_synthetic_clips_all_stand_first(tmp_path: Path) -> None:
    """The bar, 18 of 20 among the first 30 of 400, is measured by tests/benchmarks/suspects.py; here a small one."""
    data, wrong = planted(tmp_path / "planted", 60, 4, seed=3, convention="words", voices=("espeak-ng:en-us+klatt4",))
    search(data, models.load("starter"))
    assert caught(data, wrong, first=5) == 4
    assert data.utterances()[0].text == digits_to_words(data.utterances()[0].text)

"""What models heard stands beside the labels, belongs to the samples, and survives what happens to files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sounds import recording

from studio.data.manifest import Dataset
from studio.data.store import asr_results
from studio.data.store.asr_results import AsrResult
from studio.data.utterance import Utterance

NOW = "2026-11-21T10:00:00+00:00"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    dataset = Dataset.create(tmp_path / "mine")
    for seed, text in enumerate(["one", "two"]):
        dataset.add(recording(seed), text=text)
    return dataset


def reading(clip: Utterance, text: str, **fields: object) -> AsrResult:
    values = {"id": clip.id, "audio_sha256": clip.audio_sha256, "label": clip.text, "model": "echo", "text": text}
    return AsrResult(**{**values, "at": NOW, **fields})


def test_the_last_reading_of_a_clip_counts(dataset: Dataset) -> None:
    first, second = dataset.utterances()
    asr_results.append(dataset, [reading(first, "a"), reading(second, "b", words=[("b", 0.5)], suspicion=0.25)])
    asr_results.append(dataset, [reading(first, "c", confidence=0.9)])
    found = asr_results.read(dataset)
    assert found[first.id].text == "c"
    assert found[second.id].words == [("b", 0.5)]


def test_other_samples_have_not_been_heard_and_another_label_was_not_compared(dataset: Dataset) -> None:
    first, second = dataset.utterances()
    asr_results.append(dataset, [reading(first, "a", audio_sha256="of before it was trimmed"), reading(second, "b")])
    assert asr_results.read(dataset).keys() == {second.id}
    assert not asr_results.read(dataset)[second.id].stale_for(second)
    corrected = dataset.edit(second.id, text="three")
    assert asr_results.read(dataset)[second.id].stale_for(corrected)


def test_a_torn_or_foreign_line_costs_only_itself(dataset: Dataset) -> None:
    first, second = dataset.utterances()
    asr_results.append(dataset, [reading(first, "a")])
    with asr_results.path_of(dataset).open("a") as stream:
        stream.write('{"of": "tomorrow"}\nnonsense\n' + reading(second, "b").model_dump_json()[:40])
    assert asr_results.read(dataset).keys() == {first.id}
    asr_results.append(dataset, [reading(second, "c")])
    assert {id: item.text for id, item in asr_results.read(dataset).items()} == {first.id: "a", second.id: "c"}


def test_a_worn_file_is_written_anew_and_says_the_same(dataset: Dataset) -> None:
    first, second = dataset.utterances()
    for number in range(5):
        asr_results.append(dataset, [reading(first, str(number)), reading(second, "b")])
    before = asr_results.read(dataset)
    asr_results.tidy(dataset)
    assert asr_results.read(dataset) == before
    assert len(asr_results.path_of(dataset).read_text().splitlines()) == 2


def test_nothing_heard_is_an_empty_answer(dataset: Dataset) -> None:
    assert asr_results.read(dataset) == {}
    asr_results.append(dataset, [])
    assert not asr_results.path_of(dataset).exists()


@given(
    st.text(max_size=20),
    st.lists(st.tuples(st.text(max_size=5), st.floats(0, 1)), max_size=3),
    st.one_of(st.none(), st.floats(0, 1)),
)
def test_a_reading_comes_back_from_its_line(text: str, words: list[tuple[str, float]], share: float | None) -> None:
    item = AsrResult(
        id="x", audio_sha256="y", label="z", model="m", text=text, words=words, suspicion=share, loss=share, at=NOW
    )
    assert AsrResult.model_validate(json.loads(item.model_dump_json())) == item

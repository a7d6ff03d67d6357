"""A clip whose label nobody has seen is kept, but neither trains nor measures until it gets one."""

from __future__ import annotations

from pathlib import Path

import pytest
from sounds import recording

from studio.data.manifest import Dataset
from studio.errors import DataError
from studio.ui.record import keep


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.create(tmp_path / "recordings" / "mine")


def test_free_speech_without_a_label_is_set_aside_until_it_gets_one(dataset: Dataset) -> None:
    clip, _ = keep(dataset, recording(2), text=" ", prompt="", replaces="")
    assert (clip.text, clip.split) == ("", "unused")
    assert dataset.counts() == {"train": 0, "validation": 0, "test": 0, "unused": 1}
    assert dataset.problems() == []
    labelled = dataset.edit(clip.id, text="will we ever forget it")
    assert labelled.split in ("train", "validation", "test")


def test_a_prompt_that_was_read_needs_its_label(dataset: Dataset) -> None:
    with pytest.raises(DataError, match="The label is empty"):
        keep(dataset, recording(2), text="", prompt="order 1 2 9", replaces="")
    assert dataset.utterances() == []


def test_a_take_that_is_saved_again_without_its_label_keeps_the_one_it_has(dataset: Dataset) -> None:
    sound = recording(2)
    first, _ = keep(dataset, sound, text="", prompt="", replaces="")
    labelled, _ = keep(dataset, sound, text="good morning", prompt="", replaces="")
    again, _ = keep(dataset, sound, text="", prompt="", replaces="")
    assert first.id == labelled.id == again.id
    assert again.text == "good morning"

"""What a model hears is kept beside the labels first, and becomes a label only when a person takes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tones import tones, wav

from studio import models
from studio.data.labels.proposals import apply
from studio.data.manifest import Dataset
from studio.data.store import asr_results
from studio.inference.batched import skipped_sentence
from studio.inference.prelabel import least_confidence, prelabel, proposals


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return tones(tmp_path, clips=10)


def read(dataset: Dataset, on_progress: object = lambda done, total: None) -> list[str]:
    return prelabel(models.load("echo"), dataset, dataset.utterances(), None, on_progress)  # type: ignore[arg-type]


def test_every_clip_is_read_and_no_label_changes(dataset: Dataset) -> None:
    labels = [clip.text for clip in dataset.utterances()]
    assert read(dataset) == []
    assert [clip.text for clip in dataset.utterances()] == labels
    found = asr_results.read(dataset)
    for clip in dataset.utterances():
        item = found[clip.id]
        assert item.text == clip.prompt  # the fake hears every tone right, and writes digits
        assert (item.model, item.adapter, item.label, item.wer) == ("echo", None, clip.text, 0.0)
        assert " ".join(word for word, _ in item.words) == item.text
        assert item.suspicion is None  # nobody doubted it


def test_progress_counts_the_clips_and_what_was_read_stays_when_it_is_cancelled(dataset: Dataset) -> None:
    for clip in dataset.utterances()[:6]:  # more than one batch of 20 seconds
        dataset.add(wav(clip.prompt + " and then some more, please" * 3), text=clip.text, split="train")
    counts: list[tuple[int, int]] = []

    def stop_in_the_middle(done: int, total: int) -> None:
        counts.append((done, total))
        if done > 10:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        read(dataset, stop_in_the_middle)
    assert counts[0] == (0, 16)
    assert len(asr_results.read(dataset)) == counts[-1][0] < 16


def test_a_clip_that_cannot_be_read_is_named_and_the_others_are_read(dataset: Dataset) -> None:
    lost = dataset.utterances()[3]
    dataset.clip_path(lost).write_bytes(b"no sound at all")
    (reason,) = read(dataset)
    assert lost.id in reason
    assert len(asr_results.read(dataset)) == 9
    assert skipped_sentence([reason]).startswith(f"1 clip could not be transcribed; the first: {lost.id}")


def test_what_was_heard_is_offered_by_its_least_sure_word_and_taken_as_one_action(dataset: Dataset) -> None:
    read(dataset)
    first, second, third, *_ = dataset.utterances()
    found = asr_results.read(dataset)
    found[first.id] = found[first.id].model_copy(update={"words": [("order", 0.99), ("1", 0.3)]})
    found[second.id] = found[second.id].model_copy(update={"text": second.text})  # as the label says
    found[third.id] = found[third.id].model_copy(update={"text": " "})
    offered, count = proposals(dataset.utterances(), found, 0.5)
    assert count == 10
    assert not {first.id, second.id, third.id} & {item.id for item in offered}
    assert len(offered) == 7
    assert least_confidence(found[first.id]) == 0.3
    before = [clip.text for clip in dataset.utterances()]
    apply(dataset, offered, "Transcripts used in 7 labels")
    assert sum(clip.text == clip.prompt for clip in dataset.utterances()) == 7
    dataset.undo()
    assert [clip.text for clip in dataset.utterances()] == before


def test_reading_again_keeps_what_a_search_said_of_the_same_label(dataset: Dataset) -> None:
    read(dataset)
    clip, other, *_ = dataset.utterances()
    found = asr_results.read(dataset)
    judged = [
        found[id].model_copy(update={"suspicion": 0.9, "reason": "odd", "loss": 3.0}) for id in (clip.id, other.id)
    ]
    asr_results.append(dataset, judged)
    dataset.edit(other.id, text="another label")
    read(dataset)
    again = asr_results.read(dataset)
    assert (again[clip.id].suspicion, again[clip.id].reason, again[clip.id].loss) == (0.9, "odd", 3.0)
    assert again[other.id].suspicion is None

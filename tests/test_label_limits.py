"""A label longer than the model can write is named before a run begins, in every split and for every family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import verbs
from fastapi import FastAPI
from fastapi.testclient import TestClient

from studio.audio import write_wav
from studio.cli.rendering import starting
from studio.data.labels.proposals import apply
from studio.data.labels.style import findings
from studio.data.manifest import Dataset
from studio.data.utterance import Utterance
from studio.errors import DataError
from studio.models import Clip, load
from studio.models.on_paper import on_paper
from studio.models.writable import only_writable, unwritable, unwritable_note
from studio.runs import queue
from studio.runs.folder import RunFolder
from studio.text.cleaning import clean
from studio.ui import train
from studio.web import faults
from studio.workspace import Workspace

LONG = "zq" * 300  # spelled letter by letter: more tokens than any of these decoders has positions for


@pytest.mark.parametrize("make", [tiny_models.moonshine, tiny_models.moonshine_streaming, tiny_models.whisper])
def test_every_split_is_checked_by_the_family_and_test_clips_stay(make: Any, tmp_path: Path) -> None:
    changes = {} if make is tiny_models.moonshine else {"max_target_positions": 448}
    changes = {"max_position_embeddings": 200} if make is tiny_models.moonshine_streaming else changes
    base = load(make(tmp_path / "base", **changes), "cpu")
    dataset = Dataset.create(tmp_path / "me")
    write_wav(tmp_path / "clip.wav", np.zeros(16_000, np.float32) + 0.1, 16_000)
    for split in ("train", "validation", "test"):
        for text in (f"yes {split}", f"{LONG} {split}"):
            dataset.add(tmp_path / "clip.wav", text=text, split=split)
    splits = {
        side: [clip for clip in dataset.utterances() if clip.split == side] for side in ("train", "validation", "test")
    }
    good, left_out = only_writable(splits, base)
    assert [len(good[side]) for side in ("train", "validation", "test")] == [1, 1, 2]
    long = [clip.id for side in ("train", "validation") for clip in splits[side] if LONG in clip.text]
    assert [reason.split(" ")[0] for reason in left_out] == long
    assert all("tokens" in reason for reason in left_out)
    found = unwritable(splits["test"], base)
    assert list(found) == [clip.id for clip in splits["test"] if LONG in clip.text]
    assert next(iter(found)) in unwritable_note(found)
    with pytest.raises(DataError, match="train split can be written"):
        only_writable(splits | {"train": [clip for clip in splits["train"] if LONG in clip.text]}, base)
    with pytest.raises(DataError, match="tokens"):
        base.family.prepare(base.model, base.processor, Clip(tiny_models.noise(2.0), LONG, "a1"))


@pytest.mark.parametrize(
    "hidden",
    [*"\u200b\ufeff\u00ad\u200e\u200f\u202a\u202e\u2066\u2069\u061c\u2060\u180e", "\u200c", "\u200d"],
    ids=ascii,
)
def test_a_character_that_nobody_sees_is_cleaned(hidden: str) -> None:
    assert clean(f"gate{hidden}s {hidden}open") == ("gates open", ["unseen"])


@pytest.mark.parametrize("text", ["می\u200cخواهم", "क\u094d\u200dष"])
def test_a_joiner_within_a_script_that_writes_with_it_stays(text: str) -> None:
    assert clean(text) == (text, [])


def test_the_style_check_offers_the_cleaning_and_it_can_be_undone(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "me")
    write_wav(tmp_path / "clip.wav", np.zeros(16_000, np.float32) + 0.1, 16_000)
    before = "open\u2066 the\u200b gate\ufeff"
    dataset.add(tmp_path / "clip.wav", text=before, split="train")
    (finding,) = [item for item in findings(dataset.utterances()) if item.kind == "unseen"]
    apply(dataset, finding.proposals, finding.title)
    assert [clip.text for clip in dataset.utterances()] == ["open the gate"]
    dataset.undo()
    assert [clip.text for clip in dataset.utterances()] == [before]


@pytest.fixture
def long_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Two long labels, one to learn from and one held out, among ordinary ones, in a workspace."""
    monkeypatch.setenv("STUDIO_WORKSPACE", str(tmp_path))
    dataset = Dataset.create(tmp_path / "recordings" / "me")
    write_wav(tmp_path / "clip.wav", np.zeros(16_000, np.float32) + 0.1, 16_000)
    for place in range(6):
        for split in ("train", "validation", "test"):
            text = f"{LONG} {split}" if place == 5 and split != "validation" else f"sentence {place} of {split}"
            dataset.add(tmp_path / "clip.wav", text=text, split=split)
    return dataset


def ids_of_long(dataset: Dataset) -> list[str]:
    return [clip.id for clip in dataset.utterances() if LONG in clip.text]


@pytest.mark.parametrize("make", [tiny_models.moonshine, tiny_models.moonshine_streaming, tiny_models.whisper, None])
def test_tokens_are_counted_before_a_start_as_the_loaded_model_counts_them(make: Any, tmp_path: Path) -> None:
    changes = {"max_position_embeddings": 200} if make is tiny_models.moonshine_streaming else {}
    changes = {"max_target_positions": 448} if make is tiny_models.whisper else changes
    source = str(make(tmp_path / "base", **changes)) if make else "starter"
    on_disk, loaded = on_paper(source), load(source, "cpu")
    assert on_disk is not None
    for text in ("zq" * 90, LONG, "Straße, bitte! 1,234", "gate " * 200):
        sides = [base.family.tokens(base.model, base.processor, text) for base in (on_disk, loaded)]
        assert sides[0] == sides[1]
        clip = Utterance(id="a1", audio_filepath="a.wav", text=text, duration=1.0)
        assert unwritable([clip], on_disk) == unwritable([clip], loaded)


def test_the_verb_names_the_clips_before_it_returns(long_labels: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "at_once", lambda *_: RunFolder(long_labels.folder))
    ended = verbs.call(long_labels.folder.parent.parent, "train", "me", "--detach")
    assert ended.code == 0
    learnt, held_out = ids_of_long(long_labels)
    assert f"Note: Left out (1): {learnt} (The label has " in ended.said
    assert f"Note: Test clips whose label the model cannot write (1): {held_out}" in ended.said


def test_a_run_whose_labels_none_can_be_written_is_refused_before_it_starts(long_labels: Dataset) -> None:
    for clip in long_labels.utterances():
        if clip.split == "train":
            long_labels.edit(clip.id, text=f"{LONG} {clip.id}")
    ended = verbs.call(long_labels.folder.parent.parent, "train", "me", "--detach")
    assert ended.code == 1
    assert "No label of the train split can be written" in ended.said
    assert not (long_labels.folder.parent.parent / "outputs").exists()


def test_the_page_names_the_clips_before_the_start_and_in_its_answer(
    long_labels: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(long_labels.folder.parent.parent)
    app = FastAPI(exception_handlers=faults.handlers())
    app.include_router(train.router(workspace))
    client, values = TestClient(app), {"dataset": "me"}
    monkeypatch.setattr(queue, "submit", lambda *_, **__: queue.QueuePosition(RunFolder(long_labels.folder), 0))
    learnt, held_out = ids_of_long(long_labels)
    for answer in (client.post("/studio/train/command", json=values), client.post("/studio/train/start", json=values)):
        first, second = answer.json()["notes"]
        assert learnt in first
        assert held_out in second

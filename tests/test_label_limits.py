"""A label longer than the model can write is named before a run begins, in every split and for every family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models

from studio.audio import write_wav
from studio.data.labels.cleaning import clean
from studio.data.labels.proposals import apply
from studio.data.labels.style import findings
from studio.data.manifest import Dataset
from studio.errors import DataError
from studio.models import Clip, load
from studio.train.clips import only_writable, unwritable, unwritable_note

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

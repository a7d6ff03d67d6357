"""A split is taken from a name only where the name is one, and train is next to it: none is invented, none is lost."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from sounds import recording, saved

from studio.data.formats.names import meant
from studio.data.formats.plan import ImportPlan
from studio.data.import_export.importing import import_data
from studio.data.import_export.previewing import preview
from studio.data.manifest import Dataset

NO_SPLITS = ("voice-test-1", "my other mic", "dev-board mic", "training sessions", "kitchen test")


def kaldi(folder: Path, seed: int = 0) -> Path:
    """A Kaldi data folder of two clips."""
    for number in range(2):
        saved(folder / f"{number}.wav", recording(seed * 10 + number))
    saved(folder / "wav.scp", b"u0 0.wav\nu1 1.wav\n")
    saved(folder / "text", f"u0 one {seed}\nu1 two {seed}\n".encode())
    return folder


def splits_of(path: Path) -> dict[str, int]:
    return preview(ImportPlan([path])).splits


@pytest.mark.parametrize("name", NO_SPLITS)
def test_a_word_within_a_name_is_no_split_in_any_format(name: str, tmp_path: Path) -> None:
    for number, place in enumerate(("train", name)):
        kaldi(tmp_path / "kaldi" / place, number)
        saved(tmp_path / "pairs" / place / "a.wav", recording(number))
        saved(tmp_path / "pairs" / place / "a.txt", b"hello")
        saved(tmp_path / "sheets" / place / "a.wav", recording(number))
        saved(tmp_path / "sheets" / place / "metadata.csv", b"file_name,text\na.wav,hello\n")
        line = json.dumps({"audio_filepath": f"../pairs/{place}/a.wav", "text": "x"})
        saved(tmp_path / "lists" / f"{place}_manifest.json", line.encode())
    assert splits_of(tmp_path / "kaldi") == {"train": 2, "by sentence": 2}
    assert splits_of(tmp_path / "pairs") == {"train": 1, "by sentence": 1}
    assert splits_of(tmp_path / "sheets") == {"train": 1, "by sentence": 1}
    assert splits_of(kaldi(tmp_path / "alone" / name)) == {"by sentence": 2}


def test_a_root_sheet_that_names_train_and_test_keeps_the_authors_split(cases: Path, tmp_path: Path) -> None:
    found = preview(ImportPlan([cases / "audiofolder_root_sheet"]))
    assert found.splits == {"train": 12, "test": 8, "by sentence": 4}
    assert "“test” is test, “train” is train" in found.notes[0]
    assert "4 other clips" in found.notes[1]
    assert "custom" in found.notes[1]
    dataset = Dataset.create(tmp_path / "voice")
    report = import_data(dataset, ImportPlan([cases / "audiofolder_root_sheet"]))
    assert (report.added, report.notes[:2]) == (24, found.notes)
    author = {path.stem for path in (cases / "audiofolder_root_sheet" / "test").iterdir()}
    assert len(author) == 8


@pytest.mark.parametrize(
    ("words", "splits"),
    [
        (("train", "dev", "test"), {"train": 2, "validation": 2, "test": 2}),
        (("Training", "Validation"), {"train": 2, "validation": 2}),
        (("dev", "test"), {"by sentence": 4}),
        (("test",), {"by sentence": 2}),
    ],
)
def test_split_words_count_where_a_sibling_states_train(
    words: tuple[str, ...], splits: dict[str, int], tmp_path: Path
) -> None:
    for number, word in enumerate(words):
        kaldi(tmp_path / "kaldi" / "data" / word, number)
        for clip in range(2):
            saved(tmp_path / "pairs" / "all" / word / f"{clip}.wav", recording(number * 10 + clip))
            saved(tmp_path / "pairs" / "all" / word / f"{clip}.txt", f"label {number} {clip}".encode())
    saved(tmp_path / "pairs" / "readme.md", b"")
    assert splits_of(tmp_path / "kaldi") == splits
    assert splits_of(tmp_path / "pairs") == splits


def test_lists_state_their_split_by_their_own_names(tmp_path: Path) -> None:
    for number in range(4):
        saved(tmp_path / f"{number}.wav", recording(number))
    names = ("cuts_train.jsonl", "cuts_dev.jsonl", "cuts_test-noisy.jsonl")
    for number, name in enumerate(names):
        recorded = {"id": "r", "sources": [{"type": "file", "source": f"{number}.wav"}], "duration": 0.5}
        cut = {"id": "c", "type": "MonoCut", "start": 0.0, "duration": 0.5, "recording": recorded,
               "supervisions": [{"text": f"label {number}"}]}  # fmt: skip
        saved(tmp_path / name, json.dumps(cut).encode())
    assert splits_of(tmp_path) == {"train": 1, "validation": 1, "by sentence": 1}
    assert splits_of(tmp_path / "cuts_dev.jsonl") == {"validation": 1}
    assert "“cuts_dev.jsonl” is validation" in preview(ImportPlan([tmp_path / "cuts_dev.jsonl"])).notes[0]


def test_a_folder_that_is_imported_by_itself_is_a_split_among_splits(tmp_path: Path) -> None:
    for number, name in enumerate(("train", "test")):
        kaldi(tmp_path / name, number)
    assert splits_of(tmp_path / "test") == {"test": 2}
    assert splits_of(tmp_path / "train") == {"train": 2}
    assert splits_of(kaldi(tmp_path / "alone" / "train")) == {"by sentence": 2}


def test_a_column_for_splits_means_what_its_cells_say() -> None:
    values = ("dev", "test-clean", "Train", "train_960", "validation", "my other mic", "dev board", "", "tested")
    assert [meant(value) for value in values] == ["validation", "test", "train", "train", "validation"] + [None] * 4


def test_the_file_name_of_a_clip_states_nothing(tmp_path: Path) -> None:
    for number, name in enumerate(("train", "test", "dev")):
        saved(tmp_path / f"{name}.wav", recording(number))
        saved(tmp_path / f"{name}.txt", f"label {number}".encode())
    found = preview(ImportPlan([tmp_path]))
    assert Counter(found.splits) == {"by sentence": 3}
    assert found.notes == []

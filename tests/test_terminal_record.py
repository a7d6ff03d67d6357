"""Recording in the terminal: what each key does, and that no take is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from studio.audio import Waveform
from studio.cli.rendering.record import Session, chosen_prompts, meter, session
from studio.data.manifest import Dataset
from studio.data.prompts import Prompt
from studio.errors import ConfigError, DataError
from studio.workspace import Workspace

CARDS = [Prompt("order 1 2", "order one two"), Prompt("good morning", "good morning"), Prompt("stop", "stop")]
TONE = (0.3 * np.sin(np.arange(16_000) / 10)).astype(np.float32)


def perform(folder: Path, answers: list[str], sound: np.ndarray = TONE) -> tuple[Dataset, list[str]]:
    """A session in which the person types `answers`; returns the dataset and what was said."""
    said: list[str] = []
    keys: Iterator[str] = iter(answers)

    def ask(question: str) -> str:
        try:
            return next(keys)
        except StopIteration:
            raise EOFError from None

    dataset = Dataset.create(folder)
    Session(dataset, CARDS, "anna", lambda ask: Waveform(sound, 16_000), ask, said.append).run()
    return dataset, said


def labels(dataset: Dataset) -> list[str]:
    return [clip.text for clip in dataset.utterances()]


def test_enter_records_and_enter_saves_the_prompts_label(tmp_path: Path) -> None:
    dataset, _ = perform(tmp_path / "d", ["", "", "", "", "q"])
    assert labels(dataset) == ["order one two", "good morning"]
    assert {clip.speaker for clip in dataset.utterances()} == {"anna"}


def test_typed_words_become_the_label(tmp_path: Path) -> None:
    dataset, _ = perform(tmp_path / "d", ["", "order one three", "q"])
    assert labels(dataset) == ["order one three"]


def test_r_records_again_and_saves_one_take(tmp_path: Path) -> None:
    dataset, _ = perform(tmp_path / "d", ["", "r", "", "", "q"])
    assert labels(dataset) == ["order one two"]


def test_a_second_session_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    perform(tmp_path / "d", ["", ""])
    dataset, said = perform(tmp_path / "d", ["", ""])
    assert labels(dataset) == ["order one two", "good morning"]
    assert "2 of 3" in said[0]


def test_going_back_replaces_a_take_and_keeps_the_old_one_in_the_trash(tmp_path: Path) -> None:
    dataset, _ = perform(tmp_path / "d", ["", "", "b", "", "better", "q"])
    assert labels(dataset) == ["better"]
    assert [clip.text for clip in dataset.trashed()] == ["order one two"]


def test_a_silent_take_is_refused_with_a_sentence_and_the_card_stays(tmp_path: Path) -> None:
    dataset, said = perform(tmp_path / "d", ["", ""], np.zeros(16_000, np.float32))
    assert labels(dataset) == []
    assert any("silen" in text.lower() or "nothing" in text.lower() for text in said)
    assert sum("1 of 3" in text for text in said) == 2


def test_an_unknown_script_names_what_there_is() -> None:
    with pytest.raises(DataError, match="numbers, phrases, phrases-de, needed, or a text file"):
        chosen_prompts(Workspace(Path("nowhere")), "voice", "poems", "words")


def test_a_dataset_name_is_never_a_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        session(Workspace(tmp_path), "../outside", "numbers", "words", "", "")
    assert not (tmp_path.parent / "outside").exists()


def test_the_meter_grows_with_the_level_and_marks_clipping() -> None:
    lengths = [meter(level).count("█") for level in (-120, -60, -30, -6, 0)]
    assert lengths == sorted(lengths)
    assert lengths[0] == 0
    assert lengths[-1] == 30
    assert meter(0).endswith("!")
    assert not meter(-6).endswith("!")

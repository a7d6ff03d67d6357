"""A typist's habits and words: found in their pairs, kept with the adapter, and used where it is used alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tiny_models
import tones

from studio.config import TYPING_STARTER, TrainConfig
from studio.data.manifest import Dataset
from studio.errors import ModelError
from studio.export.merged import merge_run
from studio.inference.mend import mend
from studio.models import Recogniser, load, typists
from studio.models.active_adapter import BASE
from studio.models.adapters import adapter_hash, attach, load_adapter, save, without_adapter
from studio.models.multi_adapter import alone
from studio.typing.spelling import WordList
from studio.typing.typist import Typist
from studio.workspace import Workspace

HABITS = [
    ("Converts a noomber into text.", "Converts a number into text."),
    ("The coorrent was soodden.", "The current was sudden."),
    ("We met the zorgle again.", "We met the zorgle again."),
]


def test_a_spelling_by_ear_that_no_single_typo_explains_is_undone_for_its_typist_alone() -> None:
    words = ("number", "current", "the")
    assert WordList(words).unknown("a noomber") == []
    (found,) = WordList(words, Typist.of(HABITS)).unknown("a noomber")
    assert [candidate.text for candidate in found.candidates] == ["number"]


def test_what_happened_often_is_likelier_than_a_slip() -> None:
    (found,) = WordList(("feet", "fear"), Typist.of([("heer a beer", "hear a bear"), ("deer", "dear")])).unknown("feer")
    costs = {candidate.text: candidate.cost for candidate in found.candidates}
    assert costs["fear"] < costs["feet"]


def test_words_of_the_typists_own_are_words() -> None:
    assert WordList(("circle", "google")).unknown("a zorgla") == []
    assert [found.candidates[0].text for found in WordList((), Typist.of(HABITS)).unknown("a zorgla")] == ["zorgle"]
    assert WordList(("zorgla",), Typist.of(HABITS)).unknown("a zorgle") == []


def test_a_word_often_typed_for_another_may_be_either_and_one_that_is_mostly_right_is_left() -> None:
    often = [("go too bed", "go to bed"), ("too late", "to late"), ("me too", "me too"), ("fro me", "for me")] * 2
    (slip,) = (slip for slip in Typist.of(often).slips if slip.typed == "too")
    assert (slip.meant, slip.wrong, slip.right) == ("to", 4, 2)
    (found,) = WordList(("to", "too", "bad"), Typist.of(often)).unknown("too bad")
    assert {candidate.text for candidate in found.candidates} == {"too", "to"}
    rarely = [("go too bed", "go to bed"), *[("me too", "me too")] * 9]
    assert Typist.of(rarely).slips == []


@pytest.fixture
def tuned(tmp_path: Path) -> Recogniser:
    """The starter with an adapter that changes nothing, of a typist with habits."""
    fresh = attach(load(TYPING_STARTER, "cpu"), 2, 2, 0.0, "conventions", seed=0)
    typists.meet(fresh.model, Typist.of(HABITS))
    save(fresh, tmp_path / "lora_adapter")
    return load_adapter(load(TYPING_STARTER, "cpu"), tmp_path / "lora_adapter")


def test_habits_are_undone_with_the_adapter_and_not_without(tuned: Recogniser) -> None:
    typed, meant = "The zorgla is here.", "The zorgle is here."
    assert mend(tuned, typed).text == meant
    for off in (without_adapter(tuned), alone(tuned, BASE)):
        with off:
            assert mend(tuned, typed).text == typed
    with alone(tuned, "default"):
        assert mend(tuned, typed).text == meant


def test_an_adapter_of_another_typist_is_another_adapter(tuned: Recogniser) -> None:
    before = adapter_hash(tuned)
    typists.meet(tuned.model, None)
    assert adapter_hash(tuned) != before


def test_a_broken_typist_is_refused_and_the_model_stays_as_it_was(tmp_path: Path, tuned: Recogniser) -> None:
    broken = shutil.copytree(tmp_path / "lora_adapter", tmp_path / "broken")
    (broken / typists.FILE).write_text("{}")
    base = load(TYPING_STARTER, "cpu")
    with pytest.raises(ModelError, match=r"typist\.json is broken"):
        load_adapter(base, broken)
    assert typists.of(base.model) is None


@pytest.mark.thorough
def test_a_run_learns_who_typed_from_its_training_pairs_and_merging_keeps_it(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "recordings" / "habit", "typing")
    for typed, meant in HABITS * 2:
        dataset.add_pair(typed, meant, split="train")
    for split in ("validation", "test"):
        for number in ("one", "two"):
            dataset.add_pair(f"The {split} {number}.", f"The {split} {number}.", split=split)
    tiny_models.causal_lm(tmp_path / "llama")
    config = TrainConfig.checked(dataset="habit", model=str(tmp_path / "llama"), max_steps=1, threads=1)
    tones.train(tmp_path, "run", config)
    learnt = typists.read(tones.folder_of(tmp_path, "run").adapter)
    assert learnt == Typist.of(HABITS * 2)
    merged = merge_run(Workspace(tmp_path), "run")
    assert typists.of(load(merged.folder, "cpu").model) == learnt

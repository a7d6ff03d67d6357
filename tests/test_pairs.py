"""Typing pairs in a dataset: saved, changed, undone, split, thrown away, found; never mixed with recordings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from studio.audio import Waveform
from studio.audio.recording import Recording
from studio.data.manifest import Dataset
from studio.data.pair import LONGEST_SIDE, Pair
from studio.data.splits import assignment, plans
from studio.data.splits.assignment import ensure_minimum
from studio.data.splits.plans import SplitRequest
from studio.data.store.trash import empty_trash
from studio.data.view.query import Selection
from studio.data.view.table import Table
from studio.errors import ConflictError, DataError

SENTENCES = ("See you at ten.", "Where is the key?", "I am on my way.", "Call me tomorrow.", "It is raining again.")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.create(tmp_path / "my-typing", "typing")


def _fill(dataset: Dataset, count: int = 12) -> list[Pair]:
    texts = [f"{SENTENCES[number % 5]} {number}" for number in range(count)]
    return [dataset.add_pair(text.replace("e", "r", 1), text, prompt=text) for text in texts]


def test_a_pair_is_one_line_with_input_and_output(dataset: Dataset) -> None:
    pair = dataset.add_pair("see  you at ten", "See you at ten.", duration=2.5, backspaces=1, key_times=[0.0, 0.2])
    line = json.loads(dataset.manifest.read_text())
    assert (line["input"], line["output"]) == ("see  you at ten", "See you at ten.")
    assert (line["duration"], line["backspaces"], line["key_times"]) == (2.5, 1, [0.0, 0.2])
    assert "typed" not in line
    assert "text" not in line
    assert "prompt" not in line
    assert Dataset.open(dataset.folder).pairs() == [pair]


def test_a_dataset_knows_its_kind_and_one_without_a_kind_holds_speech(dataset: Dataset, tmp_path: Path) -> None:
    assert Dataset.open(dataset.folder).kind == "typing"
    assert not (dataset.folder / "clips").exists()
    speech = Dataset.create(tmp_path / "my-voice")
    assert speech.kind == "speech"
    assert not speech.kind_file.exists()
    foreign = Dataset.create(tmp_path / "foreign")
    foreign.kind_file.write_text("[1, 2]")  # another program's file of that name
    assert Dataset.open(foreign.folder).kind == "speech"
    foreign.kind_file.write_text('{"kind": "dance"}')
    with pytest.raises(DataError, match="which kind of dataset"):
        _ = Dataset.open(foreign.folder).kind


def test_speech_and_typing_are_never_mixed(dataset: Dataset, tmp_path: Path) -> None:
    sound = Recording.of(Waveform(np.sin(np.arange(16_000) / 20).astype(np.float32) / 2, 16_000))
    with pytest.raises(DataError, match="“my-typing” holds typing pairs, not recordings"):
        dataset.add(sound, text="yes")
    with pytest.raises(DataError, match="“my-voice” holds recordings, not typing pairs"):
        Dataset.create(tmp_path / "my-voice").add_pair("yse", "yes")
    with pytest.raises(DataError, match="a dataset has one kind"):
        Dataset.create(dataset.folder, "speech")
    with pytest.raises(DataError, match="typing pairs, not recordings"), dataset.intake():
        pass
    for ask in (dataset.utterances, lambda: dataset.clip("x"), lambda: dataset.select_clips(Selection(query=""))):
        with pytest.raises(DataError, match="holds typing pairs"):
            ask()
    assert dataset.examples() == []
    assert not (dataset.folder / "clips").exists()


def test_a_line_of_the_other_kind_is_left_out_and_named(dataset: Dataset) -> None:
    dataset.add_pair("yse", "yes")
    with dataset.manifest.open("a") as stream:
        stream.write('{"id": "a", "audio_filepath": "clips/a.wav", "text": "yes", "duration": 1, "split": "train"}\n')
    assert len(dataset.pairs()) == 1
    assert dataset.problems() == ["Line 2 of manifest.jsonl is left out: input: is missing"]


def test_lines_of_another_program_need_only_their_two_sides(dataset: Dataset) -> None:
    dataset.manifest.write_text('{"input": "teh cat", "output": "the cat", "mood": "fine"}\n')
    (pair,) = dataset.pairs()
    assert (pair.typed, pair.text, pair.model_extra) == ("teh cat", "the cat", {"mood": "fine"})
    dataset.edit(pair.id, typed="teh  cta")
    assert json.loads(dataset.manifest.read_text())["mood"] == "fine"


@pytest.mark.parametrize(
    ("typed", "text", "said"),
    [
        ("", "yes", "typed text is empty"),
        ("yes", " \n", "corrected text is empty"),
        ("x" * 1_000_000, "x", "1,000,000"),
    ],
)
def test_a_side_that_is_empty_or_endless_is_refused_and_nothing_is_written(
    dataset: Dataset, typed: str, text: str, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        dataset.add_pair(typed, text)
    assert dataset.manifest.read_bytes() == b""


def test_control_characters_and_line_breaks_become_spaces_but_doubled_spaces_stay(dataset: Dataset) -> None:
    pair = dataset.add_pair("a  b\r\nc\x00d\te\u00a0f", "👍 שלום\u0301 b\nc")
    assert pair.typed == "a  b c d e\u00a0f"
    assert pair.text == "👍 שלום\u0301 b c"
    assert len(dataset.manifest.read_bytes().splitlines()) == 1
    dataset.add_pair("x" * LONGEST_SIDE, "x" * LONGEST_SIDE)


def test_both_sides_are_edited_undone_and_done_again(dataset: Dataset) -> None:
    pair = dataset.add_pair("see yuo", "See you")
    dataset.edit(pair.id, typed="se yuo", text="See you.")
    assert dataset.history()[0].what == "Corrected text and typed text of “See you.” changed"
    dataset.undo()
    assert dataset.pairs() == [pair]
    dataset.redo()
    assert dataset.pairs()[0].typed == "se yuo"
    with pytest.raises(ConflictError, match="typed text is now “se yuo”"):
        dataset.edit(pair.id, was={"typed": "see yuo"}, typed="other")
    with pytest.raises(DataError, match="The words of a pair cannot be changed"):
        dataset.edit(pair.id, words=[])


def test_a_pair_is_thrown_away_brought_back_and_thrown_away_for_good(dataset: Dataset) -> None:
    pairs = _fill(dataset, 3)
    assert dataset.trash([pairs[1].id]) == [pairs[1]]
    assert dataset.history()[0].what == f"“{pairs[1].text}” deleted"
    assert Dataset.open(dataset.folder).trashed() == [pairs[1]]
    dataset.undo()
    assert dataset.pairs() == pairs
    dataset.trash([pairs[0].id, pairs[2].id])
    assert dataset.history()[0].what == "2 pairs deleted"
    dataset.restore([pairs[2].id])
    assert dataset.pairs() == [pairs[1], pairs[2]]
    empty_trash(dataset)
    assert dataset.trashed() == []
    assert dataset.folder.is_dir()
    with pytest.raises(DataError, match="There is no pair"):
        dataset.get(pairs[0].id)


def test_the_same_sentence_is_never_on_two_sides(dataset: Dataset) -> None:
    first = dataset.add_pair("se you at ten", "See you at ten.", split="test")
    assert dataset.add_pair("see yuo at tne", "see you at ten").split == "test"
    correction = dataset.add_pair("see you ta ten", "See you at ten.", source="live")
    assert correction.split == "unused", "a correction of the Test tab never measures"
    moved = dataset.add_pair("where", "Where is the key?", split="train")
    assert dataset.edit(moved.id, text="See you at 10.").split == "train"
    assert dataset.edit(moved.id, text=first.text).split == "test"
    _fill(dataset, 30)
    plans.apply(dataset, SplitRequest())
    sides: dict[str, set[str]] = {}
    for pair in dataset.pairs():
        sides.setdefault(pair.text.casefold().rstrip("."), set()).add(pair.split)
    assert all(len(splits - {"unused"}) <= 1 for splits in sides.values())


def test_other_typed_text_is_another_test_set(dataset: Dataset) -> None:
    pair = dataset.add_pair("se you", "See you.", split="test")
    before = assignment.test_set_hash(dataset.pairs())
    dataset.edit(pair.id, typed="see yuo")
    assert assignment.test_set_hash(dataset.pairs()) != before


def test_every_split_gets_its_minimum(dataset: Dataset) -> None:
    for number in range(10):
        dataset.add_pair(f"sentnce {number}", f"Sentence {number}", split="train")
    ensure_minimum(dataset)
    assert dataset.counts() == {"train": 6, "validation": 2, "test": 2, "unused": 0}


def test_a_half_line_is_put_aside_by_the_next_pair(dataset: Dataset) -> None:
    dataset.add_pair("yse", "yes")
    whole = dataset.manifest.read_bytes()
    dataset.manifest.write_bytes(whole + whole[:20])
    dataset.add_pair("on", "no")
    assert [pair.text for pair in dataset.pairs()] == ["yes", "no"]
    assert (dataset.folder / "manifest.torn.jsonl").is_file()


def test_pairs_are_found_by_what_was_typed_how_much_differs_and_how_fast(dataset: Dataset) -> None:
    quick = dataset.add_pair("teh cat sat on the mat", "The cat sat on the mat.", duration=4.0, backspaces=3)
    clean = dataset.add_pair("All is well here.", "All is well here.", source="synthetic")
    dataset.add_pair("mail me at eva@example.org", "Mail me at eva@example.org.")

    def found(query: str) -> list[str]:
        return Table.of(dataset).ids(query)

    assert found("teh") == found("typed ~ teh") == found("backspaces > 2") == found("pace > 300") == [quick.id]
    assert found("not has typos") == found("edits = 0") == found("source = synthetic") == [clean.id]
    assert found("finding = secret") == found("quality = look") == [dataset.pairs()[2].id]
    (row, *_) = Table.of(dataset).find("", sort="-edits").rows
    assert (row.id, row.model_dump()["edits"], row.model_dump()["pace"]) == (quick.id, 4, 330.0)
    with pytest.raises(DataError, match="Unknown column “snr”"):
        found("snr > 3")
    with pytest.raises(DataError, match="not a column to sort by"):
        Table.of(dataset).find("", sort="wer")


def test_pairs_are_summed_up_and_given_as_a_table(dataset: Dataset) -> None:
    _fill(dataset, 6)
    summary = Table.of(dataset).summary("")
    assert summary.clips == 6
    assert [figure.field for figure in summary.histograms] == ["characters", "pace", "edits", "backspaces"]
    frame = dataset.to_pandas()
    assert list(frame["typed"]) == [pair.typed for pair in dataset.pairs()]
    assert frame["created_at"].notna().all()

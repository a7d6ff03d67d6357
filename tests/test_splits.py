"""One sentence never stands on two sides, and the sides stay where they are."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sounds import recording

from studio.data import prompts
from studio.data.grouping import sentence
from studio.data.manifest import Dataset, Utterance
from studio.data.splits import MINIMUM, ensure_minimum, minimum_moves, split_for
from studio.data.splits import test_set_hash as hash_of_test_set
from studio.errors import DataError

SIDES = ("train", "validation", "test")


def utterance(id: str, text: str, split: str = "train", **fields: str) -> Utterance:
    line = {"id": id, "audio_filepath": f"clips/{id}.wav", "text": text, "duration": 1, "split": split} | fields
    return Utterance.model_validate({"source": "microphone"} | line)


def filled(folder: Path, rows: list[tuple[str, str, str]]) -> Dataset:
    """A dataset of (text, split, source), all with the same sound."""
    dataset = Dataset.create(folder)
    dataset.add(recording(), text="placeholder")
    sound = (dataset.folder / dataset.utterances()[0].audio_filepath).read_bytes()
    lines = []
    for number, (text, split, source) in enumerate(rows):
        (dataset.folder / "clips" / f"{number:03}.wav").write_bytes(sound)
        lines.append(utterance(f"{number:03}", text, split, source=source).to_line() + "\n")
    dataset.manifest.write_text("".join(lines))
    return dataset


def test_sentences_fall_seventy_ten_twenty() -> None:
    counts = Counter(split_for(f"sentence {number}", []) for number in range(5000))
    assert counts["train"] == pytest.approx(3500, rel=0.05)
    assert counts["validation"] == pytest.approx(500, rel=0.15)
    assert counts["test"] == pytest.approx(1000, rel=0.1)


@pytest.mark.parametrize("script", [prompts.numbers("words"), prompts.phrases()], ids=["numbers", "phrases"])
def test_a_built_in_script_falls_on_all_sides(script: list[prompts.Prompt]) -> None:
    counts = Counter(split_for(prompt.label, [], prompt=prompt.text) for prompt in script)
    assert counts["train"] >= 30
    assert counts["test"] >= 8
    assert counts["validation"] >= 3


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_the_same_sentence_falls_on_the_same_side_however_it_is_written(text: str) -> None:
    assert split_for(f"order 129 {text}", []) == split_for(f"ORDER, one two nine!  {text}", [])


def test_a_sentence_follows_its_clips_by_label_or_prompt() -> None:
    for side in SIDES:
        existing = [utterance("a", "order one two nine", side, prompt="order 1 2 9")]
        assert split_for("Order 129.", existing) == side
        assert split_for("what was really said", existing, prompt="order 1 2 9") == side
    relabelled = [utterance("a", "order one two five", "test", prompt="order 1 2 9")]
    assert split_for("order 129", relabelled) == split_for("order 125", relabelled) == "test"


def test_a_sentence_that_measures_must_not_train() -> None:
    both = [utterance("a", "yes", "train"), utterance("b", "yes", "test")]
    assert split_for("yes", both) == "test"


def test_a_live_correction_never_enters_the_test_split() -> None:
    texts = [f"sentence {number}" for number in range(200)]
    assert {split_for(text, [], "live") for text in texts} == {"train"}
    existing = [utterance("a", "order 129", "test"), utterance("b", "yes", "validation")]
    assert split_for("order one two nine", existing, "live") == "unused"
    assert split_for("yes", existing, "live") == "validation"


def test_a_live_clip_cannot_be_put_into_the_test_split(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path)
    with pytest.raises(DataError, match="never enters the test split"):
        dataset.add(recording(), text="yes", source="live", split="test")
    clip = dataset.add(recording(), text="yes", source="live")
    with pytest.raises(DataError, match="never enters the test split"):
        dataset.edit(clip.id, split="test")
    assert dataset.counts() == {"train": 1, "validation": 0, "test": 0, "unused": 0}


def test_a_new_label_takes_a_clip_to_its_sentence_and_other_edits_do_not(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path)
    dataset.add(recording(0), text="order 129", split="test")
    clip = dataset.add(recording(1), text="order 125", split="train")
    live = dataset.add(recording(2), text="order 127", source="live")
    assert dataset.edit(clip.id, text="Order 1 2 5").split == "train"
    assert dataset.edit(clip.id, text="something new").split == "train"
    assert dataset.edit(clip.id, text="order one two nine").split == "test"
    assert dataset.edit(live.id, text="order 129").split == "unused"
    assert dataset.edit(clip.id, split="train").split == "train"
    assert dataset.edit(clip.id, speaker="ada").split == "train"


def test_too_few_clips_say_how_many_more(tmp_path: Path) -> None:
    dataset = filled(tmp_path, [(f"sentence {number}", "train", "microphone") for number in range(5)])
    with pytest.raises(DataError, match=r"5 clips are too few .* Record 3 more"):
        ensure_minimum(dataset)


def test_too_few_sentences_say_so(tmp_path: Path) -> None:
    dataset = filled(tmp_path, [("yes", "train", "microphone")] * 9)
    with pytest.raises(DataError, match="so few different sentences"):
        ensure_minimum(dataset)
    assert dataset.counts()["train"] == 9


def test_what_is_moved_is_said_and_is_moved_once(tmp_path: Path) -> None:
    dataset = filled(tmp_path, [(f"sentence {number}", "train", "microphone") for number in range(8)])
    said = ensure_minimum(dataset)
    assert len(said) == 4
    assert all("moved from train to" in line for line in said)
    assert dataset.counts() == {"train": 4, "validation": 2, "test": 2, "unused": 0}
    assert ensure_minimum(dataset) == []


def test_a_split_gives_only_what_it_can_spare() -> None:
    clips = [utterance(f"{number}", f"sentence {number}", "train") for number in range(4)]
    clips += [utterance(f"{number}", f"sentence {number}", "validation") for number in range(4, 8)]
    assert [(clip.split, split) for clip, split in minimum_moves(clips)] == [("validation", "test")] * 2


def test_clips_that_are_linked_through_another_move_together() -> None:
    clips = [utterance(f"{number}", f"sentence {number}") for number in range(10)]
    clips += [utterance("a", "first", prompt="second"), utterance("b", "second", prompt="third")]
    clips += [utterance("c", "first"), utterance("d", "first")]
    for crowd in range(2, 12):  # whichever sentences are the ones to spare
        chosen = clips[10:] + clips[: max(crowd, 4)]
        moved = {clip.id for clip, _ in minimum_moves(chosen)} & {"a", "b", "c", "d"}
        assert moved in (set(), {"a", "b", "c", "d"})


def test_a_dataset_that_has_enough_is_left_alone(tmp_path: Path) -> None:
    rows = [(f"sentence {number}", side, "import") for number, side in enumerate(SIDES * 4)]
    dataset = filled(tmp_path, rows)
    before = dataset.manifest.read_bytes()
    assert ensure_minimum(dataset) == []
    assert dataset.manifest.read_bytes() == before


SENTENCES = st.sampled_from([f"sentence {number}" for number in range(12)])
ORIGINS = st.sampled_from(["microphone", "live"])
rows = st.lists(
    st.tuples(SENTENCES, st.sampled_from(SIDES), ORIGINS, st.just("") | SENTENCES).filter(
        lambda row: row[1:3] != ("test", "live")
    ),
    min_size=1,
    max_size=30,
)


def two_sided(clips: list[Utterance]) -> set[str]:
    sides: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        for key in sentence(clip):
            sides[key].add(clip.split)
    return {key for key, splits in sides.items() if len(splits) > 1}


@given(rows)
def test_whatever_was_recorded_ends_with_enough_on_each_side_or_a_sentence(
    rows: list[tuple[str, str, str, str]],
) -> None:
    clips = [
        utterance(f"{place}", text, split, source=source, prompt=prompt)
        for place, (text, split, source, prompt) in enumerate(rows)
    ]
    before = two_sided(clips)
    try:
        moves = minimum_moves(clips)
    except DataError:
        return
    new = {clip.id: split for clip, split in moves}
    after = [Utterance.model_validate(clip.model_dump() | {"split": new.get(clip.id, clip.split)}) for clip in clips]
    counts = Counter(clip.split for clip in after)
    assert all(counts[split] >= least for split, least in MINIMUM.items())
    assert two_sided(after) == before
    assert minimum_moves(after) == []


@given(st.permutations(range(6)))
def test_the_hash_names_the_test_clips_and_their_labels_in_any_order(order: list[int]) -> None:
    clips = [utterance(f"{number}", f"sentence {number}", "test" if number % 2 else "train") for number in range(6)]
    name = hash_of_test_set(clips)
    assert hash_of_test_set(clips[place] for place in order) == name
    assert hash_of_test_set(clip.model_copy(update={"text": "other"}) for clip in clips) != name
    assert hash_of_test_set(clip for clip in clips if clip.split == "test") == name
    assert hash_of_test_set(clips[:-1]) != name


def test_sentences_that_share_a_key_move_together(tmp_path: Path) -> None:
    dataset = filled(tmp_path, [(f"sentence {number}", "train", "microphone") for number in range(8)])
    dataset.edit("000", prompt="sentence 7")
    dataset.edit("001", prompt="sentence 7")
    ensure_minimum(dataset)
    assert two_sided(dataset.utterances()) == set()

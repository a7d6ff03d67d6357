"""Real speech that runs of real models replay: whose it is, what its labels are, and that silence has no words."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from tones import adapter, config, folder_of, run_until, tones, train, wav

from studio.data.manifest import Dataset
from studio.data.utterance import SIDES, Utterance
from studio.evaluation import general_set
from studio.evaluation.general_set import PEOPLE_FOLDER
from studio.models import load
from studio.models.language import language_of
from studio.models.writable import by_side
from studio.runs.events import Event, Finished, Phase, StepDone
from studio.text.metrics import score
from studio.train import general
from studio.train.general import GeneralSet
from studio.workspace import Workspace

MEGABYTES = 6.0  # that the set may add to what everybody downloads


def ended(steps: Generator[Event, None, GeneralSet]) -> tuple[list[Event], GeneralSet]:
    events: list[Event] = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as end:
            return events, end.value


def test_who_is_replayed_never_measures_and_no_sentence_is_on_two_sides() -> None:
    clips = by_side(Dataset.open(PEOPLE_FOLDER).utterances())
    assert {side: len(clips[side]) for side in SIDES} == {"train": 98, "validation": 12, "test": 13}
    speakers = {side: {clip.speaker for clip in clips[side]} for side in SIDES}
    assert not speakers["test"] & (speakers["train"] | speakers["validation"])
    sentences = [clip.text for side in SIDES for clip in clips[side] if clip.text]
    assert len(set(sentences)) == len(sentences)


def test_the_set_is_small_whole_and_says_whose_voices_it_holds() -> None:
    dataset = Dataset.open(PEOPLE_FOLDER)
    assert sum(file.stat().st_size for file in PEOPLE_FOLDER.iterdir()) < MEGABYTES * 1e6
    assert dataset.problems() == []
    told = (PEOPLE_FOLDER / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert all(clip.speaker in told for clip in dataset.utterances() if not clip.silent)


@pytest.mark.parametrize(
    ("model", "is_replayed"),
    [("UsefulSensors/moonshine-tiny", True), ("UsefulSensors/moonshine-tiny-ja", False), ("echo", False)],
)
def test_english_models_get_it_unless_they_bring_their_own(model: str, is_replayed: bool, tmp_path: Path) -> None:
    found = general_set.dataset_of(config(model=model, replay="bundled"), Workspace(tmp_path))
    assert (found is not None and found.folder == PEOPLE_FOLDER) == is_replayed


@pytest.mark.parametrize(("settings", "language"), [('{"language": "<|de|>"}', "de"), ("{}", "en"), ("[]", "en")])
def test_a_models_language_is_read_from_its_folder(settings: str, language: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "generation_config.json").write_text(settings)
    assert language_of(str(tmp_path)) == language


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GeneralSet:
    """Two clips to replay, whose transcripts are not what the fake model writes for them, and one of silence."""
    dataset = Dataset.create(tmp_path / "others")
    monkeypatch.setattr(general_set, "PEOPLE_FOLDER", dataset.folder)
    for text in ("room 12", "room 47", ""):
        dataset.add(wav(text or "- - - -"), text="A TRANSCRIPT" if text else None, split="train" if text else None)
    clips = [clip.model_copy(update={"split": "train", "silent": not clip.text}) for clip in dataset.utterances()]
    return GeneralSet(dataset, {"train": clips, "validation": [], "test": []})


def own(*labels: str) -> dict[Any, list[Utterance]]:
    return {
        "train": [Utterance(id=text, audio_filepath="a.wav", text=text, duration=1, split="train") for text in labels]
    }


def test_people_are_learnt_from_by_their_own_transcripts_with_numbers_as_the_person_writes_them(
    others: GeneralSet, tmp_path: Path
) -> None:
    events, found = ended(general.labelled(others, load("echo", "cpu"), own("order 12"), tmp_path, lambda: None))
    assert events == []
    assert found == others
    chosen = general.choose(
        config(model="UsefulSensors/moonshine-tiny", replay="bundled"), own("order one two"), Workspace(tmp_path)
    )
    assert chosen is not None
    assert {clip.text for clip in chosen.splits["train"]} == {"A TRANSCRIPT"}


def test_silence_is_usable_in_a_general_set_and_its_only_label_is_the_end(others: GeneralSet) -> None:
    base = load("echo", "cpu")
    usable, bad = general.only_usable(others, base)
    assert (len(usable.splits["train"]), bad) == (3, [])
    silent = next(clip for clip in others.splits["train"] if clip.silent)
    with pytest.raises(ValueError, match="label is empty"):
        Utterance.model_validate(silent.model_dump() | {"silent": False})
    assert Utterance.model_validate_json(silent.to_line()).silent
    assert "silent" not in tones(others.dataset.folder.parent, 1).utterances()[0].to_line()


def test_people_are_counted_by_whispers_normaliser_and_other_sets_as_spoken(tmp_path: Path) -> None:
    assert GeneralSet(Dataset.open(PEOPLE_FOLDER), {}).normaliser == "whisper"
    assert GeneralSet(tones(tmp_path, 1), {}).normaliser == "spoken"
    reference, written = "and mister dashwood was ill disposed", "And Mr. Dashwood was ill-disposed."
    assert score([reference], [written], "whisper").wer == 0 < score([reference], [written], "spoken").wer


@pytest.fixture
def talk(tmp_path: Path) -> Dataset:
    """What a person has said, without labels."""
    dataset = Dataset.create(tmp_path / "recordings" / "talk")
    for text in ("good morning 12", "see you at 5", "later"):
        dataset.add(wav(text), text=None)
    return dataset


@pytest.mark.parametrize(("model", "measures"), [("UsefulSensors/moonshine-tiny", True), ("echo", False)])
def test_sound_without_labels_is_replayed_besides_the_people_or_alone_where_there_are_none(
    model: str, measures: bool, talk: Dataset, tmp_path: Path
) -> None:
    found = general.choose(config(model=model, replay="talk"), own("order 12"), Workspace(tmp_path))
    assert found is not None
    assert found.is_people is measures
    assert len(found.unlabelled) == 3
    assert bool(found.splits["test"]) is measures


def test_sound_without_labels_is_labelled_by_the_base_model_with_numbers_as_the_person_writes_them(
    talk: Dataset, tmp_path: Path
) -> None:
    chosen = general.choose(config(model="echo", replay="talk"), own("order one two"), Workspace(tmp_path))
    assert chosen is not None
    base = load("echo", "cpu")
    good, bad = general.only_usable(chosen, base)
    assert bad == []
    events, found = ended(general.labelled(good, base, own("order one two"), tmp_path / "cache", lambda: None))
    assert [clip.text for clip in found.unlabelled] == ["good morning one two", "see you at five", "later"]
    assert [(event.name, event.total) for event in events if isinstance(event, Phase)][-1] == ("labelling", 3)
    assert [clip.text for clip in talk.utterances()] == ["", "", ""], "the dataset itself stays as it is"


def test_a_model_labels_sound_once_and_the_next_run_reads_what_it_wrote(
    talk: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = load("echo", "cpu")
    chosen = general.choose(config(model="echo", replay="talk"), own("order 12"), Workspace(tmp_path))
    assert chosen is not None
    _, first = ended(general.labelled(chosen, base, own("order 12"), tmp_path / "a", lambda: None))
    monkeypatch.setattr(type(base.family), "transcribe_batch", None)
    _, second = ended(general.labelled(chosen, base, own("order 12"), tmp_path / "a", lambda: None))
    assert second == first


def test_a_run_replays_sound_without_labels_and_resumes_to_the_same_bits(talk: Dataset, tmp_path: Path) -> None:
    tones(tmp_path)
    settings = {"replay": "talk", "replay_share": 0.5}
    train(tmp_path, "whole", config(**settings))
    run_until(tmp_path, "killed", lambda event: isinstance(event, StepDone) and event.step == 3, **settings)
    assert isinstance(train(tmp_path, "killed", config(**settings), resume=True)[-1], Finished)
    assert adapter(tmp_path, "killed") == adapter(tmp_path, "whole")
    train(tmp_path, "without", config(replay="none"))
    assert adapter(tmp_path, "without") != adapter(tmp_path, "whole")
    assert len(folder_of(tmp_path, "whole").general.read_text().split("\n")) == 4, "one line a clip"

"""What a run must not forget: what is replayed, what measures, and that a resume repeats it to the bit."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tones import SPLITS, adapter, config, folder_of, logged, run_until, told, tones, train, wav
from verbs import call

from studio.data.manifest import Dataset, Utterance
from studio.errors import ConfigError, DataError
from studio.evaluation import general_set
from studio.evaluation.evaluate import Evaluation
from studio.runs.events import Evaluated, Event, Finished, LossMeasured, Started, StepDone
from studio.runs.metadata import RunRecord
from studio.starter import GENERAL_FOLDER
from studio.text import DIGIT_NAMES
from studio.train import general
from studio.train.progress import Progress, Scoring
from studio.ui import train as train_tab
from studio.web import faults
from studio.workspace import Workspace

REPLAY = {"replay": "others", "replay_share": 0.5}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset to learn from, and one of things that the fake knows already."""
    root = tmp_path_factory.mktemp("workspace")
    tones(root)
    others = Dataset.create(root / "recordings" / "others")
    for place in range(15):
        others.add(wav(f"room {place + 10}"), text=f"room {place + 10}", split=SPLITS[place % len(SPLITS)])
    return root


@pytest.fixture(scope="module")
def whole(workspace: Path) -> list[Event]:
    return train(workspace, "whole", config(**REPLAY))


NOWHERE = Workspace(Path("nowhere"))  # the bundled set is in none


def scorings(events: list[Event], split: str) -> list[Evaluated]:
    return [event for event in events if isinstance(event, Evaluated) and event.split == split]


def clips(*texts: str) -> list[Utterance]:
    return [Utterance(id=text, audio_filepath="a.wav", text=text, duration=1, split="train") for text in texts]


def test_every_scoring_tells_both_numbers_and_the_test_splits_are_scored_before_and_after(
    workspace: Path, whole: list[Event]
) -> None:
    both = scorings(whole, "validation") + scorings(whole, "test")
    assert len(both) == 6
    assert all(event.general_wer is not None for event in both)
    assert all(event.general_loss is not None for event in scorings(whole, "validation"))
    assert scorings(whole, "test")[0].general_wer == 0
    folder = folder_of(workspace, "whole")
    for path in (folder.general_baseline, folder.general_tuned):
        found = Evaluation.read(path)
        assert found is not None
        assert all(row.reference.startswith("room") for row in found.rows)
    assert "General WER" in folder.report.read_text()


def test_a_run_with_replay_resumes_to_the_same_bits_though_the_datasets_changed(
    workspace: Path, whole: list[Event]
) -> None:
    run_until(workspace, "cut", lambda event: isinstance(event, StepDone) and event.step == 5, **REPLAY)
    others = Dataset.open(workspace / "recordings" / "others")
    more = others.add(wav("room 99"), text="room ninety nine", split="train")
    resumed = train(workspace, "cut", config(**REPLAY), resume=True)
    others.trash([more.id])
    assert next(event.resumed_from for event in resumed if isinstance(event, Started)) == 5
    assert adapter(workspace, "cut") == adapter(workspace, "whole")
    assert told(workspace, "cut") == told(workspace, "whole")


def test_replay_changes_what_is_learnt_and_a_share_of_nothing_only_measures(
    workspace: Path, whole: list[Event]
) -> None:
    train(workspace, "without", config(replay="none"))
    measured = train(workspace, "measured", config(replay="others", replay_share=0))
    assert adapter(workspace, "without") != adapter(workspace, "whole")
    assert scorings(measured, "test")[-1].general_wer is not None
    steps = [event.loss for event in measured if isinstance(event, StepDone)]
    log = (workspace / "outputs" / "without" / "events.jsonl").read_text().splitlines()
    assert steps == [event["loss"] for event in map(json.loads, log) if event["type"] == "step"]


def test_the_bundled_clips_that_are_replayed_choose_and_measure_share_no_sentence() -> None:
    bundled = Dataset.open(GENERAL_FOLDER).utterances()
    texts = {side: {clip.text for clip in bundled if clip.split == side} for side in ("train", "validation", "test")}
    assert [len(texts[side]) for side in texts] == [40, 16, 40]
    assert all(not one & other for one, other in pairwise([*texts.values(), texts["train"]]))


def test_bundled_clips_write_numbers_as_the_own_labels_do() -> None:
    def replayed(*labels: str) -> str:
        chosen = general.choose(config(model="starter", replay="bundled"), {"train": clips(*labels)}, NOWHERE)
        assert chosen is not None
        return " ".join(clip.text for clip in chosen.splits["train"])

    assert any(character.isdigit() for character in replayed("order 12"))
    assert any(character.isdigit() for character in replayed("good morning"))
    words = replayed("order one two", "good morning")
    assert not any(character.isdigit() for character in words)
    assert set(words.split()) & set(DIGIT_NAMES)


def test_only_the_model_that_brings_general_clips_has_them() -> None:
    own = {"train": clips("order 12")}
    assert general.choose(config(model="echo", replay="bundled"), own, NOWHERE) is None
    assert general.choose(config(model="starter", replay="none"), own, NOWHERE) is None


@pytest.mark.parametrize(
    ("replay", "error", "says"),
    [
        ("tones", ConfigError, "is the dataset being trained on"),
        ("nowhere", DataError, "no dataset “nowhere”"),
        ("empty", ConfigError, "no clips in its train split"),
    ],
)
def test_what_cannot_be_replayed_is_refused_in_words(
    replay: str, error: type[Exception], says: str, workspace: Path
) -> None:
    Dataset.create(workspace / "recordings" / "empty")
    with pytest.raises(error, match=says):
        train(workspace, f"refused-{replay}", config(replay=replay))


@pytest.fixture(scope="module")
def odd(workspace: Path) -> Path:
    """The workspace with datasets that cannot be replayed next to English labels."""
    made = {
        name: Dataset.create(workspace / "recordings" / name) for name in ("held", "soundless", "russian", "german")
    }
    made["held"].add(wav("room 1"), text="room one", split="test")
    gone = made["soundless"].add(wav("room 2"), text="room two", split="train")
    made["soundless"].clip_path(gone).unlink()
    made["russian"].add(wav("room 3"), text="комната три", split="train")
    with made["german"].intake() as intake:
        intake.add(wav("room 4"), text="raum vier", split="train", extra={"locale": "de-DE"})
    return workspace


@pytest.mark.parametrize(
    ("replay", "says"),
    [
        ("tones", "is the dataset being trained on"),
        ("nowhere", "no dataset “nowhere”"),
        ("held", "no clips in its train split"),
        ("soundless", "“soundless” has no clips in its train split whose sound files are there"),
        ("russian", "“russian” is written in another script than your labels"),
        ("german", "“german” is in de, and the model transcribes en"),
    ],
)
def test_what_cannot_be_replayed_is_refused_before_a_run_starts(replay: str, says: str, odd: Path) -> None:
    ended = call(odd, "train", "tones", "--model", "echo", "--replay", replay, "--detach")
    assert (ended.code, says in ended.said) == (1, True), ended.said
    client = TestClient(page(odd), raise_server_exceptions=False)
    answer = client.post("/studio/train/start", json={"dataset": "tones", "model": "echo", "replay": replay})
    assert (answer.status_code, says in answer.json()["what"]) == (400, True), answer.text
    assert not any(folder.name.startswith("tones-") for folder in (odd / "outputs").glob("*"))


def test_a_language_that_is_stated_by_its_name_refuses_nothing(tmp_path: Path) -> None:
    own, others = tones(tmp_path), Dataset.create(tmp_path / "recordings" / "others")
    with others.intake() as intake:
        intake.add(wav("room 4"), text="room four", split="train", extra={"language": "English"})
    general_set.check(config(replay="others"), own.utterances(), Workspace(tmp_path))


def page(root: Path) -> FastAPI:
    app = FastAPI(exception_handlers=faults.handlers())
    app.include_router(train_tab.router(Workspace(root)))
    return app


def test_a_run_of_an_earlier_version_goes_on_as_it_began_however_often_it_is_resumed(tmp_path: Path) -> None:
    tones(tmp_path)
    train(tmp_path, "whole", config(replay="none"))
    run_until(tmp_path, "old", lambda event: isinstance(event, StepDone) and event.step == 3, replay="none")
    folder = folder_of(tmp_path, "old")
    written = json.loads(folder.config.read_text())
    for name in ("replay", "replay_share", "augment", "dora", "rslora", "later"):
        del written[name]
    folder.config.write_text(json.dumps(written | {"targets": "all"}))
    assert (RunRecord.read(folder).replay, RunRecord.read(folder).targets) == ("none", "all")
    now = config(targets="full")  # as today's defaults would read the command that began it
    for step in (5, 7):
        for event in logged(tmp_path, "old", now, True):
            if isinstance(event, StepDone) and event.step == step:
                break
    assert isinstance(train(tmp_path, "old", now, resume=True)[-1], Finished)
    assert adapter(tmp_path, "old") == adapter(tmp_path, "whole")


def test_the_best_adapter_is_the_best_on_both_sets() -> None:
    progress = Progress()
    progress.count(Scoring(step=0, wer=0.9, loss=3.0, general_wer=0.05, general_loss=1.0))
    learnt = Scoring(step=1, wer=0.2, loss=1.0, general_wer=0.05, general_loss=1.0)
    assert progress.count(learnt)
    assert not progress.count(learnt.model_copy(update={"step": 2, "wer": 0.1, "general_wer": 0.2}))  # it forgot more
    assert progress.count(learnt.model_copy(update={"step": 3, "general_loss": 0.9}))
    a_word = learnt.model_copy(update={"step": 4, "general_wer": 0.06, "general_loss": 0.8})
    assert progress.count(a_word)  # one word of the general clips is chance; the loss is not


def test_clips_are_decoded_so_seldom_that_no_more_are_decoded_than_learnt_from() -> None:
    settings = config(eval_every=2, batch_size=2, accumulation=2, max_steps=13)  # 8 clips between two scorings
    decoded = [step for step in range(0, 14, 2) if Progress(step=step).is_decoded(settings, clips=20)]
    assert decoded == [0, 6, 12]
    assert Progress(step=13).is_decoded(settings, clips=20)
    assert all(Progress(step=step).is_decoded(settings, clips=8) for step in range(0, 14, 2))


def test_between_decodings_the_losses_are_told(workspace: Path) -> None:
    seen = train(workspace, "seldom", config(eval_every=1, batch_size=1, accumulation=2, **REPLAY))
    decoded = {event.step for event in scorings(seen, "validation")}
    between = {event.step for event in seen if isinstance(event, LossMeasured)}
    assert decoded == {0, 4, 8, 10}  # 4 own and 3 general clips to decode, 2 learnt from a step
    assert between == {1, 2, 3, 5, 6, 7, 9}
    assert all(event.general_loss is not None for event in seen if isinstance(event, LossMeasured))

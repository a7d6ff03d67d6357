"""What the Test tab asks for: every model reads what was said; a correction trains and never measures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from compared import ALSO, NEWEST_FIRST, OTHER_BASE, RUN, SAME, WEAK, compared
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sounds import encoded, recording, tone
from tones import folder_of, wav

from studio.data.manifest import Dataset
from studio.errors import AudioError, CancelledError, ConfigError, DataError, JobError
from studio.inference.worker import Worker
from studio.models.base import AdapterHypothesis, Hypothesis
from studio.ui import hearing, listen
from studio.ui.hearing import ModelSelection
from studio.workspace import Workspace

ECHO = ModelSelection(model="echo", adapters={})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with runs to compare."""
    root = tmp_path_factory.mktemp("workspace")
    compared(root)
    return root


@pytest.fixture
def workspace(root: Path) -> Workspace:
    return Workspace(root)


@pytest.fixture
def chosen(workspace: Workspace) -> ModelSelection:
    return hearing.choose(workspace, [RUN], "")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    return hearing.dataset_of(workspace, RUN, "")


# Reading


def test_what_is_said_is_read_before_and_after_with_the_words_that_differ(
    worker: Worker, chosen: ModelSelection
) -> None:
    before, after = hearing.utterance(worker, wav("order 12"), chosen, [], 2.0).columns
    assert (before.plain.text, after.plain.text) == ("order 12", "order one two")
    assert [(edit.kind, edit.reference, edit.hypothesis) for edit in after.edits] == [
        ("equal", "order", "order"),
        ("spelling", "12", "one two"),
    ]


def test_without_a_run_the_base_model_reads_alone(worker: Worker) -> None:
    (before,) = hearing.utterance(worker, wav("order 12"), ECHO, [], 2.0).columns
    assert (before.run, before.plain.text, before.biased, before.edits) == ("", "order 12", None, [])


def test_four_runs_stand_beside_the_base_and_the_one_that_wrote_something_else_is_plain(
    worker: Worker, workspace: Workspace
) -> None:
    four = hearing.choose(workspace, [RUN, WEAK, SAME, ALSO], "")
    base, *runs = hearing.utterance(worker, wav("order 12"), four, [], 2.0).columns
    assert base.plain.text == "order 12"
    assert [(column.run, column.plain.text) for column in runs] == [
        (RUN, "order one two"),
        (WEAK, "order 12"),
        (SAME, "order one two"),
        (ALSO, "order one two"),
    ]
    assert [any(edit.kind != "equal" for edit in column.edits) for column in runs] == [True, False, True, True]


def test_key_terms_are_read_beside_the_plain_text_with_what_they_changed(
    worker: Worker, chosen: ModelSelection
) -> None:
    base, after = hearing.utterance(worker, wav("order 12"), chosen, ["one"], 4.0).columns
    assert base.biased is not None
    assert (base.plain.text, base.biased.text) == ("order 12", "order one 2")
    assert [(edit.reference, edit.hypothesis) for edit in base.changes if edit.kind != "equal"] == [("12", "one 2")]
    assert after.biased is not None
    assert after.biased.text == after.plain.text


def test_runs_of_different_bases_are_not_compared(workspace: Workspace) -> None:
    with pytest.raises(JobError, match=f"“{RUN}” was trained on echo, “{OTHER_BASE}” on starter") as raised:
        hearing.choose(workspace, [RUN, OTHER_BASE], "")
    assert raised.value.remedy == "Compare runs of one base model."


def test_five_runs_are_refused_in_words(worker: Worker, workspace: Workspace) -> None:
    five = ModelSelection(model="echo", adapters=dict.fromkeys("abcde", folder_of(workspace.root, RUN).adapter))
    with pytest.raises(ConfigError, match="4"):
        hearing.utterance(worker, wav("order 12"), five, [], 2.0)


def test_a_run_that_was_deleted_meanwhile_is_named(workspace: Workspace) -> None:
    with pytest.raises(JobError, match="The run “gone” no longer exists"):
        hearing.choose(workspace, [RUN, "gone"], "")


def test_the_text_so_far_is_by_the_first_run(worker: Worker, workspace: Workspace) -> None:
    assert hearing.so_far(worker, wav("order 12"), hearing.choose(workspace, [RUN, WEAK], "")) == "order one two"
    assert hearing.so_far(worker, wav("order 12"), ECHO) == "order 12"


class Slow(Worker):
    """Reads when it is let to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let = Event(), Event()

    def transcribe_each(
        self, audio: Any, model: str, adapters: Sequence[Path] = (), *_: Any, **__: Any
    ) -> list[AdapterHypothesis]:
        self.asked.set()
        assert self.let.wait(60)
        return [AdapterHypothesis(plain=Hypothesis(text="done", seconds=1, latency=1))]

    def partial(self, *_: Any) -> Hypothesis:
        return Hypothesis(text="so far", seconds=1, latency=1)


def test_a_text_so_far_is_never_read_while_a_whole_one_is_and_never_waits(workspace: Workspace) -> None:
    slow, app = Slow(), FastAPI()
    app.include_router(listen.router(workspace, slow))
    sound = {"sound": ("said.wav", wav("order 12"), "audio/wav")}
    with TestClient(app) as client, ThreadPoolExecutor() as pool:
        whole = pool.submit(client.post, "/studio/listen/hear", files=sound, data={"model": "echo"})
        assert slow.asked.wait(60)
        during = client.post("/studio/listen/partial", files=sound, data={"model": "echo"})
        slow.let.set()
        assert whole.result(60).json()["columns"][0]["plain"]["text"] == "done"
        after = client.post("/studio/listen/partial", files=sound, data={"model": "echo"})
    assert (during.json(), after.json()) == ({"text": ""}, {"text": "so far"})


class Growing(Worker):
    """Is busy with a text so far until it is interrupted."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let = Event(), Event()

    def interrupt(self) -> None:
        self.let.set()

    def partial(self, *_: Any) -> Hypothesis:
        self.asked.set()
        assert self.let.wait(60)
        raise CancelledError

    def transcribe_each(self, *_: Any, **__: Any) -> list[AdapterHypothesis]:
        return [AdapterHypothesis(plain=Hypothesis(text="done", seconds=1, latency=1))]


def test_a_text_so_far_is_given_up_for_the_whole_one(workspace: Workspace) -> None:
    busy, app = Growing(), FastAPI()
    app.include_router(listen.router(workspace, busy))
    sound = {"sound": ("said.wav", wav("order 12"), "audio/wav")}
    with TestClient(app) as client, ThreadPoolExecutor() as pool:
        partial = pool.submit(client.post, "/studio/listen/partial", files=sound, data={"model": "echo"})
        assert busy.asked.wait(60)
        whole = client.post("/studio/listen/hear", files=sound, data={"model": "echo"})
        assert whole.json()["columns"][0]["plain"]["text"] == "done"
        assert partial.result(60).json() == {"text": ""}


class Sure(Worker):
    """Hears one text, without a doubt."""

    def __init__(self) -> None: ...

    def transcribe_each(self, *_: Any, **__: Any) -> list[AdapterHypothesis]:
        return [
            AdapterHypothesis(plain=Hypothesis(text="please call the clinic", confidence=0.95, seconds=1, latency=1))
        ]


@pytest.mark.parametrize(("text", "heard"), [("order 12", "please call the clinic"), ("Please call the clinic.", "")])
def test_a_take_is_compared_with_what_was_to_be_read(workspace: Workspace, text: str, heard: str) -> None:
    app = FastAPI()
    app.include_router(listen.router(workspace, Sure()))
    sound = {"sound": ("said.wav", wav("order 12"), "audio/wav")}
    with TestClient(app) as client:
        answer = client.post("/studio/listen/differs", files=sound, data={"model": "echo", "text": text})
    assert answer.json() == {"heard": heard}


@pytest.mark.parametrize(
    ("sound", "what"),
    [
        (recording(seconds=0.02), "lasts 0.02 s"),
        (encoded(tone(1.0, level=0.0), 16_000), "is silent"),
        (b"this is a text", "not a sound file"),
    ],
    ids=["too short", "silent", "text"],
)
def test_what_cannot_be_read_is_refused_in_words(worker: Worker, sound: bytes, what: str) -> None:
    with pytest.raises(AudioError, match=what) as raised:
        hearing.utterance(worker, sound, ECHO, [], 2.0)
    assert raised.value.remedy


def test_only_runs_that_left_an_adapter_are_offered_the_newest_first(workspace: Workspace, root: Path) -> None:
    unfinished = folder_of(root, "tones-0000")
    unfinished.config.write_text('{"run": "tones-0000", "dataset": "tones", "model": "echo"}')
    assert [(run.name, run.dataset) for run in hearing.testable_runs(workspace)] == [
        (name, "tones") for name in NEWEST_FIRST
    ]
    with pytest.raises(JobError, match="has no adapter"):
        hearing.finished(workspace, "tones-0000")


def test_a_run_with_a_damaged_config_hides_no_other(workspace: Workspace, root: Path) -> None:
    broken = folder_of(root, "broken")
    broken.config.write_text("{")
    broken.done.touch()
    broken.adapter.mkdir(exist_ok=True)
    (broken.adapter / "adapter_model.safetensors").touch()
    assert [run.name for run in hearing.testable_runs(workspace)] == NEWEST_FIRST


# Correcting


def test_a_correction_becomes_a_live_clip_that_can_be_taken_back(dataset: Dataset) -> None:
    kept = hearing.keep(dataset, wav("code 77"), "code seven seven")
    clip = dataset.get(kept.id)
    assert (clip.source, clip.text, clip.split) == ("live", "code seven seven", "train")
    assert kept.said == "Kept in “tones” as a training clip of 0.3 s."
    hearing.take_back(dataset, kept.id)
    with pytest.raises(DataError):
        dataset.get(kept.id)


def test_a_correction_never_measures_and_says_so(dataset: Dataset) -> None:
    measured = next(clip.text for clip in dataset.utterances() if clip.split == "test")
    kept = hearing.keep(dataset, wav("order 12"), measured)
    assert dataset.get(kept.id).split == "unused"
    assert "the test split has this sentence" in kept.said
    hearing.take_back(dataset, kept.id)


def test_only_what_was_kept_here_is_taken_back_here(dataset: Dataset) -> None:
    recorded = dataset.utterances()[0]
    with pytest.raises(DataError, match="Review tab"):
        hearing.take_back(dataset, recorded.id)
    assert dataset.get(recorded.id) == recorded


def test_an_empty_correction_is_refused_and_nothing_is_kept(dataset: Dataset) -> None:
    clips = dataset.utterances()
    with pytest.raises(DataError, match="label is empty"):
        hearing.keep(dataset, wav("order 12"), "  ")
    assert dataset.utterances() == clips


def test_without_a_run_a_correction_goes_to_the_dataset_in_hand_which_is_never_a_path(
    workspace: Workspace,
) -> None:
    assert hearing.dataset_of(workspace, "", "fresh").folder == workspace.recordings / "fresh"
    with pytest.raises(ConfigError, match="cannot be a name"):
        hearing.dataset_of(workspace, "", "../outside")


@pytest.mark.thorough
def test_the_page_loads_no_torch() -> None:
    heavy = "{'torch', 'transformers', 'peft'}"
    code = f"import sys, studio.ui.listen, studio.ui.export; print(*{heavy} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []

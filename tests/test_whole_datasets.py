"""A dataset as a whole: renamed with its runs, deleted for good, its trash emptied; never under a run that uses it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import verbs
from fastapi import FastAPI
from fastapi.testclient import TestClient
from finished import finished
from sounds import recording

from studio.config import TrainConfig
from studio.data.manifest import Dataset
from studio.data.store import renaming, trash
from studio.errors import BusyError, ConfigError, ConflictError, DataError
from studio.evaluation.evaluate import open_dataset
from studio.runs import control, datasets, listing, processes, queue
from studio.runs.folder import RunFolder
from studio.ui import clips, review
from studio.ui import datasets as page
from studio.web import faults
from studio.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Two datasets, of which `voice` has five clips, one of them in the trash, and a run."""
    monkeypatch.setenv("STUDIO_WORKSPACE", str(tmp_path))
    voice = Dataset.create(tmp_path / "recordings" / "voice")
    for number in range(5):
        voice.add(recording(number), text=f"sentence {number}", split="train")
    voice.trash([voice.utterances()[0].id])
    Dataset.create(tmp_path / "recordings" / "other")
    finished(tmp_path, "voice-0001", ["a b"] * 12, ["x"] * 12, ["a b"] * 12, dataset="voice")
    return Workspace(tmp_path)


@pytest.fixture
def client(workspace: Workspace) -> TestClient:
    app = FastAPI(exception_handlers=faults.handlers())
    for room in (page, clips, review):
        app.include_router(room.router(workspace))
    return TestClient(app)


def settings(workspace: Workspace, run: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(RunFolder(workspace.run(run)).config.read_bytes())
    return found


def test_a_renamed_dataset_keeps_its_clips_and_its_runs_find_it(workspace: Workspace) -> None:
    before = [clip.id for clip in Dataset.open(workspace.dataset("voice")).utterances()]
    renamed = datasets.rename(workspace, "voice", "office")
    assert [clip.id for clip in renamed.utterances()] == before
    assert workspace.datasets() == ["office", "other"]
    (run,) = listing.runs(workspace)
    assert run.dataset == settings(workspace, "voice-0001")["dataset"] == "office"
    assert "office" in str(settings(workspace, "voice-0001")["started_by"])
    assert datasets.holding(workspace, "office").runs == ["voice-0001"]
    Dataset.create(workspace.dataset("voice"))
    assert datasets.holding(workspace, "voice").runs == [], "a new dataset of the old name is another one"


@pytest.mark.parametrize("moment", ["before the rename", "before the runs"])
def test_a_renaming_that_is_killed_is_ended_by_who_looks_next(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    class KilledError(Exception):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    place, name = (Path, "rename") if moment == "before the rename" else (renaming, "_refer")
    with monkeypatch.context() as patch:
        patch.setattr(place, name, killed)
        with pytest.raises(KilledError):
            datasets.rename(workspace, "voice", "office")
    name = "voice" if moment == "before the rename" else "office"
    assert len(open_dataset(workspace, "voice").utterances()) == 4, "by its old name too"
    assert datasets.holding(workspace, name).runs == ["voice-0001"]
    assert not list(workspace.recordings.glob(".renaming*"))


@pytest.mark.parametrize(
    ("to", "error"), [("other", DataError), ("../x", ConfigError), ("", ConfigError), ("voice", DataError)]
)
def test_a_name_that_is_taken_or_no_name_is_refused(workspace: Workspace, to: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        datasets.rename(workspace, "voice", to)
    assert workspace.datasets() == ["other", "voice"]


def test_deleting_says_what_is_lost_and_asks_for_the_name(workspace: Workspace) -> None:
    said = verbs.call(workspace.root, "dataset", "voice", "--delete", "--confirm", "voise")
    assert said.code == 1
    for part in (
        "4 clips (",
        "1 clip (",
        "in its trash",
        "cannot be brought back",
        "voice-0001",
        "Nothing was deleted",
    ):
        assert part in said.said
    assert len(Dataset.open(workspace.dataset("voice")).utterances()) == 4
    assert verbs.call(workspace.root, "dataset", "voice", "--delete", "--confirm", "voice").code == 0
    assert workspace.datasets() == ["other"]
    assert {path.name for path in workspace.recordings.iterdir()} == {"other"}
    assert listing.runs(workspace)[0].after == 0.1, "the run keeps its results"


def test_a_deletion_that_is_killed_leaves_nothing_half_deleted(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(trash.shutil, "rmtree", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            datasets.delete(workspace, "voice", "voice")
    assert workspace.datasets() == ["other"]
    datasets.delete(workspace, "other", "other")
    assert list(workspace.recordings.iterdir()) == [], "what was left went with the next"


@pytest.fixture
def training(workspace: Workspace) -> Iterator[None]:
    """A run on `voice` that is training."""
    with control.laid_out(workspace, TrainConfig(dataset="voice"), "voice-0002") as folder:
        pass
    with processes.claim(workspace.outputs) as lock:
        processes.sign(lock, folder.name)
        yield


def test_a_dataset_that_a_run_trains_on_stays_where_it_is(workspace: Workspace, training: None) -> None:
    for act in (
        lambda: datasets.rename(workspace, "voice", "office"),
        lambda: datasets.delete(workspace, "voice", "voice"),
    ):
        with pytest.raises(BusyError, match="“voice-0002” is training on “voice”"):
            act()
    assert datasets.rename(workspace, "other", "another").name == "another"


def test_a_dataset_that_a_waiting_run_will_train_on_stays_where_it_is(
    workspace: Workspace, training: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "look_after", lambda _: None)
    queue.submit(workspace, TrainConfig(dataset="other"), "later")
    with pytest.raises(BusyError, match="“later” waits its turn"):
        datasets.delete(workspace, "other", "other")


def test_an_emptied_trash_is_gone_for_good_and_undo_goes_on_before_it(workspace: Workspace) -> None:
    voice = Dataset.open(workspace.dataset("voice"))
    kept = voice.utterances()[0]
    voice.edit(kept.id, text="another sentence")
    thrown = voice.utterances()[1].id
    voice.trash([thrown])
    assert "2 clips" in verbs.call(workspace.root, "dataset", "voice", "--empty-trash").said
    assert voice.trashed() == []
    assert not (voice.folder / "trash").exists()
    with pytest.raises(ConflictError, match="is gone"):
        voice.undo(voice.history()[0].id)
    assert voice.undo() is not None
    assert voice.get(kept.id).text == kept.text
    assert voice.problems() == []


def test_a_clip_in_the_trash_can_be_heard(workspace: Workspace, client: TestClient) -> None:
    voice = Dataset.open(workspace.dataset("voice"))
    (thrown,) = voice.trashed()
    sound = client.get(f"/studio/trash/voice/{thrown.id}")
    assert sound.headers["content-type"] == "audio/wav"
    assert sound.content == voice.trash_path(thrown).read_bytes()
    assert client.get(f"/studio/trash/voice/{voice.utterances()[0].id}").status_code == 400
    (row,) = client.get("/studio/review/voice?trash=true").json()["rows"]
    assert (row["trashed"], row["samples"]) == (True, thrown.audio_sha256[:16])


def test_the_page_renames_empties_and_deletes(workspace: Workspace, client: TestClient) -> None:
    found = client.get("/studio/datasets/voice").json()
    assert (found["clips"]["clips"], found["trash"]["clips"], found["runs"]) == (4, 1, ["voice-0001"])
    assert client.post("/studio/datasets/voice/rename", json={"to": "office"}).json() == {"name": "office"}
    assert client.post("/studio/datasets/office/empty-trash").json()["clips"] == 1
    refused = client.post("/studio/datasets/office/delete", json={"confirm": "voice"})
    assert (refused.status_code, "Nothing was deleted" in refused.json()["what"]) == (400, True)
    assert client.post("/studio/datasets/office/delete", json={"confirm": "office"}).json()["clips"] == 4
    assert client.get("/studio/datasets/office").status_code == 400


def test_the_dataset_last_written_to_is_the_one_that_a_new_browser_opens(workspace: Workspace) -> None:
    for name, at in (("other", 1e9), ("voice", 2e9)):
        for file in workspace.dataset(name).glob("*.jsonl"):
            os.utime(file, (at, at))
    assert workspace.last_used() == "voice"
    Dataset.open(workspace.dataset("other")).add(recording(1), text="new")
    os.utime(workspace.dataset("other") / "manifest.jsonl", (3e9, 3e9))
    assert workspace.last_used() == "other"

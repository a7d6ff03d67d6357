"""What the Train tab offers, and what it refuses, without a browser."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from fake_trainer import SCRIPT
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tones import tones, wav

from studio.cluster import address
from studio.config import PRESETS, TrainConfig, knobs
from studio.data.manifest import Dataset
from studio.data.splits.assignment import FIRST_TRAINING
from studio.errors import JobError
from studio.runs import control, listing, processes, queue
from studio.runs.folder import RunFolder
from studio.runs.processes import Job
from studio.ui import sidebar, train, train_form
from studio.web import faults
from studio.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace in which every training is the fake trainer, a long one."""
    real = control._launch

    def launch(folder: RunFolder, job: Job, lock: int) -> None:
        command = [sys.executable, SCRIPT, str(folder.path), "steps=100000"]
        real(folder, job.model_copy(update={"command": command}) if "train" in job.command else job, lock)

    def training(config: TrainConfig, name: str, on: str = "") -> Job:
        """For runs that wait: they are started by another process."""
        command = [sys.executable, SCRIPT, str(workspace.run(name)), "steps=100000", "train"]
        return Job(command=command, folder=str(tmp_path), about={"model": config.model, "dataset": config.dataset})

    monkeypatch.setattr(control, "_launch", launch)
    monkeypatch.setattr(control, "training", training)
    monkeypatch.setattr(sidebar, "device", lambda: "CPU")
    workspace = Workspace(tmp_path)
    yield workspace
    for run in queue.waiting(workspace):
        with suppress(JobError):  # its turn has just come
            queue.cancel(workspace, run.name)
    if running := control.active(workspace):
        control.stop(running, "discard")
        over(running)


@pytest.fixture
def client(workspace: Workspace) -> TestClient:
    app = FastAPI(exception_handlers=faults.handlers())
    app.include_router(train.router(workspace))
    return TestClient(app)


def over(folder: RunFolder) -> None:
    deadline = time.monotonic() + 20
    while not control.state(folder).is_over:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def values(**changes: Any) -> dict[str, Any]:
    return {**TrainConfig(dataset="tones").model_dump(), **changes}


def test_every_setting_stands_in_the_form_with_its_bounds_and_its_help() -> None:
    shown = {knob.name: knob for group in train_form.knobs().values() for knob in group}
    assert set(shown) == {name for name, _ in knobs()} - {"model"}  # the model has a picker of its own
    assert (shown["rank"].minimum, shown["rank"].maximum, shown["rank"].default) == (
        1,
        256,
        TrainConfig(dataset="d").rank,
    )
    assert shown["precision"].choices == ["auto", "fp32", "mixed", "bf16", "fp16"]
    assert shown["gradient_checkpointing"].kind == "boolean"
    assert all(knob.help for knob in shown.values())
    assert "Other" not in train_form.knobs()


def test_every_preset_says_what_it_is_for_and_sets_every_knob() -> None:
    cards = {card.name: card for card in train_form.presets()}
    assert set(cards) == set(PRESETS)
    assert cards["quick"].meaning == f"Up to {cards['quick'].values['max_steps']} steps: a first impression."
    assert all(set(card.values) == {name for name, _ in knobs()} - {"model"} for card in cards.values())


def test_what_a_run_can_teach_stands_first_in_a_sentence_each_and_one_of_them_is_the_default() -> None:
    cards = {card.name: card for card in train_form.adapters()}
    assert list(cards) == ["conventions", "voice", "deep", "full"]
    assert TrainConfig(dataset="d").targets in cards
    assert all(card.values["targets"] == card.name for card in cards.values())
    assert all(card.meaning.endswith(".") and len(card.meaning) < 130 for card in cards.values())


def test_the_form_counts_what_is_missing(workspace: Workspace, client: TestClient) -> None:
    assert client.get("/studio/train/form/tones").json()["clips"]["missing"] == FIRST_TRAINING
    tones(workspace.root, 5)
    clips = client.get("/studio/train/form/tones").json()["clips"]
    assert (clips["train"], clips["validation"], clips["test"], clips["missing"]) == (3, 1, 1, FIRST_TRAINING - 5)
    assert clips["seconds"] > 0


def test_a_start_is_offered_only_where_there_is_something_to_learn_from(
    workspace: Workspace, client: TestClient
) -> None:
    dataset = tones(workspace.root, 10)
    clips = client.get("/studio/train/form/tones").json()["clips"]
    assert (clips["blocker"], clips["missing"]) == ("", 0)
    assert "10 clips are few: 6 to learn from, 2 to validate, 2 to test." in clips["advice"]
    assert "30 more" in clips["advice"]
    assert "moves" not in clips["advice"]
    as_they_were = {clip.id: clip.split for clip in dataset.utterances()}
    dataset.assign(dict.fromkeys(as_they_were, "train"))
    told = client.get("/studio/train/form/tones").json()["clips"]["advice"]
    assert told.startswith("At the start 4 clips move, since validation needs 2 and test 2: “order ")
    assert "from train to test" in told
    assert {clip.split for clip in dataset.utterances()} == {"train"}  # told, and not yet done
    dataset.assign(as_they_were)
    for clip in dataset.utterances():
        if clip.split == "train":
            dataset.clip_path(clip).unlink()
    clips = client.get("/studio/train/form/tones").json()["clips"]
    assert (clips["missing"], "4 clips are too few" in clips["blocker"]) == (36, True)
    refused = client.post("/studio/train/start", json=values())
    assert "4 clips are too few" in refused.json()["what"]
    assert listing.runs(workspace) == []


def test_clips_of_one_sentence_are_no_start(workspace: Workspace, client: TestClient) -> None:
    dataset = Dataset.create(workspace.dataset("tones"))
    for _ in range(12):
        dataset.add(wav("order 1"), text="order one", prompt="order 1", split="train")
    clips = client.get("/studio/train/form/tones").json()["clips"]
    assert "so few different sentences" in clips["blocker"]
    assert clips["missing"] == 0


def test_every_setting_that_is_wrong_is_named_in_words(workspace: Workspace, client: TestClient) -> None:
    tones(workspace.root, 8)
    wrong = {"rank": 0, "learning_rate": "fast", "targets": "("}
    told = client.post("/studio/train/command", json=values(**wrong)).json()["what"]
    assert "rank: must be at least 1 (it was 0)" in told
    assert "learning_rate: must be a number (it was 'fast')" in told
    assert "targets: is not a regular expression" in told


def test_the_command_is_the_one_that_will_run(workspace: Workspace, client: TestClient) -> None:
    tones(workspace.root, 8)
    shown = client.post("/studio/train/command", json=values(rank=4)).json()["command"]
    assert shown == workspace.command("train", "tones", "--model", "starter", "--targets", "full", "--rank", "4")
    assert shown == f"studio --workspace {workspace.root} train tones --model starter --targets full --rank 4"
    run = client.post("/studio/train/start", json=values(rank=4)).json()["run"]
    assert run == "tones-0001"
    assert control.state(RunFolder(workspace.run(run))).status == "running"


def test_a_second_start_waits_and_is_moved_and_cancelled(workspace: Workspace, client: TestClient) -> None:
    tones(workspace.root, 8)
    started = [client.post("/studio/train/start", json=values(rank=rank)).json() for rank in (8, 4, 2)]
    assert started == [{"run": f"tones-000{place + 1}", "position": place, "notes": []} for place in range(3)]
    form = client.get("/studio/train/form/tones").json()
    assert form["running"] == "tones-0001"
    assert [run["name"] for run in form["runs"]] == ["tones-0001"]
    third = {"name": "tones-0003", "model": "starter", "dataset": "tones", "settings": "--rank 2"}
    assert form["waiting"] == [third | {"name": "tones-0002", "settings": "--rank 4"}, third]
    moved = client.post("/studio/train/queue/tones-0003/move", json={"to": 1}).json()
    assert [run["name"] for run in moved] == ["tones-0003", "tones-0002"]
    assert client.post("/studio/train/queue/tones-0002/cancel").json() == [third]
    assert client.post("/studio/train/queue/tones-0003/move", json={"to": 0}).status_code == 422
    for what in ("cancel", "move"):
        refused = client.post(f"/studio/train/queue/tones-0002/{what}", json={"to": 1})
        assert refused.status_code == 409
        assert "is not waiting" in refused.json()["what"]


def test_every_page_can_ask_in_a_few_bytes_what_goes_on(workspace: Workspace, client: TestClient) -> None:
    tones(workspace.root, 8)
    assert client.get("/studio/runs/going").json() == {"run": None, "waiting": 0}
    for rank in (8, 4):
        client.post("/studio/train/start", json=values(rank=rank))
    assert client.get("/studio/runs/going").json() == {"run": "tones-0001", "waiting": 1}


def test_the_time_that_a_run_takes_is_told_before_it_starts(workspace: Workspace, client: TestClient) -> None:
    tones(workspace.root, 8)
    told = client.post("/studio/train/command", json=values(model="starter")).json()["time"]
    assert told.startswith("Time: roughly ")
    assert client.post("/studio/train/command", json=values(device="cuda")).json()["time"] == ""  # not known there


def test_a_look_at_the_tab_goes_on_with_what_waits_after_a_restart(
    workspace: Workspace, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with processes.claim(workspace.outputs), monkeypatch.context() as machine_goes_down:
        machine_goes_down.setattr(queue, "look_after", lambda workspace: None)
        queue.submit(workspace, TrainConfig(dataset="tones"))
    assert control.active(workspace) is None
    assert len(client.get("/studio/train/form/tones").json()["waiting"]) == 1
    assert client.post("/studio/train/queue").status_code == 200
    deadline = time.monotonic() + 20
    while not control.active(workspace):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_memory_that_a_run_takes_follows_the_settings_and_says_where_it_is_too_much(
    workspace: Workspace, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tones(workspace.root, 8)

    def memory(free: int, **changes: Any) -> Any:
        monkeypatch.setattr(train_form, "free_memory", lambda workspace: free)
        return client.post("/studio/train/command", json=values(**changes)).json()["memory"]

    small, large = memory(10**12), memory(10**12, batch_size=512)
    assert small["is_enough"]
    assert large["is_enough"]
    amounts = [float(told["text"].split("about ")[1].split(" GB")[0]) for told in (small, large)]
    assert amounts[1] > 2 * amounts[0]
    little = memory(10**8)
    assert not little["is_enough"]
    assert "only 0.1 GB are free. Halve the batch size" in little["text"]
    assert memory(10**8, device="cuda")["is_enough"]  # that memory is not this
    assert memory(10**12, model="echo") is None


def test_what_a_run_that_goes_on_will_give_back_counts_as_free(
    workspace: Workspace, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tones(workspace.root, 8)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    assert train_form.free_memory(workspace) == 1000
    run = client.post("/studio/train/start", json=values()).json()["run"]
    deadline = time.monotonic() + 20
    while not control.state(RunFolder(workspace.run(run))).pid:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert train_form.free_memory(workspace) > 2_000_000  # a Python at the least


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"rank": 0}, "ConfigError"),
        ({"rank": "many"}, "ConfigError"),
        ({"device": "cuda; rm"}, "ConfigError"),
        ({"unheard_of": 1}, "ConfigError"),
        ({"dataset": "../../etc"}, "ConfigError"),
        ({"dataset": "/etc"}, "ConfigError"),
        ({"dataset": "nothing here"}, "DataError"),
        ({"replay": "../../etc"}, "ConfigError"),
        ({"replay": "nothing here"}, "DataError"),
        ({"model": "/etc"}, "ModelError"),
        ({"model": "someone/else"}, "ModelError"),
    ],
)
def test_settings_from_a_client_are_checked(
    workspace: Workspace, client: TestClient, changes: dict[str, Any], code: str
) -> None:
    tones(workspace.root, 8)
    for what in ("command", "start"):
        answer = client.post(f"/studio/train/{what}", json=values(**changes))
        assert answer.status_code == 400
        assert answer.json()["code"] == code
        assert answer.json()["remedy"]
    assert control.active(workspace) is None


@pytest.mark.parametrize("what", ["stop", "resume", "delete"])
def test_only_runs_that_exist_can_be_told_anything(client: TestClient, what: str) -> None:
    for name in ("nobody", "..%2f..%2fetc", ".trash"):
        assert client.post(f"/studio/train/runs/{name}/{what}", json={"how": "save"}).status_code in (400, 404, 409)
    assert client.post("/studio/train/restore", json={"token": "../.."}).status_code == 400


def test_a_run_is_stopped_deleted_and_had_back(workspace: Workspace, client: TestClient) -> None:
    tones(workspace.root, 8)
    run = client.post("/studio/train/start", json=values()).json()["run"]
    assert client.post(f"/studio/train/runs/{run}/delete").status_code == 409
    assert client.post(f"/studio/train/runs/{run}/stop", json={"how": "now"}).status_code == 422
    assert client.post(f"/studio/train/runs/{run}/stop", json={"how": "discard"}).status_code == 200
    over(RunFolder(workspace.run(run)))
    token = client.post(f"/studio/train/runs/{run}/delete").json()["token"]
    assert client.get("/studio/train/runs").json() == []
    assert client.post("/studio/train/restore", json={"token": token}).json() == {"run": run}
    assert [found["name"] for found in client.get("/studio/train/runs").json()] == [run]


def test_a_download_is_a_job_of_its_own_and_says_how_far_it_is(
    workspace: Workspace, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/studio/train/download").json() is None
    assert client.post("/studio/train/download", json={"model": "../../etc"}).json()["code"] == "ModelError"
    real = control._launch

    def launch(folder: RunFolder, job: Job, lock: int) -> None:
        assert job.command[1:] == ["-m", "studio", "fetch", "UsefulSensors/moonshine-tiny"]
        code = "print(' 45 %  50 of 112 MB'); raise SystemExit('The Hub cannot be reached. Check the network.')"
        real(folder, job.model_copy(update={"command": [sys.executable, "-c", code]}), lock)

    monkeypatch.setattr(control, "_launch", launch)
    client.post("/studio/train/download", json={"model": "UsefulSensors/moonshine-tiny"})
    over(RunFolder(workspace.outputs / ".fetch" / "UsefulSensors--moonshine-tiny"))
    assert client.get("/studio/train/download").json() == {
        "model": "UsefulSensors/moonshine-tiny",
        "status": "failed",
        "line": "The Hub cannot be reached. Check the network.",
    }
    assert client.get("/studio/train/runs").json() == []


def test_a_cluster_is_named_in_the_command_and_never_among_the_settings(
    workspace: Workspace, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tones(workspace.root, 8)
    monkeypatch.setattr(address, "is_ray_here", lambda: True)
    away = values(on="http://head:8265")
    assert client.post("/studio/train/command", json=away).json()["command"].endswith(" --on http://head:8265")
    here = client.post("/studio/train/command", json=values(on=None)).json()["command"]
    assert here == workspace.command("train", "tones", "--model", "starter", "--targets", "full")
    run = client.post("/studio/train/start", json=away).json()["run"]
    assert control.state(RunFolder(workspace.run(run))).status == "running"
    assert client.post("/studio/train/start", json=away).json()["position"] == 1  # its turn comes, and it goes there
    assert client.get("/studio/train/form/tones").json()["waiting"][0]["settings"].endswith("--on http://head:8265")


@pytest.mark.parametrize("on", ["", "head", "http://me:secret@head:8265", 7])
def test_an_address_that_is_none_is_refused_beside_its_field(workspace: Workspace, client: TestClient, on: Any) -> None:
    tones(workspace.root, 8)
    for verb in ("command", "start"):
        refused = client.post(f"/studio/train/{verb}", json=values(on=on))
        assert refused.status_code == 400
        assert refused.json()["what"].startswith("on: ")


def test_a_cluster_needs_ray_here_and_that_is_said_before_anything_starts(
    workspace: Workspace, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tones(workspace.root, 8)
    monkeypatch.setattr(address, "is_ray_here", lambda: False)
    assert client.get("/studio/train/form/tones").json()["can_go_away"] is False
    refused = client.post("/studio/train/start", json=values(on="http://head:8265")).json()
    assert "pip install 'speech-studio[cluster]'" in refused["remedy"]
    assert not workspace.runs()

"""Which base models the page offers, and what a client may name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from finished import finished
from tiny_models import moonshine
from tones import tones

from studio.config import TrainConfig
from studio.ui import base_models, labels, listen, longfile, sidebar, train
from studio.web import faults
from studio.workspace import Workspace

UNKNOWN = "someone/a-model"  # on the Hub, perhaps


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return moonshine(tmp_path_factory.mktemp("models") / "mine")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    tones(tmp_path, 8)
    return Workspace(tmp_path)


@pytest.fixture
def client(workspace: Workspace) -> TestClient:
    app = FastAPI(exception_handlers=faults.handlers())
    for room in (train, labels, listen, longfile):
        app.include_router(room.router(workspace))
    return TestClient(app)


def add(client: TestClient, source: Path | str) -> Any:
    return client.post("/studio/models/add", json={"source": str(source)}).json()


def listed(client: TestClient) -> dict[str, dict[str, Any]]:
    return {model["id"]: model for model in client.get("/studio/train/form/tones").json()["models"]}


def command(client: TestClient, model: Path | str) -> Any:
    values = {**TrainConfig(dataset="tones").model_dump(), "model": str(model)}
    return client.post("/studio/train/command", json=values).json()


def test_a_folder_is_offered_everywhere_once_it_was_added_and_not_before(
    client: TestClient, workspace: Workspace, model: Path
) -> None:
    assert "does not offer the model" in command(client, model)["what"]
    assert add(client, f" {model} ") == {"id": str(model)}
    mine = listed(client)[str(model)]
    assert (mine["title"], mine["state"], mine["is_own"]) == ("mine", "on disk", True)
    assert mine["parameters"] > 0
    assert f"--model {model}" in command(client, model)["command"]
    assert ("mine · on disk", str(model)) in sidebar.models(workspace)
    add(client, model)  # once more changes nothing
    assert base_models.added(workspace) == [str(model)]
    client.post("/studio/models/forget", json={"source": str(model)})
    assert str(model) not in listed(client)
    assert model.is_dir()


def test_the_sidebar_gives_a_large_download_in_gigabytes_as_the_train_tab_does(tmp_path: Path) -> None:
    costs = [title.rsplit("download ", 1)[1] for title, _ in sidebar.models(Workspace(tmp_path)) if "download" in title]
    assert costs
    assert all(re.fullmatch(r"\d{1,3} MB|\d\.\d GB", cost) for cost in costs), costs


def test_a_merged_run_is_a_base_for_the_next_under_its_runs_name(client: TestClient, workspace: Workspace) -> None:
    folder = finished(workspace.root, "tones-0001", ["one"] * 6, ["1"] * 6, ["one"] * 6)
    assert str(folder.merged) not in listed(client)
    moonshine(folder.merged)
    mine = listed(client)[str(folder.merged)]
    assert (mine["title"], mine["state"], mine["is_own"]) == ("tones-0001, merged", "on disk", False)
    assert f"--model {folder.merged}" in command(client, folder.merged)["command"]


def test_a_run_exported_to_plain_transformers_is_a_base_for_the_next_too(
    client: TestClient, workspace: Workspace
) -> None:
    exported = finished(workspace.root, "tones-0001", ["one"] * 6, ["1"] * 6, ["one"] * 6).exports / "merged-fp32"
    moonshine(exported)
    assert listed(client)[str(exported)]["title"] == "tones-0001, merged"
    assert f"--model {exported}" in command(client, exported)["command"]


def test_a_hub_id_is_offered_without_asking_the_hub_and_costs_a_download(client: TestClient) -> None:
    assert add(client, UNKNOWN) == {"id": UNKNOWN}
    card = listed(client)[UNKNOWN]
    assert (card["state"], card["download_bytes"]) == ("download", 0)
    assert f"--model {UNKNOWN}" in command(client, UNKNOWN)["command"]


@pytest.mark.parametrize("published", ["UsefulSensors/moonshine-tiny", "starter"])
def test_what_is_in_the_list_already_is_not_added_again(
    client: TestClient, workspace: Workspace, published: str
) -> None:
    assert add(client, published) == {"id": published}
    assert base_models.added(workspace) == []


def test_a_folder_that_cannot_be_used_is_refused_with_the_reason(
    client: TestClient, model: Path, tmp_path: Path
) -> None:
    def refused(name: str, **files: str) -> str:
        folder = tmp_path / name
        folder.mkdir()
        for file, text in files.items():
            (folder / f"{file}.json").write_text(text)
        answer = add(client, folder)
        assert answer["remedy"]
        return str(answer["what"])

    assert "its config.json is missing" in refused("empty")
    assert "it holds an adapter" in refused("adapter", adapter_config="{}")
    assert "no model family “wav2vec2”" in refused("other", config=json.dumps({"model_type": "wav2vec2"}))
    assert "model.safetensors is missing" in refused("torn", config=(model / "config.json").read_text())
    assert "nested too deeply" in refused("deep", config='{"a":' * 5000 + "1" + "}" * 5000)
    assert "no model “/not/here” on this disk" in add(client, "/not/here")["what"]
    for source in ("", "../x", "-h/x", "a\0b", "x" * 2000):
        assert add(client, source)["code"] == "ModelError"


def test_the_base_of_a_run_that_was_made_elsewhere_is_offered_too(
    client: TestClient, workspace: Workspace, model: Path
) -> None:
    finished(workspace.root, "by-hand", ["a"], ["b"], ["a"], model=str(model))
    card = listed(client)[str(model)]
    assert (card["state"], card["is_own"]) == ("on disk", False)


def test_a_folder_that_is_gone_is_no_longer_offered(client: TestClient, model: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moonshine(tmp_path / "here").rename(moved)
    add(client, moved)
    moved.rename(tmp_path / "gone")
    assert str(moved) not in listed(client)
    assert "does not offer" in command(client, moved)["what"]


@pytest.mark.parametrize("path", ["/etc", "mine", "../mine"])
def test_no_route_opens_a_folder_that_a_client_names(client: TestClient, model: Path, path: str) -> None:
    """`mine` is not one of the workspace's models: only `add` may look there."""
    named = str(model) if path == "mine" else path
    selection = {"ids": [], "query": ""}
    answers = [
        client.post("/studio/listen/prepare", data={"model": named}),
        client.post("/studio/listen/hear", data={"model": named}, files={"sound": b"RIFF"}),
        client.post("/studio/longfile", data={"model": named}, files={"sound": ("a.wav", b"RIFF")}),
        client.post("/studio/labels/tones/style", json={"selection": selection, "model": named}),
        client.post("/studio/labels/tones/prelabel", json={"selection": selection, "model": named}),
        client.post("/studio/train/download", json={"model": named}),
    ]
    for answer in answers:
        assert "does not offer the model" in answer.json()["what"], answer.request.url

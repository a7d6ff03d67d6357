"""What was named by a relative path is found from other folders, and after the workspace was moved."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_merged import adapter

from studio.config import TrainConfig
from studio.data.manifest import Dataset
from studio.errors import ModelError
from studio.export.merged import merge, merge_run
from studio.export.snippets import adapter_snippet
from studio.models import load, locate
from studio.models.adapters import base_note, base_of
from studio.runs import control
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.workspace import ENVIRONMENT_VARIABLE, Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace whose models/mine is a model folder of its own; the working directory is in it."""
    root = tmp_path / "workspace"
    merge(adapter(tmp_path / "seed", "echo"), root / "models" / "mine")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(root))
    monkeypatch.chdir(root)
    return Workspace.here()


def test_a_relative_model_folder_is_stored_by_its_whole_path(workspace: Workspace) -> None:
    config = TrainConfig(dataset="me", model="models/mine")
    whole = str(workspace.root / "models" / "mine")
    assert config.model == whole
    assert whole in config.command()
    assert RunRecord.of(config, "first", device="cpu", threads=1, precision="fp32").model == whole


@pytest.mark.parametrize("name", ["starter", "echo"])
def test_a_folder_that_is_called_like_a_bundled_model_does_not_take_its_place(name: str, workspace: Workspace) -> None:
    (workspace.root / name).mkdir()
    assert TrainConfig(dataset="me", model=name).model == name


def test_a_hub_id_stays_as_it_is(workspace: Workspace) -> None:
    assert TrainConfig(dataset="me", model="openai/whisper-base").model == "openai/whisper-base"


def test_a_dataset_outside_recordings_is_stored_by_its_whole_path(workspace: Workspace, tmp_path: Path) -> None:
    Dataset.create(tmp_path / "elsewhere" / "voice")
    config = TrainConfig(dataset="../elsewhere/voice", replay="../elsewhere/voice")
    assert config.dataset == config.replay == str(tmp_path / "elsewhere" / "voice")
    Dataset.create(workspace.recordings / "me")
    Dataset.create(workspace.root / "me")
    Dataset.create(workspace.root / "spare")
    written = control.training_folder(workspace, TrainConfig(dataset="me", replay="spare")).settings()
    assert written is not None
    assert written.dataset == "me", "the one in recordings/ comes first, as it does when it is opened"
    assert written.replay == str(workspace.root / "spare")


def test_a_run_trained_on_a_relative_model_is_merged_and_scored_from_another_folder(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(workspace.outputs / "first")
    adapter(run.adapter, "models/mine")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert base_note(run.adapter)["source"] == str(workspace.root / "models" / "mine")
    assert merge_run(workspace, "first").folder == run.merged
    assert load(base_note(run.adapter)["source"], "cpu", adapter=run.adapter).family.name == "echo"


def test_a_moved_workspace_brings_its_models_with_it(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = TrainConfig(dataset="me", model="models/mine").model
    adapter(RunFolder(workspace.outputs / "first").adapter, stored)
    monkeypatch.chdir(tmp_path)
    shutil.move(workspace.root, tmp_path / "moved")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "moved"))
    run = RunFolder(Workspace.here().outputs / "first")
    run.keep_settings(TrainConfig(dataset="me").model_copy(update={"model": stored}))
    assert base_note(run.adapter)["source"] == base_of(run.adapter) == str(tmp_path / "moved" / "models" / "mine")
    assert merge_run(Workspace.here(), "first").folder == tmp_path / "moved" / "outputs" / "first" / "merged"
    assert str(tmp_path / "moved" / "models" / "mine") in adapter_snippet(run.adapter)


def test_a_relative_model_of_an_earlier_version_is_looked_for_in_the_workspace(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = RunFolder(workspace.outputs / "first")
    run.path.mkdir(parents=True)
    run.config.write_text('{"dataset": "me", "model": "models/mine"}')
    found = run.settings()
    assert found is not None
    assert found.model == str(workspace.root / "models" / "mine")


@pytest.mark.parametrize("name", ["../absent", "/nowhere/at/all", "m" * 5000, "~nobody-here/model", "a\0b"])
def test_a_path_that_leads_nowhere_is_a_sentence(name: str, workspace: Workspace) -> None:
    with pytest.raises(ModelError, match="no model"):
        locate(name)


def test_the_verb_stores_the_whole_path_too(workspace: Workspace) -> None:
    code = "from studio.config import preset; print(preset('quick', dataset='me', model='models/mine').model)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == str(workspace.root / "models" / "mine")

"""The task for SkyPilot: its fields are SkyPilot's, and what it runs trains."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tones import config, tones
from typer.testing import CliRunner

from studio.cli import app
from studio.cluster import sky
from studio.config import TrainConfig
from studio.workspace import Workspace

FIELDS = {"name", "workdir", "resources", "setup", "run"}  # docs.skypilot.co, “SkyPilot YAML”
RESOURCES = {"accelerators", "autostop"}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("STUDIO_WORKSPACE", str(tmp_path))
    tones(tmp_path)
    return Workspace(tmp_path)


def task(workspace: Workspace, settings: TrainConfig, name: str = "Tones_1") -> Any:
    return yaml.safe_load(sky.write_task(workspace, settings, name).read_text())


def test_the_task_holds_only_fields_that_skypilot_knows(workspace: Workspace) -> None:
    found = task(workspace, config())
    assert set(found) == FIELDS
    assert set(found["resources"]) == RESOURCES
    assert set(found["resources"]["accelerators"]) == set(sky.ACCELERATORS)
    assert found["resources"]["autostop"] == {"idle_minutes": 60, "down": True}  # a forgotten machine costs money
    assert found["name"] == "tones-1"
    assert "accelerators" not in task(workspace, config(device="cpu"), "cheap")["resources"]


@pytest.mark.thorough
def test_what_the_task_runs_trains_with_nothing_but_what_it_sends(workspace: Workspace) -> None:
    found = task(workspace, config())
    workdir = Path(found["workdir"])
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "STUDIO"))}
    bare["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{bare['PATH']}"
    done = subprocess.run(["bash", "-c", found["run"]], cwd=workdir, env=bare, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (workdir / "outputs" / "Tones_1" / "DONE").exists()


def test_a_bare_machine_gets_the_requirements_and_the_model_but_no_page(workspace: Workspace) -> None:
    lines = task(workspace, config(model="UsefulSensors/moonshine-tiny"))["setup"].splitlines()
    assert all(re.search(rf"{name}[<>]", lines[0]) for name in ("torch", "transformers", "peft", "soundfile"))
    assert "gradio" not in lines[0]
    assert lines[1] == "python -m studio fetch UsefulSensors/moonshine-tiny"


def test_the_verb_prints_the_task_and_starts_nothing(workspace: Workspace) -> None:
    done = CliRunner().invoke(app, ["train", "tones", "--model", "echo", "--on", "sky", "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "sky launch -c tones-sky" in done.output
    assert yaml.safe_load(done.output)["name"] == "tones-sky"
    assert not workspace.runs()


@pytest.mark.parametrize("words", [["--on", "sky"], ["--dry-run"], ["--dry-run", "--on", "http://head:8265"]])
def test_a_task_is_written_only_where_it_was_asked_for(workspace: Workspace, words: list[str]) -> None:
    refused = CliRunner().invoke(app, ["train", "tones", *words])
    assert "--dry-run" in str(refused.exception)
    assert not (workspace.outputs / ".sky").exists()

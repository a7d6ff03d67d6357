"""What is shown at Start is what runs: the settings travel as one file."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Any

import pytest
import typer.main
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import whisper
from tones import config, tones

from studio.cli import app
from studio.cli.runs import asked_for
from studio.cluster import package, sky
from studio.config import ADAPTERS, TrainConfig, knobs
from studio.runs import control, foreground, listing, queue
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.ui import train_form
from studio.workspace import Workspace

TRAIN = typer.main.get_command(app).commands["train"]  # type: ignore[attr-defined]
NAMES = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=12)
CHOICES = {
    "model": st.sampled_from(["starter", "echo", "openai/whisper-tiny"]) | NAMES,
    "rank": st.integers(1, 256),
    "alpha": st.floats(0.125, 512),
    "dropout": st.floats(0, 0.9),
    "targets": st.sampled_from([*ADAPTERS, r".*q_proj", r"-+layers\.0.*"]),
    "dora": st.booleans(),
    "rslora": st.booleans(),
    "learning_rate": st.sampled_from([5e-4, 2e-3, 1e-3]) | st.floats(1e-9, 1),
    "warmup_steps": st.integers(0, 100),
    "max_steps": st.integers(1, 1_000_000),
    "batch_size": st.integers(1, 512),
    "accumulation": st.integers(1, 512),
    "weight_decay": st.floats(0, 1),
    "augment": st.integers(0, 20),
    "replay": st.sampled_from(["bundled", "none"]) | NAMES,
    "replay_share": st.floats(0, 0.9),
    "choose_strength": st.booleans(),
    "max_grad_norm": st.floats(1e-3, 1e9),
    "eval_every": st.integers(1, 1000),
    "patience": st.integers(1, 1000),
    "normaliser": st.sampled_from(["exact", "plain", "spoken", "whisper"]),
    "short_seconds": st.floats(0, 60),
    "seed": st.integers(0, 2**32 - 1),
    "device": st.sampled_from(["auto", "cpu", "mps", "cuda", "cuda:3"]),
    "precision": st.sampled_from(["auto", "fp32", "mixed", "bf16", "fp16"]),
    "threads": st.integers(0, 1024),
    "gradient_checkpointing": st.booleans(),
    "padding_weight": st.floats(0.001, 1),
    "train_embeddings": st.booleans(),
    "short_frames": st.booleans(),
}
CONFIGS = st.builds(
    lambda dataset, values: TrainConfig.checked(dataset=dataset, **values),
    NAMES,
    st.fixed_dictionaries({}, optional=CHOICES),
)
VOICE = {"targets": "voice", "learning_rate": 5e-4}  # what goes with “voice” by itself is 2e-3


def test_every_setting_is_tried_below() -> None:
    assert CHOICES.keys() == dict(knobs()).keys()


@settings(max_examples=300)
@given(CONFIGS)
def test_the_command_that_is_shown_comes_to_the_same_settings(wanted: TrainConfig) -> None:
    words = shlex.split(shlex.join(wanted.command("first")))
    context = TRAIN.make_context("train", words[2:])
    assert asked_for(context.params) == wanted
    assert context.params["name"] == "first"


@given(CONFIGS)
@settings(max_examples=50)
def test_settings_come_back_from_the_folder_of_a_run_whole(tmp_path_factory: Any, wanted: TrainConfig) -> None:
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    folder.keep_settings(wanted)
    assert folder.settings() == wanted


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("STUDIO_WORKSPACE", str(tmp_path))
    tones(tmp_path)
    return Workspace(tmp_path)


def until_done(folder: RunFolder) -> RunRecord:
    deadline = time.monotonic() + 240
    while not folder.done.is_file():
        assert not (folder.job.is_file() and control.state(folder).status == "failed"), folder.log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return RunRecord.read(folder)


def shown(workspace: Workspace, **values: Any) -> TrainConfig:
    """The settings that the page sends: every field of its form."""
    return train_form.plan(workspace, config(**values).model_dump())


@pytest.mark.thorough
def test_the_learning_rate_on_the_page_is_the_one_that_trains_at_once_and_from_the_queue(workspace: Workspace) -> None:
    wanted = shown(workspace, **VOICE, max_steps=2)
    first, second = queue.submit(workspace, wanted), queue.submit(workspace, wanted)
    assert (first.position, second.position) == (0, 1)
    assert second.folder.settings() == wanted  # it waits with the settings in its folder
    assert [run.name for run in listing.runs(workspace)] == [first.folder.name]  # and is listed as waiting alone
    assert "--learning-rate 0.0005" in queue.waiting(workspace)[0].settings
    for place in (first, second):
        assert until_done(place.folder).config == wanted


def test_defaults_that_change_with_an_upgrade_do_not_change_a_run_that_waits(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = shown(workspace, max_steps=3)
    folder = RunFolder(workspace.run("waits"))
    folder.keep_settings(wanted)
    monkeypatch.setattr("studio.config.ADAPTERS", {"deep": {"learning_rate": 0.5}})
    monkeypatch.setattr("studio.config.PRESETS", {"balanced": {"max_steps": 1000}})
    words = control.training(wanted, "waits").command[3:]
    assert asked_for(TRAIN.make_context("train", words[1:]).params) == wanted


def test_a_run_that_waits_can_be_cancelled_and_leaves_no_folder(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "look_after", lambda _: None)
    monkeypatch.setattr("studio.runs.control._launch", lambda *_: None)
    with foreground.in_foreground(made(workspace, "going"), ["true"], {}):
        place = queue.submit(workspace, shown(workspace))
    queue.cancel(workspace, place.folder.name)
    assert not place.folder.path.exists()


def made(workspace: Workspace, name: str) -> RunFolder:
    folder = RunFolder(workspace.run(name))
    folder.path.mkdir(parents=True)
    return folder


def test_a_cluster_and_skypilot_get_the_settings_as_a_file(workspace: Workspace, tmp_path: Path) -> None:
    wanted = shown(workspace, **VOICE)
    folder = made(workspace, "away")
    folder.keep_settings(wanted)
    package.pack(wanted, folder, workspace, tmp_path / "run.zip")
    import zipfile

    sent = json.loads(zipfile.ZipFile(tmp_path / "run.zip").read("job.json"))
    assert TrainConfig(**sent["config"]) == wanted
    assert not any(name.startswith("run/") for name in zipfile.ZipFile(tmp_path / "run.zip").namelist())
    task = sky.write_task(workspace, wanted, "rented")
    there = RunFolder(task.parent / "workdir" / "outputs" / "rented")
    assert there.settings() == wanted


@pytest.mark.parametrize(("device", "targets"), [("cpu", "voice"), ("cuda", "full")])
def test_a_whisper_without_a_gpu_starts_with_voice_since_its_encoder_is_slow(
    tmp_path: Path, device: str, targets: str
) -> None:
    folder = str(whisper(tmp_path / "whisper"))
    context = TRAIN.make_context("train", ["mine", "--model", folder, "--device", device])
    plan = asked_for(context.params)
    assert (plan.targets, plan.rank) == (targets, ADAPTERS[targets].get("rank", 32))
    context = TRAIN.make_context("train", ["mine", "--model", folder, "--device", device, "--targets", "deep"])
    assert asked_for(context.params).targets == "deep"

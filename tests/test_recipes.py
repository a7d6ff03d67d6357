"""A recipe is a whole experiment: its settings as they were reported, and the same figures however often it runs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import soundfile
import tiny_models
from tones import adapter, folder_of, train
from typer.testing import CliRunner

from studio.cli import app
from studio.config import RECIPES, TrainConfig, from_file
from studio.data.manifest import Dataset
from studio.data.utterance import Split
from studio.errors import ConfigError
from studio.evaluation.evaluate import Evaluation, read_manifest
from studio.runs.events import Finished, StepDone, Stopped, Warned

CLIPS: tuple[tuple[Split, float], ...] = (
    *(("train", seconds) for seconds in (1.0, 2.5, 1.7, 3.1, 0.9)),
    *(("validation", seconds) for seconds in (1.2, 2.0)),
    *(("test", seconds) for seconds in (1.4, 12.0, 2.2)),
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Moonshine in `tiny`, and ten clips of noise, one of the held-out ones longer than ten seconds."""
    root = tmp_path_factory.mktemp("workspace")
    tiny_models.moonshine(root / "tiny")
    dataset = Dataset.create(root / "recordings" / "noise")
    for place, (split, seconds) in enumerate(CLIPS):
        sound = io.BytesIO()
        soundfile.write(sound, tiny_models.noise(seconds, place), 16_000, format="WAV", subtype="PCM_16")
        text = f"{tiny_models.TEXTS[place % 4]} {place}"
        dataset.add(sound.getvalue(), text=text, prompt=text, split=split)
    return root


def original(workspace: Path, **changes: Any) -> TrainConfig:
    few = {"dataset": "noise", "model": str(workspace / "tiny"), "max_steps": 6, "eval_every": 3, "threads": 1}
    return from_file("original", **{**few, **changes})


def figures(path: Path) -> dict[str, Any]:
    """An evaluation without its times, and without the name of its run."""
    found = json.loads(path.read_text())
    del found["adapter"]
    for row in found["rows"]:
        del row["latency"]
    return dict(found)


def test_the_original_experiment_has_the_settings_that_were_reported() -> None:
    recipe = from_file("original", dataset="mine")
    reported = {
        "model": "UsefulSensors/moonshine-tiny",
        "rank": 8,
        "alpha": 16,
        "dropout": 0.05,
        "learning_rate": 1e-5,
        "max_steps": 1600,
        "accumulation": 4,
        "batch_size": 1,
        "seed": 42,
        "replay": "none",
        "short_seconds": 10,
        "precision": "fp32",
    }
    assert {name: getattr(recipe, name) for name in reported} == reported
    assert recipe.patience * recipe.eval_every >= recipe.max_steps  # it does not stop early


def test_its_targets_are_every_q_k_v_and_o_of_the_network_and_nothing_else(workspace: Path) -> None:
    from studio.models import load
    from studio.train.adapted import with_adapter

    base = load(str(workspace / "tiny"), "cpu")
    wanted = {name for name, _ in base.model.named_modules() if name.endswith(("q_proj", "k_proj", "v_proj", "o_proj"))}
    adapted = with_adapter(base, original(workspace)).model.get_base_model()
    assert {name for name, module in adapted.named_modules() if hasattr(module, "lora_A")} == wanted


@pytest.mark.thorough
def test_the_original_experiment_run_twice_gives_the_same_figures_in_all_its_files(workspace: Path) -> None:
    for run in ("first", "second"):
        story = train(workspace, run, original(workspace))
        assert isinstance(story[-1], Finished)
        assert [event.step for event in story if isinstance(event, StepDone)] == [1, 2, 3, 4, 5, 6]
        assert not any(isinstance(event, Stopped) for event in story)
    first, second = folder_of(workspace, "first"), folder_of(workspace, "second")
    assert adapter(workspace, "first") == adapter(workspace, "second")
    for name in ("heldout_baseline.json", "heldout_tuned.json", "short_baseline.json", "short_tuned.json"):
        assert figures(first.path / name) == figures(second.path / name), name
    for name in ("heldout.jsonl", "short.jsonl"):
        assert (first.path / name).read_text() == (second.path / name).read_text()


@pytest.mark.thorough
def test_the_short_clips_are_those_of_ten_seconds_at_most_and_are_scored_as_within_the_whole(workspace: Path) -> None:
    train(workspace, "scored", original(workspace))
    folder = folder_of(workspace, "scored")
    assert [clip.duration for clip in read_manifest(folder.heldout_manifest)] == [1.4, 12.0, 2.2]
    short = read_manifest(folder.short_manifest)
    assert [clip.duration for clip in short] == [1.4, 2.2]
    for whole, part in ((folder.baseline, folder.short_baseline), (folder.tuned, folder.short_tuned)):
        all_clips, few = Evaluation.read(whole), Evaluation.read(part)
        assert all_clips is not None
        assert few is not None
        assert few.rows == [row for row in all_clips.rows if row.id in {clip.id for clip in short}]
        assert few.score.clips == 2
        assert few.adapter == all_clips.adapter
    report = folder.report.read_text()
    assert "2 clips of at most 10 s" in report
    assert "`short_baseline.json`" in report


@pytest.mark.thorough
def test_where_no_held_out_clip_is_short_it_is_said(workspace: Path) -> None:
    story = train(workspace, "long", original(workspace, short_seconds=0.5, max_steps=1))
    assert any(
        isinstance(event, Warned) and "None of the held-out clips lasts 0.5 s" in event.message for event in story
    )
    assert not folder_of(workspace, "long").short_tuned.exists()


def test_every_recipe_is_valid_and_gives_way_to_what_a_person_sets() -> None:
    for name in RECIPES:
        assert from_file(name, dataset="mine", max_steps=7).max_steps == 7


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "neither a file nor a recipe.*recipe: numbers-kyutai, original"),
        ("{", "cannot be read"),
        ("[1]", "holds no settings"),
        ('{"rank": 0}', "rank: .*LoRA rank"),
        ('{"steps": 3}', "steps: .*Known settings"),
    ],
)
def test_a_file_of_settings_that_will_not_do_says_why(content: str | None, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=sentence):
        from_file(str(path), dataset="mine")


def test_the_verb_takes_a_recipe_or_a_file_and_flags_stand_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[TrainConfig] = []
    monkeypatch.setattr("studio.cli.rendering.follow.train_here", lambda _, plan, name: plans.append(plan))
    (tmp_path / "mine.json").write_text('{"rank": 4, "max_steps": 9}')
    for arguments in (["original", "--max-steps", "5"], [str(tmp_path / "mine.json"), "--rank", "2"]):
        ran = CliRunner().invoke(app, ["train", "mine", "--foreground", "--name", "x", "--config", *arguments])
        assert ran.exit_code == 0, ran.output
    assert [(plan.rank, plan.max_steps, plan.batch_size) for plan in plans] == [(8, 5, 1), (2, 9, 8)]

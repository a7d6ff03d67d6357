"""The demo's claims, on the starter, for one seed; three seeds are in the benchmarks' README."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.cli import demo
from studio.runs.folder import RunFolder
from studio.workspace import ENVIRONMENT_VARIABLE, Workspace

pytestmark = pytest.mark.slow


def told(story: demo.Scenario, root: Path) -> demo.Result:
    workspace = Workspace(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENVIRONMENT_VARIABLE, str(workspace.root))
        (result,) = demo.run(workspace, [0], print, (story,))
    return result


@pytest.fixture(scope="module")
def conventions(tmp_path_factory: pytest.TempPathFactory) -> demo.Result:
    return told(demo.STORIES[0], tmp_path_factory.mktemp("conventions"))


def costs_others_two_points_at_most(result: demo.Result) -> bool:
    before, after = result.general_wer
    return after <= before + 0.02


@pytest.mark.thorough
def test_forty_clips_teach_the_starter_to_write_digit_names_and_cost_no_digits(conventions: demo.Result) -> None:
    before, after = conventions.wer
    assert before > 0.6
    assert after <= 0.15
    assert conventions.digit_error[1] <= conventions.digit_error[0]
    assert costs_others_two_points_at_most(conventions)


@pytest.mark.thorough
def test_forty_clips_halve_the_digit_errors_of_a_voice_heard_badly(tmp_path: Path) -> None:
    voice = told(demo.STORIES[1], tmp_path)
    before, after = voice.digit_error
    assert before > 0.04
    assert after <= before / 2
    assert costs_others_two_points_at_most(voice)


@pytest.mark.thorough
def test_every_run_leaves_a_whole_folder_and_a_table_names_its_report(conventions: demo.Result) -> None:
    folder = RunFolder(Path(conventions.report).parent)
    assert folder.done.exists()
    assert f"outputs/{folder.name}/report.md" in demo.table([conventions])


def test_without_a_synthesiser_the_bundled_clips_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo.synthesis, "available", lambda engine: False)
    said: list[str] = []
    dataset = demo.record(Workspace(tmp_path), demo.STORIES[0], 0, said.append)
    assert dataset.counts() == {"train": 34, "validation": 6, "test": 20, "unused": 0}
    assert any("not installed" in text for text in said)
    assert not any(character.isdigit() for clip in dataset.utterances() for character in clip.text)

"""The demo's claims, on the starter, for one seed; three seeds are in the README's decisions."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio import demo
from studio.run_folder import RunFolder
from studio.workspace import ENVIRONMENT_VARIABLE, Workspace

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, demo.Result]:
    workspace = Workspace(tmp_path_factory.mktemp("demo"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENVIRONMENT_VARIABLE, str(workspace.root))
        return {result.story: result for result in demo.run(workspace, [0], print)}


def test_forty_clips_teach_the_starter_to_write_digit_names(results: dict[str, demo.Result]) -> None:
    before, after = results["conventions"].wer
    assert before > 0.6
    assert after <= 0.15


def test_a_change_of_convention_costs_no_digits(results: dict[str, demo.Result]) -> None:
    before, after = results["conventions"].digit_error
    assert after <= before


def test_forty_clips_halve_the_digit_errors_of_a_voice_heard_badly(results: dict[str, demo.Result]) -> None:
    before, after = results["voice"].digit_error
    assert before > 0.04
    assert after <= before / 2


def test_what_one_voice_learns_costs_others_two_points_at_most(results: dict[str, demo.Result]) -> None:
    for result in results.values():
        before, after = result.general_wer
        assert after <= before + 0.02


def test_every_run_leaves_a_whole_folder_and_a_table_names_its_report(results: dict[str, demo.Result]) -> None:
    table = demo.table(list(results.values()))
    for result in results.values():
        folder = RunFolder(Path(result.report).parent)
        assert folder.done.exists()
        assert f"outputs/{folder.name}/report.md" in table


def test_without_a_synthesiser_the_bundled_clips_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo.synthesis, "available", lambda engine: False)
    said: list[str] = []
    dataset = demo.record(Workspace(tmp_path), demo.STORIES[0], 0, said.append)
    assert dataset.counts() == {"train": 34, "validation": 6, "test": 20, "unused": 0}
    assert any("not installed" in text for text in said)
    assert not any(character.isdigit() for clip in dataset.utterances() for character in clip.text)

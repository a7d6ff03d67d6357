"""The studio from Python: what `studio/docs/python.md` shows works as it is written there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tones import tones

import studio
from studio import api
from studio.data.manifest import Dataset
from studio.errors import ConfigError
from studio.export.merged import MergeReport
from studio.runs.folder import RunFolder
from studio.workspace import ENVIRONMENT_VARIABLE

PAGE = Path(studio.__file__).parent / "docs" / "python.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names that the page's blocks define, run one after the other on the fake model."""
    root = tmp_path_factory.mktemp("python")
    tones(root).folder.rename(root / "recordings" / "my-voice")
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv(ENVIRONMENT_VARIABLE, raising=False)
        for block in BLOCKS:
            fast = block.replace('model="starter"', 'model="echo", targets="all", max_steps=4, threads=1')
            exec(compile(fast, str(PAGE), "exec"), names)
    return names


def test_the_blocks_of_the_page_run_from_top_to_bottom(ran: dict[str, Any]) -> None:
    run, report = ran["run"], ran["report"]
    assert isinstance(run, RunFolder)
    assert run.done.is_file()
    assert isinstance(report, MergeReport)
    assert (report.folder / "config.json").is_file()
    assert ran["exported"].folder == run.exports / "merged-fp16"
    assert ran["runs"]["name"].tolist() == [run.name]
    assert len(ran["clips"]) == 20


def test_on_event_gets_what_the_runs_log_holds(ran: dict[str, Any], tmp_path: Path) -> None:
    dataset, seen = tones(tmp_path), []
    config = studio.preset("quick", dataset="any", model="echo", targets="all", max_steps=2, threads=1)
    run = studio.fine_tune(dataset, config, on_event=seen.append, name="mine")
    assert (run.name, run.path.parent) == ("mine", tmp_path / "outputs")
    assert len(run.events.read_text().splitlines()) == len(seen)
    assert seen[-1].type == "finished"


def test_a_dataset_outside_a_workspace_needs_one_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not in the recordings folder"):
        api.workspace_of(Dataset.create(tmp_path / "loose"))


def test_a_file_that_is_no_sound_has_an_error_and_the_others_a_text(ran: dict[str, Any], tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound")
    good = ran["files"][0]
    first, second = studio.transcribe(ran["recogniser"], [bad, str(good)])
    assert first.error
    assert not second.error

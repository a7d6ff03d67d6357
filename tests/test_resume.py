"""Being cut short does not change a run's result, wherever it happens."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path

import pytest
import tiny_models
from tones import (
    SPLITS,
    adapter,
    config,
    folder_of,
    in_child,
    kinds,
    run_until,
    told,
    tones,
    train,
    train_until,
    train_until_write,
    wav,
)

from studio.errors import ConfigError, JobError
from studio.runs.events import Evaluated, Event, Finished, Started, StepDone, Stopped


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One dataset for all runs of this file."""
    root = tmp_path_factory.mktemp("workspace")
    tones(root)
    return root


@pytest.fixture(scope="module")
def whole(workspace: Path) -> list[Event]:
    """A run that nobody disturbed, called `whole`."""
    return train(workspace, "whole", config())


MOMENTS = random.Random(2026).sample(range(1, 60), 9)


@pytest.mark.parametrize(
    "moment",
    [pytest.param(at, marks=[pytest.mark.thorough] if number else []) for number, at in enumerate(MOMENTS)],
)
def test_a_run_killed_at_any_event_resumes_to_the_same_bits(moment: int, workspace: Path, whole: list[Event]) -> None:
    name = f"killed-{moment}"
    assert in_child(train_until, workspace, name, config(), moment) == -signal.SIGKILL
    assert not folder_of(workspace, name).done.exists()
    resumed = train(workspace, name, config(), resume=True)
    assert isinstance(resumed[-1], Finished)
    assert adapter(workspace, name) == adapter(workspace, "whole")
    assert told(workspace, name) == told(workspace, "whole")


@pytest.mark.parametrize(
    "write",
    [2, 11, 32, *(pytest.param(at, marks=pytest.mark.thorough) for at in (5, 8, 17, 20, 23, 37, 42, 48))],
)
def test_a_run_killed_while_it_writes_resumes_to_the_same_bits(write: int, workspace: Path, whole: list[Event]) -> None:
    name = f"torn-{write}"
    assert in_child(train_until_write, workspace, name, config(), write) == -signal.SIGKILL
    train(workspace, name, config(), resume=True)
    assert adapter(workspace, name) == adapter(workspace, "whole")
    assert told(workspace, name) == told(workspace, "whole")
    litter = [path for path in folder_of(workspace, name).checkpoints.iterdir() if path.name.startswith(".")]
    assert litter == []


@pytest.mark.thorough
def test_a_run_killed_twice_tells_one_story_without_a_contradiction(workspace: Path, whole: list[Event]) -> None:
    for moment, resume in ((50, False), (36, True)):
        assert in_child(train_until, workspace, "twice", config(), moment, resume) == -signal.SIGKILL
    resumed = train(workspace, "twice", config(), resume=True)
    started = next(event for event in resumed if isinstance(event, Started))
    assert started.resumed_from > 0
    assert next(event.step for event in resumed if isinstance(event, StepDone)) == started.resumed_from + 1
    assert told(workspace, "twice") == told(workspace, "whole")
    assert adapter(workspace, "twice") == adapter(workspace, "whole")


def test_a_resumed_run_does_not_score_the_base_model_again(workspace: Path, whole: list[Event]) -> None:
    run_until(workspace, "scored", lambda event: isinstance(event, StepDone))
    resumed = train(workspace, "scored", config(), resume=True)
    assert "baseline" not in kinds(resumed)
    assert Evaluated in {type(event) for event in resumed if getattr(event, "split", "") == "test"}


def test_the_time_of_a_resumed_run_counts_what_went_before(workspace: Path) -> None:
    run_until(workspace, "long", lambda event: isinstance(event, StepDone) and event.step == 5)
    state = folder_of(workspace, "long").checkpoints / "step-000005" / "state.json"
    content = json.loads(state.read_text())
    content["progress"] |= {"wall_seconds": 1000.0, "seconds": 500.0, "peak_memory": 10**15}
    state.write_text(json.dumps(content))
    resumed = train(workspace, "long", config(), resume=True)
    finished = resumed[-1]
    assert isinstance(finished, Finished)
    assert 1000 < finished.seconds < 1300
    assert finished.peak_memory == 10**15
    assert all(500 < event.seconds < 800 for event in resumed if isinstance(event, StepDone))


def test_a_lost_baseline_is_scored_again_on_the_base_model_not_on_what_was_learnt(
    workspace: Path, whole: list[Event]
) -> None:
    run_until(workspace, "lost", lambda event: isinstance(event, StepDone) and event.step == 8)
    folder_of(workspace, "lost").baseline.unlink()
    resumed = train(workspace, "lost", config(), resume=True)
    assert "baseline" in kinds(resumed)
    assert told(workspace, "lost") == told(workspace, "whole")


def test_a_run_goes_on_with_the_clips_it_began_with_whatever_happened_to_the_dataset_since(
    tmp_path: Path,
) -> None:
    dataset = tones(tmp_path)
    train(tmp_path, "whole", config())
    seen = run_until(tmp_path, "grown", lambda event: isinstance(event, StepDone) and event.step == 5)
    assert isinstance(seen[-1], Stopped)
    for place, split in enumerate(SPLITS):
        dataset.add(wav(f"order 99{place}"), text="order nine nine", split=split)
    dataset.edit(dataset.utterances()[0].id, text="something else")
    train(tmp_path, "grown", config(), resume=True)
    assert adapter(tmp_path, "grown") == adapter(tmp_path, "whole")
    assert told(tmp_path, "grown")["evaluated"] == told(tmp_path, "whole")["evaluated"]


def test_a_finished_run_a_taken_name_and_changed_settings_are_refused(workspace: Path, whole: list[Event]) -> None:
    with pytest.raises(JobError, match="is finished"):
        train(workspace, "whole", config(), resume=True)
    run_until(workspace, "begun", lambda event: isinstance(event, StepDone))
    with pytest.raises(JobError, match="already"):
        train(workspace, "begun", config())
    with pytest.raises(ConfigError, match="begun with rank 8, not 4"):
        train(workspace, "begun", config(rank=4), resume=True)


@pytest.mark.thorough
@pytest.mark.parametrize("targets", ["attention", "conventions"])
def test_a_real_architecture_resumes_to_the_same_bits(targets: str, workspace: Path, tmp_path: Path) -> None:
    model = tiny_models.moonshine(tmp_path / "tiny")
    settings = config(model=str(model), targets=targets, max_steps=5, eval_every=2)
    train(workspace, f"real-{targets}", settings)
    name = f"real-killed-{targets}"
    assert in_child(train_until, workspace, name, settings, 48) == -signal.SIGKILL
    resumed = train(workspace, name, settings, resume=True)
    assert next(event.resumed_from for event in resumed if isinstance(event, Started)) > 0
    assert adapter(workspace, name) == adapter(workspace, f"real-{targets}")
    assert told(workspace, name) == told(workspace, f"real-{targets}")


@pytest.mark.slow
@pytest.mark.thorough
def test_the_starter_resumes_to_the_same_bits(workspace: Path) -> None:
    settings = config(model="starter", targets="deep", max_steps=6, eval_every=2, dropout=0.1, replay="bundled")
    story = train(workspace, "starter", settings)  # half of what it learns from is replayed
    step = next(place for place, event in enumerate(story, 1) if isinstance(event, StepDone) and event.step == 5)
    assert in_child(train_until, workspace, "starter-killed", settings, step) == -signal.SIGKILL
    resumed = train(workspace, "starter-killed", settings, resume=True)
    assert next(event.resumed_from for event in resumed if isinstance(event, Started)) > 0
    assert adapter(workspace, "starter-killed") == adapter(workspace, "starter")
    assert told(workspace, "starter-killed") == told(workspace, "starter")

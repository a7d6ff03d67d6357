"""Training on a real Ray cluster: a head and a machine, and a second one that outlives the first."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from local_ray import LocalRay, local_ray
from tones import adapter, config, told, tones, train

from studio.cluster.follower import Note
from studio.runs import control, events
from studio.runs.events import CheckpointSaved, Finished, Started, StepDone, Stopped, Warned
from studio.runs.folder import RunFolder
from studio.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
PATIENCE = 500  # seconds; only for what hangs
LONG = {"max_steps": 400, "eval_every": 40, "patience": 100}
ENDLESS = {"max_steps": 1_000_000, "eval_every": 100_000}  # however late the stop arrives, it is still going on


@pytest.fixture(scope="module")
def ray() -> Iterator[LocalRay]:
    with local_ray() as found:
        yield found


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setenv("STUDIO_WORKSPACE", str(tmp_path))
    tones(tmp_path)
    workspace = Workspace(tmp_path)
    yield workspace
    if running := control.active(workspace):
        control.stop(running, "discard")


def studio(*words: str) -> str:
    """What a verb prints."""
    done = subprocess.run([sys.executable, "-m", "studio", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def start(address: str, lasting: dict[str, int] = LONG) -> RunFolder:
    """`studio train tones --on ADDRESS`, detached."""
    settings = config(**lasting)
    studio(*settings.command("away")[1:], "--on", address, "--detach")
    return RunFolder(Workspace.here().run("away"))


def await_event(folder: RunFolder, wanted: Callable[[events.Event], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not any(wanted(event) for _, event in events.read(folder.events)):
        assert not control.state(folder).is_over, folder.log.read_text()
        assert time.monotonic() < deadline, folder.log.read_text()
        time.sleep(0.2)


def await_end(folder: RunFolder, seconds: float = PATIENCE) -> control.Status:
    deadline = time.monotonic() + seconds
    while not (state := control.state(folder)).is_over:
        assert time.monotonic() < deadline, folder.log.read_text()
        time.sleep(0.2)
    return state.status


@pytest.mark.thorough
def test_a_run_survives_the_loss_of_its_machine_and_ends_as_it_would_have_at_home(
    ray: LocalRay, workspace: Workspace
) -> None:
    ray.add("two")
    folder = start(ray.address)
    await_event(folder, lambda event: isinstance(event, CheckpointSaved) and event.step >= 80)
    note = Note.read(folder)
    assert note is not None
    ray.kill(ray.machine_of(note.job))
    train(workspace.root, "home", config(**LONG))
    assert await_end(folder) == "finished", folder.log.read_text()
    story = [event for _, event in events.read(folder.events)]
    begun = [event.resumed_from for event in story if isinstance(event, Started)]
    assert begun[0] == 0
    assert begun[-1] >= 80
    assert any("goes on elsewhere" in event.message for event in story if isinstance(event, Warned))
    assert adapter(workspace.root, "away") == adapter(workspace.root, "home")
    assert told(workspace.root, "away") == told(workspace.root, "home")
    assert "finished" in studio("runs")


@pytest.mark.thorough
@pytest.mark.parametrize("door", ["dashboard", "client"])
def test_a_run_on_ray_stops_and_saves_when_it_is_asked_to(ray: LocalRay, workspace: Workspace, door: str) -> None:
    folder = start(ray.address if door == "dashboard" else f"ray://127.0.0.1:{ray.client}", ENDLESS)
    await_event(folder, lambda event: isinstance(event, StepDone) and event.step >= 20)
    studio("stop", "away")
    assert await_end(folder) == "stopped", folder.log.read_text()
    story = [event for _, event in events.read(folder.events)]
    assert any(isinstance(event, Stopped) and event.reason == "stop and save" for event in story)
    assert isinstance(story[-1], Finished)
    assert story[-1].step < ENDLESS["max_steps"]
    assert folder.done.exists()

"""Runs start, go on alone, stop, resume and are listed; nothing of it is remembered in memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from eventually import until
from fake_trainer import SCRIPT as FAKE
from tones import config as tones_config
from tones import tones

from studio.config import TrainConfig
from studio.errors import ConfigError, DiskError, JobError
from studio.runs import control, events, listing, trash
from studio.runs.folder import RunFolder
from studio.runs.processes import Job, ProcessId
from studio.workspace import Workspace

FOREVER = ("steps=100000", "pause=0.02")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path)
    yield workspace
    for path in workspace.outputs.glob("*/job.json"):  # a failed test leaves no process behind
        job = Job.read(RunFolder(path.parent))
        for known in (job.supervisor, job.child) if job else ():
            if known and (process := known.process()):
                process.kill()


def begin(workspace: Workspace, name: str = "one", *words: str) -> RunFolder:
    folder = RunFolder(workspace.run(name))
    control.start(folder, [sys.executable, FAKE, str(folder.path), *words], {"model": "echo", "dataset": "numbers"})
    return folder


def is_training(folder: RunFolder) -> bool:
    return any(event.type == "step" for _, event in events.read(folder.events))


def is_over(folder: RunFolder) -> bool:
    return control.state(folder).is_over


def finished(folder: RunFolder) -> None:
    until(lambda: is_over(folder))


def kinds(folder: RunFolder) -> list[str]:
    return [event.type for _, event in events.read(folder.events)]


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def child_of(folder: RunFolder) -> psutil.Process:
    until(lambda: (job := Job.read(folder)) and job.child)
    job = Job.read(folder)
    assert job
    assert job.child
    return psutil.Process(job.child.pid)


def test_a_run_goes_on_by_itself_and_finishes(workspace: Workspace) -> None:
    folder = begin(workspace)
    assert control.state(folder).status == "running"
    assert control.active(workspace) == folder
    until(lambda: is_over(folder))
    assert control.state(folder).status == "finished"
    assert kinds(folder)[-1] == "finished"
    assert "step 5" in folder.log.read_text()
    job = Job.read(folder)
    assert job
    assert job.exit_code == 0
    assert job.ended_at
    assert job.ended_at >= job.started_at
    assert control.active(workspace) is None


def test_a_run_that_never_was_has_no_state(workspace: Workspace) -> None:
    assert control.state(RunFolder(workspace.run("nobody"))).status == "none"
    with pytest.raises(JobError, match="no run"):
        listing.existing(workspace, "nobody")
    with pytest.raises(ConfigError):
        listing.existing(workspace, "../secret")


def test_a_second_start_names_the_run_that_is_going_on(workspace: Workspace) -> None:
    folder = begin(workspace, "first", *FOREVER)
    with pytest.raises(JobError, match="first"):
        begin(workspace, "second")
    with pytest.raises(JobError, match="first"):
        control.start_training(workspace, TrainConfig(dataset="numbers"))
    assert not workspace.run("second").exists()
    assert [path.name for path in workspace.outputs.iterdir() if path.is_dir()] == ["first"]
    control.stop(folder, "discard")
    until(lambda: is_over(folder))


def test_of_many_starts_at_once_exactly_one_wins(workspace: Workspace) -> None:
    refused: list[JobError] = []

    def attempt(number: int) -> None:
        try:
            begin(workspace, f"run-{number}", *FOREVER)
        except JobError as error:
            refused.append(error)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 5
    winner = control.active(workspace)
    assert winner
    control.stop(winner, "discard")
    until(lambda: is_over(winner))


def test_stop_and_save_lets_the_trainer_score_and_finish(workspace: Workspace) -> None:
    folder = begin(workspace, "one", *FOREVER)
    until(lambda: is_training(folder))
    control.stop(folder, "save")
    assert control.state(folder).status in ("stopping", "stopped")
    until(lambda: is_over(folder))
    assert control.state(folder).status == "stopped"
    assert folder.done.exists()


def test_discard_ends_a_run_without_a_result(workspace: Workspace) -> None:
    folder = begin(workspace, "one", *FOREVER)
    until(lambda: is_training(folder))
    control.stop(folder, "discard")
    until(lambda: is_over(folder))
    assert control.state(folder).status == "stopped"
    assert not folder.done.exists()
    with pytest.raises(JobError, match="not going on"):
        control.stop(folder, "save")


def test_a_run_is_stopped_only_in_ways_that_exist(workspace: Workspace) -> None:
    with pytest.raises(JobError, match="save or discard"):
        control.stop(RunFolder(workspace.run("one")), "now")  # type: ignore[arg-type]


def test_a_trainer_that_crashes_leaves_the_reason_and_resumes(workspace: Workspace) -> None:
    folder = begin(workspace, "one", "crash")
    until(lambda: is_over(folder))
    assert control.state(folder).status == "failed"
    (failed,) = [event for _, event in events.read(folder.events) if isinstance(event, events.Failed)]
    assert "the flux capacitor is empty" in failed.message
    assert "Resume" in failed.remedy


def test_a_trainer_that_leaves_without_a_word_has_failed(workspace: Workspace) -> None:
    folder = begin(workspace, "one", "silent-exit")
    until(lambda: is_over(folder))
    assert control.state(folder).status == "failed"


def test_a_killed_trainer_has_failed_and_resumes_where_it_was(workspace: Workspace) -> None:
    folder = begin(workspace, "one", "steps=160", "pause=0.02")
    until(lambda: "checkpoint" in kinds(folder))
    child_of(folder).kill()
    until(lambda: is_over(folder))
    assert control.state(folder).status == "failed"
    with folder.events.open("a") as log:
        log.write('{"type":"step","st')  # torn by a crash
    control.resume(folder)
    assert control.state(folder).status == "running"
    until(lambda: kinds(folder).count("started") == 2)  # it stands on a line of its own
    until(lambda: is_over(folder))
    assert control.state(folder).status == "finished"
    starts = [event.resumed_from for _, event in events.read(folder.events) if isinstance(event, events.Started)]
    assert starts[1] > 0
    with pytest.raises(JobError, match="has finished"):
        control.resume(folder)


def test_a_killed_supervisor_takes_the_trainer_with_it_and_the_run_resumes(workspace: Workspace) -> None:
    folder = begin(workspace, "one", "steps=120", "pause=0.02")
    until(lambda: is_training(folder))
    child = child_of(folder)
    job = Job.read(folder)
    assert job
    assert job.supervisor
    os.kill(job.supervisor.pid, signal.SIGKILL)
    if sys.platform == "linux":
        until(lambda: is_over(folder))
        assert control.state(folder).status == "interrupted"
    else:
        assert control.state(folder).status == "stopping"
    control.resume(folder)
    assert not is_alive(child)
    until(lambda: is_over(folder))
    assert control.state(folder).status == "finished"


def test_an_orphan_that_ignores_its_supervisors_death_is_ended_by_the_next_start(workspace: Workspace) -> None:
    folder = begin(workspace, "one", "hostile", *FOREVER)
    until(lambda: is_training(folder))
    trainer, stubborn = (psutil.Process(int(pid)) for pid in (folder.path / "pids.txt").read_text().split())
    job = Job.read(folder)
    assert job
    assert job.supervisor
    os.kill(job.supervisor.pid, signal.SIGKILL)
    until(lambda: control.active(workspace) is None)
    assert control.state(folder).status == "stopping"  # it works on, though nobody watches it
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("studio.runs.control._ORPHAN_GRACE", 0.3)
        other = begin(workspace, "two")
    assert not is_alive(trainer)
    assert not is_alive(stubborn)
    assert control.state(folder).status == "interrupted"
    until(lambda: is_over(other))
    assert control.state(other).status == "finished"


def test_the_run_outlives_the_page_that_started_it(workspace: Workspace) -> None:
    code = (
        "import sys, time; from pathlib import Path; from studio.runs import control;"
        "from studio.runs.folder import RunFolder;"
        "folder = RunFolder(Path(sys.argv[1]));"
        "control.start(folder, [sys.executable, sys.argv[2], sys.argv[1], 'steps=40', 'pause=0.02']);"
        "print('up', flush=True); time.sleep(60)"
    )
    folder = RunFolder(workspace.run("one"))
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder.path), FAKE], stdout=subprocess.PIPE, start_new_session=True
    ) as page:
        assert page.stdout
        page.stdout.readline()
        os.killpg(page.pid, signal.SIGKILL)
    assert control.state(folder).status == "running"
    until(lambda: is_over(folder))
    assert control.state(folder).status == "finished"


def test_a_number_used_again_by_another_process_is_never_signalled(workspace: Workspace) -> None:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as bystander:
        real = ProcessId.of(bystander.pid)
        assert real.process() is not None
        stale = ProcessId(pid=bystander.pid, create_time=real.create_time - 3600)
        assert stale.process() is None
        folder = RunFolder(workspace.run("one"))
        folder.path.mkdir(parents=True)
        Job(command=["true"], folder="/", supervisor=stale, child=stale).write(folder)
        assert control.state(folder).status == "interrupted"
        with pytest.raises(JobError, match="not going on"):
            control.stop(folder, "discard")
        finished(begin(workspace, "two"))
        assert bystander.poll() is None
        bystander.communicate()


def test_a_training_gets_a_fresh_readable_name(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr("studio.runs.control._launch", lambda folder, job, lock: commands.append(job.command))
    first = control.start_training(workspace, TrainConfig(dataset="my numbers", rank=4))
    second = control.start_training(workspace, TrainConfig(dataset="my numbers"))
    named = control.start_training(workspace, TrainConfig(dataset="my numbers"), "best try")
    assert [first.name, second.name, named.name] == ["my-numbers-0001", "my-numbers-0002", "best try"]
    assert commands[0][1:] == ["-m", "studio", "train", "--name", "my-numbers-0001", "--foreground", "--", "my numbers"]
    assert first.settings() == TrainConfig(dataset="my numbers", rank=4)
    with pytest.raises(JobError, match="already"):
        control.start_training(workspace, TrainConfig(dataset="my numbers"), "best try")
    with pytest.raises(ConfigError):
        control.start_training(workspace, TrainConfig(dataset="my numbers"), "../../etc")


@pytest.mark.thorough
def test_the_real_trainer_is_killed_as_a_job_and_finishes_when_it_is_resumed(workspace: Workspace) -> None:
    tones(workspace.root)
    folder = control.start_training(workspace, tones_config(max_steps=20_000, eval_every=50, patience=1000))
    until(lambda: is_training(folder), 120)
    child_of(folder).kill()
    until(lambda: is_over(folder))
    assert control.state(folder).status == "failed"
    killed = len(kinds(folder))
    control.resume(folder)
    until(lambda: "step" in kinds(folder)[killed:], 120)
    control.stop(folder, "save")
    until(lambda: is_over(folder), 120)
    assert control.state(folder).status == "stopped"
    assert folder.done.exists()
    assert listing.runs(workspace)[0].wer_after is not None


def test_a_command_that_cannot_start_says_so(workspace: Workspace) -> None:
    folder = RunFolder(workspace.run("one"))
    control.start(folder, ["/no/such/python", "train"])
    until(lambda: is_over(folder))
    assert control.state(folder).status == "failed"
    assert "/no/such/python could not be started" in folder.events.read_text()


def test_other_verbs_run_too_and_need_write_no_events(workspace: Workspace) -> None:
    folder = RunFolder(workspace.run("verb"))
    control.start(folder, [sys.executable, "-c", "import os; print(os.environ['STUDIO_WORKSPACE'])"])
    until(lambda: is_over(folder))
    assert control.state(folder).status == "finished"
    assert folder.log.read_text().strip() == str(workspace.root)


def test_a_run_that_cannot_be_written_is_refused_in_words(workspace: Workspace) -> None:
    outputs = workspace.outputs
    outputs.write_text("a file where the folder should be")
    with pytest.raises(DiskError, match="outputs"):
        begin(workspace)
    outputs.unlink()  # the workspace is looked at once more, at the end of each test


def test_a_deleted_run_can_be_had_back(workspace: Workspace) -> None:
    folder = begin(workspace)
    with pytest.raises(JobError, match="still going"):
        trash.delete(folder)
    until(lambda: is_over(folder))
    token = trash.delete(folder)
    assert listing.runs(workspace) == []
    assert trash.restore(workspace, token) == folder
    assert [run.name for run in listing.runs(workspace)] == ["one"]
    with pytest.raises(JobError, match="no longer"):
        trash.restore(workspace, token)
    with pytest.raises(ConfigError):
        trash.restore(workspace, "../..")


def test_the_trash_of_runs_is_emptied_for_good(workspace: Workspace) -> None:
    finished(begin(workspace))
    token = trash.delete(RunFolder(workspace.run("one")))
    assert trash.empty_trash(workspace) == ["one"]
    assert trash.empty_trash(workspace) == []
    with pytest.raises(JobError, match="no longer"):
        trash.restore(workspace, token)


def test_undoing_a_deletion_never_overwrites_a_newer_run(workspace: Workspace) -> None:
    finished(begin(workspace))
    token = trash.delete(RunFolder(workspace.run("one")))
    finished(begin(workspace))
    with pytest.raises(JobError, match="another run"):
        trash.restore(workspace, token)


def test_the_list_of_runs_says_what_came_of_each(workspace: Workspace) -> None:
    finished(begin(workspace, "good"))
    finished(begin(workspace, "bad", "crash"))
    bad, good = listing.runs(workspace)
    assert (good.name, good.status, good.model, good.dataset) == ("good", "finished", "echo", "numbers")
    assert (good.wer_before, good.wer_after, good.step) == (0.96, 0.08, 5)
    assert (bad.status, bad.wer_after, bad.step) == ("failed", None, 3)
    assert bad.seconds is not None


def test_a_run_that_was_not_started_as_a_job_is_listed_too(workspace: Workspace) -> None:
    folder = RunFolder(workspace.run("by-hand"))
    folder.path.mkdir(parents=True)
    folder.config.write_text('{"model": "echo", "dataset": "/elsewhere/numbers", "run": "by-hand"}')
    folder.events.write_text(events.to_line(
        events.Finished(step=9, best_step=9, wer_before=0.5, wer_after=0.1, seconds=3.5, peak_memory=1)
    ))  # fmt: skip
    (run,) = listing.runs(workspace)
    assert (run.name, run.status, run.model, run.dataset) == ("by-hand", "finished", "echo", "numbers")
    assert (run.wer_after, run.seconds) == (0.1, 3.5)
    assert run.started_at
    with pytest.raises(JobError, match="not started from here"):
        control.resume(listing.existing(workspace, "by-hand"))


def test_two_hundred_runs_are_listed_at_once(workspace: Workspace) -> None:
    step = events.to_line(events.StepDone(step=1, loss=1, learning_rate=1, clips_per_second=1, seconds=1))
    for number in range(200):
        folder = RunFolder(workspace.run(f"run-{number}"))
        folder.path.mkdir(parents=True)
        folder.events.write_text(step * 2000)
        Job(command=[], folder="/", started_at=number, ended_at=number + 1.0, exit_code=0).write(folder)
    before = time.process_time()
    found = listing.runs(workspace)
    assert time.process_time() - before < 5  # 0.5 s on an idle core; reading every event would take half a minute
    assert [run.name for run in found[:2]] == ["run-199", "run-198"]


def test_a_run_on_a_cluster_is_followed_by_the_command_that_a_resume_repeats() -> None:
    command = control.training(TrainConfig(dataset="numbers"), "numbers-0001", "http://head:8265").command
    assert command[1:] == [
        "-m", "studio", "train", "--on", "http://head:8265", "--name", "numbers-0001", "--foreground", "--", "numbers"
    ]  # fmt: skip

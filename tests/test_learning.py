"""Learning curves: nested shares, one job that goes on, and a forecast that holds as often as it says."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from finished import clips_of, finished
from hypothesis import given
from hypothesis import strategies as st
from tones import adapter, config, folder_of, tones, train

from studio.errors import BusyError, DataError, JobError
from studio.evaluation import learning_curve as fitting
from studio.evaluation.evaluate import Evaluation, read_manifest
from studio.evaluation.learning_curve import forecast, rates
from studio.reports import run_page
from studio.reports.answers import answers
from studio.reports.learning_curve import as_text, learning_curve, outlook
from studio.reports.result import result_of
from studio.runs import control, curve_job, processes
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.runs.tasks import TaskState, cancel
from studio.train.curve import nested, train_smaller
from studio.workspace import Workspace

WORDS = [6, 4, 9, 7, 5] * 20  # 100 clips


# The forecast


def drawn(
    seed: int, sizes: list[int], level: float, fall: float, noise: float, floor: float = 0.0
) -> tuple[list[list[int]], list[int]]:
    """Errors of runs on so many clips, falling as `floor + level * n ** -fall`, with chance in each training."""
    rng = np.random.default_rng(seed)
    words = rng.integers(3, 12, size=60)
    hard = 4 * rng.beta(1, 3, size=60)
    expected = [(floor + level * size**-fall) * np.exp(rng.normal(0, noise)) for size in sizes]
    return [rng.binomial(words, np.clip(hard * rate, 0, 0.98)).tolist() for rate in expected], words.tolist()


@pytest.mark.parametrize(
    ("sizes", "fall", "level"),
    [
        ([10, 20, 40], 1.0, 4.0),
        pytest.param([25, 50, 100], 0.5, 1.0, marks=pytest.mark.thorough),
        pytest.param([25, 50, 100], 0.2, 0.5, marks=pytest.mark.thorough),
    ],
)
def test_the_interval_of_the_forecast_holds_the_truth_as_often_as_it_says(
    sizes: list[int], fall: float, level: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "RESAMPLES", 500)
    truth = level * (sizes[-1] + 50) ** -fall - level * sizes[-1] ** -fall
    held = told = 0
    for trial in range(300):
        found = forecast(*drawn(trial, sizes, level, fall, fitting.TRAINING_NOISE), sizes, seed=trial)
        held += found.low <= truth <= found.high
        told += not found.doubt
    assert held >= 0.93 * 300
    assert told >= (0.8 if fall == 1.0 else 0.3 if fall == 0.5 else 0) * 300  # a steep fall is seen, a faint one is not
    if fall == 0.2:
        assert told <= 0.2 * 300


@pytest.mark.thorough
@pytest.mark.parametrize(("noise", "floor", "least"), [(0.1, 0.05, 0.89), (0.2, 0.05, 0.8), (0.4, 0.0, 0.8)])
def test_what_the_interval_holds_where_its_assumptions_fail_is_as_the_readme_says(
    noise: float, floor: float, least: float
) -> None:
    sizes = [25, 50, 100]
    truth = 4.0 / 150 - 4.0 / 100
    found = [forecast(*drawn(trial, sizes, 4.0, 1.0, noise, floor), sizes, seed=trial) for trial in range(250)]
    assert sum(one.low <= truth <= one.high for one in found) >= least * 250


def test_a_curve_that_does_not_fall_tells_nothing_yet() -> None:
    flat = [[1, 0, 2, 1, 0] * 20] * 3
    assert forecast(flat, WORDS, [25, 50, 100]).doubt == "no gain"
    rising = [[0, 0, 1, 0, 0] * 20, [1, 0, 1, 0, 0] * 20, [1, 0, 2, 1, 0] * 20]
    assert forecast(rising, WORDS, [25, 50, 100]).doubt == "no gain"


def test_few_clips_a_wide_interval_and_nothing_left_to_gain_are_told_apart() -> None:
    assert forecast([[3] * 100, [1] * 100, [0] * 100], WORDS, [25, 50, 100]).doubt == "nothing left"
    assert forecast([[6, 4], [4, 2], [1, 1]], [8, 6], [2, 4, 8]).doubt == "few clips"
    wide = [[2 if place < 2 else 0 for place in range(20)], [1] + [0] * 19, [1] + [0] * 19]
    assert forecast(wide, [5] * 20, [20, 40, 80]).doubt in ("too wide", "no gain")


def test_a_steep_fall_is_forecast_and_the_same_figures_come_again() -> None:
    steep = [[4, 3, 6, 5, 3] * 20, [2, 1, 3, 2, 2] * 20, [1, 0, 1, 1, 1] * 20]
    found = forecast(steep, WORDS, [20, 40, 80])
    assert found.doubt == ""
    assert found.low < found.change < found.high < 0
    assert found == forecast(steep, WORDS, [20, 40, 80])


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 4), min_size=1, max_size=8))
def test_no_counts_break_the_forecast_and_no_interval_is_upside_down(rows: list[tuple[int, ...]]) -> None:
    errors, words = [[row[place] for row in rows] for place in range(3)], [1 + row[3] for row in rows]
    found = forecast(errors, words, [4, 8, 16])
    assert np.isfinite([found.low, found.change, found.high]).all()
    assert found.low <= found.high
    assert all(rate.low <= rate.wer <= rate.high for rate in rates(errors, words))


@pytest.mark.parametrize(("errors", "clips"), [([[1], [1]], [4, 8]), ([[1], [1], [1]], [4, 4, 8])])
def test_too_few_points_are_refused(errors: list[list[int]], clips: list[int]) -> None:
    with pytest.raises(ValueError, match="three runs"):
        forecast(errors, [5], clips)


# The shares


@pytest.mark.thorough
@given(st.integers(16, 200), st.integers(0, 5))
def test_a_share_is_part_of_every_larger_one_and_the_same_each_time(count: int, seed: int) -> None:
    clips = clips_of([f"{place}" for place in range(count)])
    quarter, half = nested(clips, 25, seed), nested(clips, 50, seed)
    assert {clip.id for clip in quarter} < {clip.id for clip in half}
    assert (len(quarter), len(half)) == (round(count / 4), round(count / 2))
    assert quarter == nested(clips, 25, seed)
    assert half == [clip for clip in clips if clip in half]  # in their order


def test_too_few_clips_are_said_to_be_too_few() -> None:
    with pytest.raises(DataError, match="15 training clips are too few"):
        nested(clips_of(["a"] * 15), 25, 0)


# The runs


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("workspace")
    tones(root, clips=40)
    train(root, "taught", config(max_steps=6, eval_every=2, patience=6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STUDIO_WORKSPACE", str(root))
        assert train_smaller(folder_of(root, "taught"), Workspace(root), lambda done, total: None)
    return root


def copied(root: Path, name: str) -> RunFolder:
    """The finished run once more, without its curve."""
    folder = RunFolder(root / "outputs" / name)
    shutil.copytree(root / "outputs" / "taught", folder.path, ignore=shutil.ignore_patterns("curve", "job.json"))
    return folder


def test_the_smaller_runs_have_the_settings_and_the_held_out_clips_of_the_run(root: Path) -> None:
    folder = folder_of(root, "taught")
    whole = RunRecord.read(folder)
    sides = {share: read_manifest(folder.point(share).manifest) for share in fitting.SHARES}
    for share in (25, 50):
        smaller = RunRecord.read(folder.point(share))
        assert smaller.config == whole.config
        assert smaller.test_set_hash == whole.test_set_hash
        assert smaller.clips == {**whole.clips, "train": share * 24 // 100}
        assert {clip.id for clip in sides[share]} < {clip.id for clip in sides[100]}
    found = learning_curve(folder, "exact")
    assert [(point.share, point.clips) for point in found.points] == [(25, 6), (50, 12), (100, 24)]
    tuned = Evaluation.read(folder.tuned)
    assert tuned is not None
    assert found.points[-1].wer == tuned.score.wer
    assert found.base_wer == 0.8
    assert found.missing == []
    assert found.forecast is not None


def test_a_smaller_run_that_was_stopped_goes_on_and_ends_with_the_same_bits(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_WORKSPACE", str(root))
    folder = copied(root, "stopped")

    class EnoughError(Exception):
        pass

    def until(steps: int) -> None:
        def tell(done: int, total: int) -> None:
            assert total == 12
            if done >= steps:
                raise EnoughError

        with pytest.raises(EnoughError):
            train_smaller(folder, Workspace(root), tell)

    until(4)
    assert learning_curve(folder, "exact").missing == [25, 50]
    until(9)
    assert learning_curve(folder, "exact").missing == [50]
    assert "Not trained yet: 50 %." in as_text(learning_curve(folder, "exact"))
    seen: list[int] = []
    assert train_smaller(folder, Workspace(root), lambda done, total: seen.append(done))
    assert seen == sorted(seen)
    for share in ("025", "050"):
        assert adapter(root, f"stopped/curve/{share}") == adapter(root, f"taught/curve/{share}")


def test_a_run_that_is_not_whole_or_not_there_has_no_curve(root: Path) -> None:
    folder = copied(root, "unfinished")
    folder.done.unlink()
    for act in (lambda: learning_curve(folder, "exact"), lambda: curve_job.start(Workspace(root), "unfinished")):
        with pytest.raises(JobError, match="has not finished"):
            act()
    with pytest.raises(JobError, match="has not finished"):
        train_smaller(folder, Workspace(root), lambda done, total: None)
    with pytest.raises(JobError, match="no run"):
        curve_job.start(Workspace(root), "nowhere")


def test_a_curve_waits_for_nobody_and_lets_nobody_train_beside_it(root: Path) -> None:
    workspace = Workspace(root)
    with processes.claim(workspace.outputs) as lock:
        processes.sign(lock, "other")
        with pytest.raises(BusyError, match="“other” is still going"):
            curve_job.start(workspace, "taught")
    with curve_job.turn(workspace, "taught"), pytest.raises(BusyError, match="learning curve"):
        control.start_training(workspace, config(), "second")


@pytest.mark.thorough
def test_as_a_job_it_tells_how_far_it_is_is_cancelled_killed_and_goes_on(root: Path) -> None:
    workspace, folder = Workspace(root), copied(root, "as-a-job")
    job = RunFolder(folder.curve)

    def until(statuses: set[str]) -> str:
        deadline = time.monotonic() + 120
        while (state := control.state(job)).status not in statuses:
            assert time.monotonic() < deadline, state
            time.sleep(0.02)
        return state.status

    curve_job.start(workspace, "as-a-job")
    with pytest.raises(JobError, match="still going"):
        curve_job.start(workspace, "as-a-job")
    assert TaskState.of(job).what == curve_job.WHAT
    cancel(job)
    assert until({"stopped", "finished"}) == "stopped"
    curve_job.start(workspace, "as-a-job")
    while not (pid := control.state(job).pid):
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    assert until({"failed", "interrupted", "finished"}) == "failed"
    curve_job.start(workspace, "as-a-job")
    assert until({"failed", "interrupted", "stopped", "finished"}) == "finished"
    assert learning_curve(folder, "exact").missing == []
    assert adapter(root, "as-a-job/curve/050") == adapter(root, "taught/curve/050")


@pytest.mark.thorough
def test_the_verb_prints_text_or_json_and_refuses_in_words(root: Path) -> None:
    def studio(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "studio", "--workspace", str(root), "curve", *words]
        return subprocess.run(command, capture_output=True, text=True)

    told = studio("taught", "--json", "--normaliser", "spoken")
    found = json.loads(told.stdout)
    assert [point["clips"] for point in found["points"]] == [6, 12, 24]
    assert (found["normaliser"], found["missing"]) == ("spoken", [])
    wrong = studio("nowhere")
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (1, False)
    assert "studio runs" in wrong.stderr


# What a person reads


def told(tmp_path: Path, *wrong: int) -> RunFolder:
    """A run whose smaller ones got so many of 60 clips wrong."""
    said = [f"order {word} please" for word in ("one", "two", "three") * 20]

    def written(count: int) -> list[str]:
        return [text if place >= count else text.replace("order", "other") for place, text in enumerate(said)]

    for name, count, clips in zip(("run", "run/curve/025", "run/curve/050"), wrong, (80, 20, 40), strict=True):
        folder = finished(tmp_path, name, said, written(60), written(count))
        record = RunRecord.read(folder)
        record.model_copy(update={"clips": {**record.clips, "train": clips}}).write(folder)
    return folder_of(tmp_path, "run")


def test_the_report_says_what_more_clips_would_bring(tmp_path: Path) -> None:
    result = result_of(told(tmp_path, 8, 48, 20))
    assert result.learning is not None
    said = outlook(result.learning)
    assert said.startswith("50 more clips ≈ −")
    assert said in answers(result)[-1].detail
    page = run_page.as_html(result)
    assert said in page
    assert page.count('class="ring c0"') == 1  # the forecast
    assert "20 clips: 26.7 %; 40 clips: 11.1 %; 80 clips: 4.4 %" in page


def test_the_report_says_where_it_cannot_be_told_and_how_to_find_out(tmp_path: Path) -> None:
    result = result_of(told(tmp_path, 20, 22, 20))
    assert "is not known yet" in answers(result)[-1].detail
    assert 'class="ring c0"' not in run_page.as_html(result)
    shutil.rmtree(tmp_path / "outputs" / "run" / "curve")
    result = result_of(folder_of(tmp_path, "run"))
    assert result.learning is None
    assert "studio curve run" in run_page.as_html(result)

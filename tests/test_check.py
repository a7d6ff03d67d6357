"""All clips of a dataset at once: what is missing is measured, what is doubtful is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner
from voices import TEXT, steps
from voices import speech as voice

from studio.audio import wav_bytes
from studio.cli import app
from studio.data.manifest import Dataset
from studio.data.quality import VERSION, Quality, check


class EnoughError(Exception):
    """A person who has waited long enough."""


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("STUDIO_WORKSPACE", str(tmp_path))
    dataset = Dataset.create(tmp_path / "recordings" / "mine")
    for number, gain in enumerate((1.0, 0.025, 0.9)):
        sound = steps(voice() * np.float32(gain))
        dataset.add(wav_bytes(sound, 16_000), text=f"{TEXT} {number}", prompt=str(number))
    return dataset


def forget_figures(dataset: Dataset) -> None:
    """As a dataset of an earlier version is."""
    old = {"peak_db": -3.0, "rms_db": -20.0, "clipped_share": 0.0, "verdict": "good"}
    dataset.change({clip.id: {"quality": old} for clip in dataset.utterances()})


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["check", *arguments])
    return result.exit_code, result.stdout


def test_the_verb_measures_what_is_missing_and_names_the_clips_to_look_at(dataset: Dataset) -> None:
    before = dataset.utterances()
    forget_figures(dataset)
    code, text = run("mine")
    assert code == 1
    assert "3 clips: 2 fine, 1 to look at, 0 to record again." in text
    assert f"look: {before[1].id} “{TEXT} 1” It is very quiet" in text
    assert dataset.utterances() == before


def test_a_sound_dataset_ends_with_code_nought(dataset: Dataset) -> None:
    dataset.trash([dataset.utterances()[1].id])
    code, text = run("mine", "--json")
    assert code == 0
    assert json.loads(text)["verdicts"] == {"fine": 2, "look": 0, "re-record": 0}


def test_measuring_is_not_an_action_that_undo_would_take_back(dataset: Dataset) -> None:
    forget_figures(dataset)
    run("mine")
    assert dataset.history() == []


def test_only_what_is_missing_is_measured_unless_it_is_asked_for_again(dataset: Dataset) -> None:
    first = dataset.utterances()[0]
    wrong = {**(first.quality or {}), "loudness_lufs": -3.0}
    dataset.edit(first.id, quality=wrong)
    run("mine")
    assert dataset.get(first.id).quality == wrong
    run("mine", "--again")
    assert dataset.get(first.id) == first


def test_a_cancelled_check_keeps_what_it_has_measured(dataset: Dataset) -> None:
    forget_figures(dataset)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise EnoughError

    with pytest.raises(EnoughError):
        check.measure_missing(dataset, stop)
    assert [Quality.known(clip.quality) is not None for clip in dataset.utterances()] == [True, True, False]


def test_a_sound_that_cannot_be_read_is_a_sentence_and_the_others_are_measured(dataset: Dataset) -> None:
    forget_figures(dataset)
    broken = dataset.utterances()[0]
    dataset.clip_path(broken).write_bytes(b"no sound")
    code, text = run("mine")
    assert code == 1
    assert f"{broken.audio_filepath}: " in text
    assert "is not a sound file" in text
    assert check.report(dataset).unmeasured == 1


def test_the_same_sound_twice_and_the_troubles_of_the_folder_are_told(dataset: Dataset) -> None:
    sound = wav_bytes(voice(), 16_000)
    twins = [dataset.add(sound, text=text, prompt=text).id for text in ("one", "another")]
    (dataset.folder / "clips" / "stray.wav").write_bytes(sound)
    report = check.report(dataset)
    doubtful = {clip.id: [finding.code for finding in clip.findings] for clip in report.doubtful}
    assert doubtful[twins[0]] == doubtful[twins[1]] == ["twin"]
    assert any("stray.wav" in problem for problem in report.problems)


def test_a_dataset_that_is_not_there_is_a_sentence() -> None:
    result = CliRunner().invoke(app, ["check", "nowhere"])
    assert "There is no dataset" in str(result.exception)


def test_figures_carry_the_version_of_the_measure(dataset: Dataset) -> None:
    stored = dataset.utterances()[0].quality
    assert stored is not None
    assert stored["version"] == VERSION
    assert len(json.dumps(stored)) < 350  # a line of the manifest stays short

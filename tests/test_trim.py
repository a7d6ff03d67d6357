"""Silence at the edges of clips: offered, cut off, brought back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from voices import EDGE, TEXT, noise, silence, speech, wave

from studio.audio import edges, read, to_16_bit, wav_bytes
from studio.data.manifest import Dataset
from studio.data.quality import THRESHOLDS, Quality, measure, trim

SAID = len(speech(before=0, after=0)) / 16_000  # seconds of the speech alone
NEAR = 0.15  # seconds: the first and the last sounds of a word are faint


def kept(before: float, after: float) -> tuple[float, float]:
    """Where the offered part begins and ends, in seconds of the clip."""
    return edges.edges(wave(speech(before=before, after=after)))


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_long_silence_is_cut_down_to_a_breath_on_both_sides(rate: int) -> None:
    start, end = edges.edges(wave(speech(rate, before=2.0, after=1.5), rate))
    assert start == pytest.approx(2.0 - THRESHOLDS.trim_to, abs=NEAR)
    assert end == pytest.approx(2.0 + SAID + THRESHOLDS.trim_to, abs=NEAR)


def test_an_edge_within_bounds_is_left_alone() -> None:
    assert kept(EDGE, EDGE) == (0.0, pytest.approx(SAID + 2 * EDGE))
    start, end = kept(1.5, EDGE)
    assert start > 1
    assert end == pytest.approx(1.5 + SAID + EDGE)


@pytest.mark.parametrize("sound", [silence(3), noise(48_000, 0.1)], ids=["the room", "noise"])
def test_nothing_is_cut_where_nobody_speaks(sound: np.ndarray) -> None:
    assert edges.edges(wave(sound)) == (0.0, 3.0)
    assert edges.offered(measure(wave(sound)), 3.0) == 0


def test_what_is_offered_is_what_is_cut() -> None:
    clip = wave(speech(before=1.5, after=1.2))
    start, end = edges.edges(clip)
    assert edges.offered(measure(clip), clip.duration) == pytest.approx(clip.duration - (end - start), abs=0.02)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    dataset = Dataset.create(tmp_path / "mine")
    for number, before in enumerate((1.5, 0.3, 2.5)):
        sound = speech(before=before) * np.float32(1 - number / 10)
        dataset.add(wav_bytes(sound, 16_000), text=f"{TEXT} {number}", prompt=str(number))
    return dataset


def test_a_trimmed_clip_is_shorter_measured_anew_and_undo_brings_back_every_sample(dataset: Dataset) -> None:
    before = dataset.utterances()[0]
    samples = to_16_bit(read(dataset.clip_path(before)).samples)
    [clip] = trim.apply(dataset, [before.id])
    assert clip.id == before.id
    assert clip.audio_filepath != before.audio_filepath
    assert clip.duration == pytest.approx(before.duration - 1.2, abs=NEAR)
    figures = Quality.known(clip.quality)
    assert figures is not None
    assert edges.offered(figures, clip.duration) == 0
    dataset.undo()
    back = dataset.get(before.id)
    assert back == before
    assert np.array_equal(to_16_bit(read(dataset.clip_path(back)).samples), samples)
    dataset.redo()
    assert dataset.get(before.id) == clip


def test_all_that_is_offered_is_trimmed_as_one_action(dataset: Dataset) -> None:
    before = dataset.utterances()
    waiting = trim.waiting(before)
    assert waiting == [before[0].id, before[2].id]
    trim.apply(dataset, waiting)
    assert trim.waiting(dataset.utterances()) == []
    action = dataset.history(1)[0]
    assert "2 clips" in action.what
    assert "s of silence" in action.what
    dataset.undo(action.id)
    assert dataset.utterances() == before
    assert dataset.problems() == []


def test_a_clip_with_nothing_to_cut_is_left_as_it_is(dataset: Dataset) -> None:
    assert trim.apply(dataset, [dataset.utterances()[1].id]) == []
    assert dataset.history() == []


def test_the_times_of_the_words_move_with_the_sound(dataset: Dataset) -> None:
    clip = dataset.utterances()[0]
    _, _, *digits = clip.text.split()
    dataset.edit(clip.id, words=[("location", (1.6, 2.0)), ("code", (2.1, 2.4)), *((it, (2.5, 2.6)) for it in digits)])
    [short] = trim.apply(dataset, [clip.id])
    assert short.words is not None
    cut = clip.duration - short.duration
    assert short.words[0][1] == pytest.approx((1.6 - cut, 2.0 - cut), abs=0.01)

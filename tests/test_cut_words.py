"""A first or last word that is cut off is noticed; one that merely begins early is not."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from voices import Sound, noise, silence, speech, wave

from studio.audio import Waveform, read
from studio.audio.spectrum import HOP, frames_of
from studio.audio.vad import find_voice
from studio.data.quality import Quality, findings, measure


def cut(samples: Sound, rate: int = 16_000) -> tuple[bool, bool]:
    figures = measure(wave(samples, rate))
    return figures.cut_start, figures.cut_end


def voiced(samples: Sound) -> tuple[int, int]:
    """The first and the last loud moment of a clip of speech, in samples."""
    loud = np.flatnonzero(np.abs(samples) > 0.1)
    return int(loud[0]), int(loud[-1])


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_speech_from_the_first_or_up_to_the_last_sample_is_a_cut_word(rate: int) -> None:
    whole = speech(rate)
    first, last = voiced(whole)
    assert cut(whole, rate) == (False, False)
    assert cut(whole[first + rate // 50 :], rate) == (True, False)
    assert cut(whole[: last - rate // 50], rate) == (False, True)


def test_a_cut_word_asks_for_another_recording_and_the_others_are_left_alone() -> None:
    whole = speech()
    first, _ = voiced(whole)
    figures = measure(wave(whole[first + 400 :]))
    [found] = findings(figures, duration=3.0)
    assert (found.code, found.verdict) == ("cut", "look")
    assert found.what == "The first word may be cut off."
    assert found.remedy == "Record it again. Wait a moment before you speak."
    assert findings(figures, duration=3.0, is_synthetic=True) == []
    assert findings(measure(wave(whole)), duration=3.0) == []


def test_a_key_that_is_pressed_at_the_start_or_the_end_is_no_word() -> None:
    whole, thump = speech(), noise(480, 0.15, 5)  # 30 ms
    assert cut(np.concatenate([thump, whole])) == (False, False)
    assert cut(np.concatenate([whole, thump])) == (False, False)


def test_a_noisy_room_at_the_edges_is_no_word() -> None:
    whole = speech()
    assert cut(whole + noise(len(whole), 0.02, 9)) == (False, False)
    assert cut(silence(3.0)) == (False, False)


def test_figures_from_before_stay_known_and_say_nothing_of_cut_words() -> None:
    stored = {key: value for key, value in measure(wave(speech())).stored().items() if not key.startswith("cut")}
    known = Quality.known(stored)
    assert known is not None
    assert not known.cut_start


def test_of_real_recordings_two_in_three_cut_ones_are_found_and_hardly_a_whole_one_is_accused(
    speech_folder: Path,
) -> None:
    """With a seed: the cuts fall anywhere in the speech, also into pauses and closed consonants, which nobody hears."""
    rng = np.random.default_rng(0)
    rows = [json.loads(line) for line in (speech_folder / "metadata.jsonl").read_text().splitlines()]
    files = sorted(row["file_name"] for row in rows if row["file_name"].startswith(("kathleen", "speechocean")))
    count: Counter[str] = Counter()
    for name in rng.choice(files, 60, replace=False):
        whole = read(speech_folder / name)
        voice = np.flatnonzero(find_voice(frames_of(whole), whole.duration).speaking)
        first, last = voice[len(voice) // 4], voice[-len(voice) // 4]
        count["accused"] += any(cut(whole.samples))
        count["starts"] += _cut(whole, first, None)[0]
        count["ends"] += _cut(whole, None, last)[1]
    assert count["accused"] <= 1
    assert min(count["starts"], count["ends"]) >= 40, count


def _cut(whole: Waveform, first: int | None, last: int | None) -> tuple[bool, bool]:
    at = [None if place is None else round(int(place) * HOP * whole.sample_rate) for place in (first, last)]
    return cut(whole.samples[at[0] : at[1]], whole.sample_rate)

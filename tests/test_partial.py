"""Partial texts: the last one is tried first, which saves time and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest
import tiny_models

from studio.audio import read
from studio.errors import CancelledError
from studio.inference.worker import Worker
from studio.inference.worker.host import ModelHost
from studio.models import Clip, Recogniser, load
from studio.models.frames import with_short_frames
from studio.starter import UNHEARD_FOLDER

SOUND = read(sorted(UNHEARD_FOLDER.rglob("*.flac"))[0], 16_000).samples


def texts(recogniser: Recogniser, clip: Clip, draft: str) -> tuple[str, list[str]]:
    """What is read, the confidences rounded, with the texts that were told on the way."""
    told: list[str] = []
    read = recogniser.family.transcribe(recogniser.model, recogniser.processor, clip, told.append, draft)
    words = [(word, round(chance, 3)) for word, chance in read.words or []]
    return f"{read.text} {words} {read.confidence:.4f}", told


@pytest.mark.parametrize(
    "write",
    [
        tiny_models.moonshine,
        pytest.param(tiny_models.moonshine_streaming, marks=pytest.mark.thorough),
        pytest.param(tiny_models.whisper, marks=pytest.mark.thorough),
    ],
)
def test_a_draft_changes_nothing_whether_it_holds_in_part_or_not_at_all(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    recogniser, clip = load(write(tmp_path), "cpu"), Clip(tiny_models.noise(1.0))
    whole, told = texts(recogniser, clip, "")
    own = told[-1]
    for draft in (own, own[: len(own) // 2], own + " and more of it" * 9, "order 12", own[: len(own) // 2] + "zzz"):
        assert texts(recogniser, clip, draft)[0] == whole
        assert texts(recogniser, clip, draft)[1][-1:] in ([own], [])


def test_a_growing_utterance_is_read_as_without_drafts(tmp_path: Path) -> None:
    from studio.audio import write_wav

    held, path = ModelHost(), tmp_path / "so-far.wav"
    for seconds in (0.5, 1.0, 1.5, 2.0, 2.5):
        write_wav(path, SOUND[: round(seconds * 16_000)], 16_000)
        partial, whole = held.partial("starter", [], str(path)), held.transcribe("starter", [], str(path))
        assert (partial["text"], len(partial["words"])) == (whole["text"], len(whole["words"]))
        assert partial["confidence"] == pytest.approx(whole["confidence"], abs=1e-5)


def test_whisper_reads_a_partial_text_in_short_frames_and_the_whole_utterance_as_it_is_asked(tmp_path: Path) -> None:
    from studio.audio import write_wav

    held, model, path = ModelHost(), tiny_models.whisper(tmp_path / "base"), tmp_path / "so-far.wav"
    write_wav(path, SOUND[:32_000], 16_000)
    whole, clip = load(model, "cpu"), Clip(read(path, 16_000).samples)
    short, long = (
        one.family.transcribe(one.model, one.processor, clip).confidence for one in (with_short_frames(whole), whole)
    )
    assert held.partial(str(model), [], str(path))["confidence"] == pytest.approx(short, abs=1e-5)
    assert held.transcribe(str(model), [], str(path))["confidence"] == pytest.approx(long, abs=1e-5)
    for asked, expected in ((True, short), (False, long)):
        (reading,) = held.transcribe_each(str(model), [], str(path), [], 2.0, short_frames=asked)
        assert reading["plain"]["confidence"] == pytest.approx(expected, abs=1e-5)
    assert abs(short - long) > 1e-4


def test_a_partial_text_is_given_up_where_another_request_waits(tmp_path: Path) -> None:
    from studio.audio import write_wav

    path = tmp_path / "so-far.wav"
    write_wav(path, SOUND, 16_000)
    held = ModelHost(lambda: True)
    with pytest.raises(CancelledError):
        held.partial("starter", [], str(path))
    assert held.transcribe("starter", [], str(path))["text"]


@pytest.mark.thorough
def test_a_worker_that_is_interrupted_gives_up_the_partial_text_alone(tmp_path: Path) -> None:
    from studio.audio import write_wav

    path, worker = tmp_path / "said.wav", Worker()
    write_wav(path, SOUND, 16_000)
    try:
        worker.interrupt()  # nothing runs yet
        whole = worker.transcribe(path, "starter").text
        worker.interrupt()  # nothing to give up
        for ask, given_up in ((worker.partial, True), (worker.transcribe, False)):
            with ThreadPoolExecutor() as pool:
                asked = pool.submit(ask, path, "starter")
                while not asked.done():
                    worker.interrupt()
                    sleep(0.005)
            assert isinstance(asked.exception(), CancelledError) is given_up
        assert worker.partial(path, "starter").text == whole
    finally:
        worker.close()


def test_of_a_draft_that_holds_only_the_rest_is_written() -> None:
    recogniser, clip = load("starter", "cpu"), Clip(SOUND)
    whole, told = texts(recogniser, clip, "")
    again, shorter = texts(recogniser, clip, told[-1])
    assert again == whole
    assert len(shorter) <= 1 < len(told)

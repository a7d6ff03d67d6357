"""A studio that is killed while two pages record, correct and delete: what it acknowledged is there afterwards."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import httpx
import pytest
from browsing import Served, served
from sounds import encoded, recording
from voices import speech

from studio.data.manifest import Dataset

KILLS = int(os.environ.get("STUDIO_KILLS", "40"))
RATE = 16_000


def record(studio: Served, page: str, confirmed: list[tuple[str, str]]) -> None:
    """Save takes, and correct each right after, until the studio is gone; notes what it has acknowledged."""
    with studio.client() as client:
        for number in range(10_000):
            loudness = random.Random(f"{page} {number}").uniform(0.3, 1.0)  # no two takes are the same recording
            sound = encoded(speech()[:RATE] * loudness, RATE)
            said = {"text": f"take {number} of {page}", "prompt": "x"}
            try:
                answer = client.post("studio/record/voice", files={"audio": ("a.wav", sound, "audio/wav")}, data=said)
                clip = answer.raise_for_status().json()["clip"]["id"]
                confirmed.append((clip, said["text"]))
                edited = {"text": f"{said['text']}, corrected"}
                client.post(f"studio/clips/voice/{clip}", json=edited).raise_for_status()
                confirmed[-1] = (clip, edited["text"])
            except httpx.TransportError:
                return


@pytest.mark.thorough
@pytest.mark.timeout(3600)
def test_what_a_killed_studio_acknowledged_is_there(tmp_path: Path) -> None:
    chance = random.Random(1)
    confirmed: list[tuple[str, str]] = []
    for kill in range(KILLS):
        with served(tmp_path) as studio:
            pages = [
                threading.Thread(target=record, args=(studio, f"page {page}, studio {kill}", confirmed))
                for page in range(2)
            ]
            for page in pages:
                page.start()
            threading.Event().wait(chance.uniform(0.05, 1.0))
            studio.process.kill()
            for page in pages:
                page.join()
        dataset = Dataset(tmp_path / "recordings" / "voice")
        texts = {clip.id: clip.text for clip in dataset.utterances()}
        for clip, text in confirmed:
            assert texts[clip].startswith(text), f"kill {kill}: {clip} is “{texts[clip]}”, not “{text}”"
        dataset.add(recording(kill), text=f"after kill {kill}")  # any write puts in order what was cut short
        assert dataset.problems() == []
    assert len(confirmed) > KILLS

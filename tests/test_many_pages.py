"""Fifty pages record at once: nothing that was acknowledged is lost, and one core keeps pace."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from browsing import Served, served
from sounds import encoded

from studio.data.manifest import Dataset

PAGES = int(os.environ.get("STUDIO_PAGES", "50"))
TAKES = 4  # of each page
PERIOD = 6.0  # seconds from one save to the next: three to read the prompt, three to speak
SECONDS, RATE = 3.0, 48_000
FRESH = httpx.Limits(keepalive_expiry=1.0)  # a browser asks again where the server has hung up; httpx does not


def take(number: int) -> bytes:
    """A recording of its own for every number."""
    times = np.arange(round(SECONDS * RATE)) / RATE
    voiced = (np.sin(times * 7 + number) > 0) & (times > 0.4) & (times < SECONDS - 0.4)
    noise = np.random.default_rng(number).normal(0, 0.001, len(times))
    return encoded((np.sin(2 * np.pi * (150 + number) * times) * 0.3 * voiced + noise).astype(np.float32), RATE)


def record(studio: Served, page: int, start: threading.Barrier, waits: list[float], saved: list[str]) -> None:
    """What the page of one person asks for: the card of each take, then to keep it, then how far it is."""
    with studio.client(limits=FRESH) as client:
        sounds = [take(page * TAKES + number) for number in range(TAKES)]
        start.wait()
        time.sleep(PERIOD * page / PAGES)
        for number, sound in enumerate(sounds):
            began = time.monotonic()
            text = f"prompt {number} of page {page}"
            files = {"audio": ("a.wav", sound, "audio/wav")}
            client.post("studio/quality/crowd", files=files, data={"text": text}).raise_for_status()
            asked = time.monotonic()
            answer = client.post("studio/record/crowd", files=files, data={"text": text, "prompt": text})
            waits.append(time.monotonic() - asked)
            saved.append(answer.raise_for_status().json()["clip"]["id"])
            client.get("studio/progress/crowd").raise_for_status()
            time.sleep(max(0.0, PERIOD - (time.monotonic() - began)))


@pytest.mark.thorough
def test_fifty_pages_lose_nothing_and_one_core_keeps_pace_with_them(tmp_path: Path) -> None:
    waits, saved = list[float](), list[str]()
    with served(tmp_path) as studio:
        start = threading.Barrier(PAGES)
        pages = [threading.Thread(target=record, args=(studio, page, start, waits, saved)) for page in range(PAGES)]
        before = sum(psutil.Process(studio.process.pid).cpu_times()[:2])
        for page in pages:
            page.start()
        for page in pages:
            page.join()
        spent = sum(psutil.Process(studio.process.pid).cpu_times()[:2]) - before
    half, slow = np.quantile(waits, [0.5, 0.95])
    print(
        f"{len(saved)} saves: p50 {half:.2f} s, p95 {slow:.2f} s, {spent / len(saved) * 1000:.0f} ms of processor each"
    )
    kept = {clip.id for clip in Dataset.open(tmp_path / "recordings" / "crowd").utterances()}
    assert len(set(saved)) == PAGES * TAKES
    assert set(saved) == kept
    assert spent / len(saved) <= PERIOD / PAGES, "how long a save waits depends on what else the machine does"

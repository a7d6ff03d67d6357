"""How long who speaks into the page waits: `python tests/benchmarks/speaking.py [--times N] [--threads N] [--hold]`.

Chromium's fake microphone says a sentence of about five seconds, hands-free (or while the key is held), to the starter
with one adapter. Told is what the page itself tells: the seconds from the last word until both texts stand there, of
which hands-free 0.8 s are the pause that ends the turn, and held 0.3 s are kept after the key comes up. Turns with and
without texts in between alternate: those must not make the last one later.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from browsing import PATIENCE, Served, chromium, microphone_file, opened, served, show_tab, speech
from playwright.sync_api import Browser, Page, Route, expect

from studio.models import adapters, load
from studio.runs.folder import RunFolder

SENTENCE = "order number seven three zero nine two eight four extension forty seven please"
TOLD = re.compile(r"came (\d+(?:\.\d+)?) (ms|s) after you stopped")
PARTIAL = "**/listen/partial"


def write_run(run: RunFolder) -> None:
    """A run with an adapter that changes nothing yet costs what any costs."""
    adapters.save(adapters.attach(load("starter", "cpu"), 8, 16, 0.0, "deep", 0), run.adapter)
    run.config.write_text(json.dumps({"model": "starter", "dataset": "voice"}))
    run.done.touch()


def refused(route: Route) -> None:
    """Answer at once, without a model."""
    route.abort()


def turn(page: Page, held: float) -> tuple[float, int]:
    """Seconds until both texts of one turn stand there, and how many texts came in between; `held` seconds or 0."""
    partials: list[str] = []
    page.on("response", note := lambda answer: partials.append(answer.url) if "partial" in answer.url else None)
    page.keyboard.down("t")
    if held:
        expect(page.locator(".li")).to_have_attribute("data-phase", "recording")
        page.wait_for_timeout(1000 * held)
    page.keyboard.up("t")
    expect(page.locator(".li-message")).to_contain_text("after you stopped", timeout=2 * PATIENCE)
    told = TOLD.search(page.locator(".li-message").inner_text())
    page.keyboard.press("Escape")
    page.remove_listener("response", note)
    page.get_by_role("button", name="Transcribe this utterance again").click()  # the message says how to speak again
    expect(page.locator(".li-message")).not_to_contain_text("after you stopped", timeout=PATIENCE)
    expect(page.locator(".li-state")).not_to_have_text("Transcribing", timeout=PATIENCE)
    assert told is not None
    return float(told[1]) / (1000 if told[2] == "ms" else 1), len(partials)


def measured(studio: Served, browser: Browser, times: int, held: float) -> None:
    """Print both sides."""
    taken: dict[str, list[tuple[float, int]]] = {"with": [], "without": []}
    with opened(browser, studio.url, permissions=["microphone"]) as page:
        show_tab(page, "4 Test")
        expect(page.locator(".li-ready")).to_have_text("Ready", timeout=2 * PATIENCE)
        if not held:
            page.get_by_role("radio", name="Hands-free", exact=True).check(force=True)
        turn(page, held)
        for number in range(2 * times):
            page.unroute(PARTIAL)
            if number % 2:
                page.route(PARTIAL, refused)
            taken["without" if number % 2 else "with"].append(turn(page, held))
    for side, turns in taken.items():
        waits = [wait for wait, _ in turns]
        partials = statistics.mean(count for _, count in turns)
        print(f"{side:8}{statistics.median(waits):10.2f}{max(waits):12.2f}{partials:18.1f}")


def main() -> None:
    """Print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--hold", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="studio-benchmark-") as folder:
        samples = speech(SENTENCE)
        microphone = microphone_file(Path(folder) / "said.wav", samples, lead=0.8)
        seconds = len(samples) / 44_100
        print(f"{seconds:.1f} s of speech, {options.times} times on each side")
        print("texts in between  median, s  longest, s  of them a turn")
        write_run(RunFolder(Path(folder) / "outputs" / "voice-0001"))
        with served(Path(folder), OMP_NUM_THREADS=str(options.threads)) as studio, chromium(microphone) as browser:
            measured(studio, browser, options.times, held=seconds + 0.8 if options.hold else 0)


if __name__ == "__main__":
    main()

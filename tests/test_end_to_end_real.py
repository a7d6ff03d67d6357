"""The same quarter of an hour with a real model and a real person: Moonshine tiny, and a man who says digits.

With STUDIO_ARTEFACTS=FOLDER the live view and the answer are photographed there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from browsing import MICROPHONE_RATE, await_mode, chromium, opened, served, show_tab
from spoken import Microphone, between
from test_end_to_end import PAUSE, photograph, photographed_if_it_fails, trains
from voices import Sound

from studio import audio
from studio.evaluation.evaluate import Evaluation
from studio.models.catalogue import TINY

RECORDED = 12

pytestmark = [pytest.mark.thorough, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache of models with Moonshine tiny, as `studio fetch` leaves it."""
    unpack = Path(__file__).resolve().parents[2] / "shared" / "models" / "unpack.py"
    if not unpack.is_file():
        pytest.skip("the real models are absent: they belong in shared/models beside the project")
    folder = tmp_path / "cache" / "speech-studio" / TINY.replace("/", "--")
    folder.mkdir(parents=True)
    subprocess.run([sys.executable, str(unpack), "moonshine-tiny", str(folder)], check=True, capture_output=True)
    return tmp_path / "cache" / "hub"


def spoken_digits(folder: Path) -> list[tuple[str, Sound]]:
    """What Theo says, and how it sounds."""
    rows = map(json.loads, (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines())
    mine = [row for row in rows if (row["set"], row["speaker"]) == ("fsdd_connected", "fsdd_theo")]
    return [
        (row["text"], between(PAUSE, audio.read(folder / row["file_name"], MICROPHONE_RATE).samples, PAUSE))
        for row in mine[: RECORDED + 1]
    ]


def test_a_person_teaches_moonshine_to_write_words_and_hears_the_difference(
    tmp_path: Path, cache: Path, speech_folder: Path
) -> None:
    *recorded, (held_out, sound) = spoken_digits(speech_folder)
    with served(tmp_path, HF_HUB_CACHE=str(cache)) as studio, chromium() as browser:
        with studio.client() as client:
            lines = "\n".join(text for text, _ in recorded)
            client.post("studio/prompts/my-voice", json={"script": "own", "text": lines}).raise_for_status()
        with opened(browser, studio.url, permissions=["microphone"]) as page, photographed_if_it_fails(page):
            assert page.evaluate("window.studio.model()") == TINY  # what nobody chose
            microphone = Microphone(page)
            for text, said in recorded:
                page.wait_for_function("text => document.querySelector('.rec-prompt').textContent === text", arg=text)
                page.locator("[data-do=main]").click()
                microphone.say(said)
                await_mode(page, "recording")
                page.keyboard.press("Space")
                await_mode(page, "review")
                page.keyboard.press("Control+Enter")
                page.locator(".rec-saved, .rec-prompt").first.wait_for()
            run = trains(page, tmp_path)
            before, after = Evaluation.read(run.baseline), Evaluation.read(run.tuned)
            assert before is not None
            assert after is not None
            assert after.score.wer < before.score.wer
            page.reload()
            show_tab(page, "4 Test")
            page.wait_for_function("document.querySelector('.li-ready').textContent.includes('eady')")
            page.locator(".li-hold").hover()
            page.mouse.down()
            microphone.say(sound)
            page.mouse.up()
            page.locator(".li-keep").wait_for()
            written = [page.locator(f".li-{which} .li-text").inner_text() for which in ("before", "after")]
            photograph(page, "spoken-real")
            assert written[0] != written[1]
            assert page.locator(".li-said").input_value().split() == held_out.split()  # what it wrote, to be corrected

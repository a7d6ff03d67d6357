"""The newcomer's first quarter of an hour, in the real page, in a real browser, with a voice the starter never heard.

It hears exact samples (see spoken.py), so the clips, their verdicts and the run are the same on a busy machine and an
idle one. With STUDIO_ARTEFACTS=FOLDER every tab is photographed there, on a desk and on a phone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browsing import MICROPHONE_RATE, await_drawn, await_mode, chromium, opened, served, show_tab
from playwright.sync_api import Page, expect
from spoken import Microphone, between
from voices import Sound

from studio import audio
from studio.data.manifest import Dataset
from studio.runs.folder import RunFolder
from studio.starter import domain, synthesis
from studio.text import digits_to_words, words_to_digits

PROMPTS = 8
PAUSE = 0.5  # seconds of silence before the voice and after it
RUN_MINUTES = 30  # only for what hangs
VOICE = synthesis.voice("flite:awb")
TABS = ("1 Record", "2 Review", "3 Train", "4 Test", "5 Export")
LOOKS = [(1440, 900, "light"), (390, 844, "dark")]
FAILURE = "failure"
WANTS_PICTURES = "STUDIO_ARTEFACTS" in os.environ
ARTEFACTS = Path(os.environ.get("STUDIO_ARTEFACTS") or Path(__file__).parent.parent / ".artefacts")

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(3600)]


def voice(sentence: str) -> Sound:
    """`sentence` as it is read aloud."""
    samples, rate = synthesis.synthesise(domain.spoken(words_to_digits(digits_to_words(sentence))), VOICE)
    return between(PAUSE, audio.resample(samples, rate, MICROPHONE_RATE), PAUSE)


@pytest.mark.skipif(not synthesis.available(VOICE.engine), reason=f"install the package {VOICE.engine}")
def test_a_newcomer_records_trains_and_reads_the_difference(tmp_path: Path) -> None:
    with served(tmp_path) as studio, chromium() as browser:
        with opened(browser, studio.url, permissions=["microphone"]) as page, photographed_if_it_fails(page):
            microphone = Microphone(page)
            dataset = records_prompts(page, microphone, tmp_path)
            run = trains(page, tmp_path)
            speaks_and_keeps_a_correction(page, microphone, dataset, run)
        for width, height, scheme in LOOKS if WANTS_PICTURES else []:
            look = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
            with opened(browser, studio.url, permissions=["microphone"], **look) as page:
                photographs(page, f"{width}-{scheme}")


@contextmanager
def photographed_if_it_fails(page: Page) -> Iterator[None]:
    """What the page showed when an assertion failed, kept beside the other pictures."""
    try:
        yield
    except BaseException:
        photograph(page, FAILURE)
        raise


def records_prompts(page: Page, microphone: Microphone, workspace: Path) -> Dataset:
    """Some prompts, with a reload before the last; the third label is edited."""
    page.get_by_role("radio", name="Numbers", exact=True).check()
    page.get_by_role("radio", name="as words", exact=True).check()
    for number in range(PROMPTS):
        prompt = page.locator(".rec-prompt").inner_text()
        if number == PROMPTS - 1:
            page.reload()
            page.locator(".rec-pill").first.wait_for()
            assert page.locator(".rec-prompt").inner_text() == prompt, "the page comes back to where it was"
        page.locator("[data-do=main]").click()
        microphone.say(voice(prompt))
        await_mode(page, "recording")
        page.keyboard.press("Space")
        await_mode(page, "review")
        if number == 2:
            page.keyboard.press("e")  # to the label, without the mouse
            page.keyboard.press("End")
            page.keyboard.type(" please")
        page.keyboard.press("Control+Enter")
        page.wait_for_function("text => document.querySelector('.rec-prompt').textContent !== text", arg=prompt)
    dataset = Dataset.open(workspace / "recordings" / "my-voice")
    clips = dataset.utterances()
    assert len(clips) == PROMPTS
    assert [clip.text.endswith(" please") for clip in clips] == [number == 2 for number in range(PROMPTS)]
    assert not any(digit.isdigit() for clip in clips for digit in clip.text), "labels are words, as was chosen"
    return dataset


def trains(page: Page, workspace: Path) -> RunFolder:
    """A Quick run. The page is loaded again meanwhile, and finds it with its whole history; half-way it is stopped
    and saved, for by then it has learnt to write digits as words.
    """
    patience = RUN_MINUTES * 60_000
    show_tab(page, "3 Train")
    page.get_by_text("Quick", exact=True).click()
    page.locator(".train-start").click()
    page.locator(".live-name").wait_for()
    expect(page.locator(".live-times")).to_contain_text("step", timeout=patience)
    page.reload()
    show_tab(page, "3 Train")
    page.locator(".live-name").wait_for()
    photograph(page, "training")
    name = page.locator(".live-name").inner_text()
    curve = page.locator(".train-run [data-chart=loss]")
    expect(curve).to_have_attribute("aria-label", re.compile(r" at step [23]\d,"), timeout=patience)
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("dialog", name="Stop this run?").get_by_role("button", name="Stop and save").click()
    expect(page.locator(".live-pill")).to_have_text("Stopped", timeout=patience)
    run = RunFolder(workspace / "outputs" / name)
    assert run.done.exists()
    assert run.report.exists()
    return run


def speaks_and_keeps_a_correction(page: Page, microphone: Microphone, dataset: Dataset, run: RunFolder) -> None:
    """Before and after differ, and what the person corrects becomes a clip that never measures."""
    show_tab(page, "4 Test")
    button = page.locator(".li-hold")
    page.wait_for_function("document.querySelector('.li-ready').textContent.includes('eady')")
    button.hover()
    page.mouse.down()
    microphone.say(voice("order number 7 3 0 9 2 8 4"))
    page.mouse.up()
    page.locator(".li-keep").wait_for()
    before = page.locator(".li-before .li-text").inner_text()
    after = page.locator(".li-after .li-text").inner_text()
    assert before
    assert after
    assert before != after
    photograph(page, "spoken")
    page.locator(".li-said").fill("order number seven three zero nine two eight four")
    page.locator(".li-save").click()
    page.locator(".li-kept").get_by_text("Kept in").wait_for()
    kept = dataset.utterances()[-1]
    assert (kept.source, kept.text) == ("live", "order number seven three zero nine two eight four")
    assert kept.split != "test"


def photographs(page: Page, look: str) -> None:
    """Every tab, kept for a person to look at."""
    for tab in TABS:
        show_tab(page, tab)
        await_drawn(page)
        photograph(page, f"{tab[2:].lower()}-{look}")


def photograph(page: Page, name: str) -> None:
    """The whole page as it is now, where pictures are wanted or something failed."""
    if not WANTS_PICTURES and name != FAILURE:
        return
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)

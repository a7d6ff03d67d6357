"""The Test tab with a model that writes while it hears: words and their times appear before the turn is over."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timed
import tiny_models
from browsing import MICROPHONE_RATE, Served, opened, show_tab, violations
from candles import write_candle
from finished import finished
from playwright.sync_api import Browser, Locator, Page, expect
from spoken import Microphone, silence
from test_pauses import spiking, teach
from timed import RATE

from studio.audio import resample
from studio.models import Clip, load
from studio.models.adapters import attach, save, trainable

SAID = timed.clip(["order", "number", "four", "seven"])
WHOLE = 60_000  # ms that a turn may take to be written: where sound was lost on the way it never will be
LEADS = (0.0, 0.11, 0.26, 0.45, 0.8, 1.1)  # seconds of quiet before it: where in a frame a take begins is chance


def learnt(first: str) -> list[Clip]:
    """SAID as the page's microphone hears it, after some quiet, with `first` as its first word."""
    sound = resample(resample(SAID.samples, RATE, MICROPHONE_RATE), MICROPHONE_RATE, RATE)
    clips = []
    for lead in LEADS:
        words = [(word, (start + lead, end + lead)) for word, (start, end) in SAID.words or ()]
        words[0] = (first, words[0][1])
        samples = np.concatenate([np.zeros(round(lead * RATE), np.float32), sound, np.zeros(RATE, np.float32)])
        clips.append(Clip(samples, " ".join(word for word, _ in words), f"{lead}", words))
    return clips


@pytest.fixture(scope="module", autouse=True)
def run(studio: Served) -> str:
    """A run whose adapter writes “please” where its base model writes “order”."""
    root = studio.workspace
    recogniser = load(tiny_models.kyutai(root / "random"), "cpu")
    teach(recogniser, learnt("order"), [*recogniser.model.model.parameters(), *recogniser.model.lm_head.parameters()],
          120, 4e-3)  # fmt: skip
    recogniser.family.save(recogniser.model, recogniser.processor, model := root / "phone-line")
    write_candle(model, weights=spiking(recogniser, learnt("order"), ["▁four", "▁seven"]))
    tuned = attach(load(model, "cpu"), 8, 16, 0.0, "full", seed=0)
    teach(tuned, learnt("please"), trainable(tuned), 60, 1e-2)
    folder = finished(root, "words", ["order"], ["order"], ["please"], model=str(model))
    save(tuned, folder.adapter)
    return "words"


@pytest.fixture
def page(browser: Browser, studio: Served) -> Iterator[Page]:
    with opened(browser, studio.url, permissions=["microphone"]) as page:
        show_tab(page, "4 Test")
        expect(page.locator(".li-ready")).to_have_text("Ready")
        yield page


def words_on(page: Page) -> dict[str, list[tuple[str, float]]]:
    """The words of each row with the seconds below them. On a busy machine the base may have been left off."""
    rows = page.locator(".li-live-row").all()
    return {row.locator("b").inner_text(): [timed_word(text) for text in texts(row)] for row in rows}


def texts(row: Locator) -> list[str]:
    return row.locator(".li-live-word").all_inner_texts()


def timed_word(text: str) -> tuple[str, float]:
    word, seconds, _ = text.split()
    return word, float(seconds)


def say(page: Page, microphone: Microphone) -> None:
    """Hold the button and say SAID, with time for its last word to be written."""
    page.locator(".li-hold").hover()
    page.mouse.down()
    microphone.say(np.concatenate([silence(0.5), resample(SAID.samples, RATE, MICROPHONE_RATE), silence(1.0)]))


@pytest.mark.thorough
@pytest.mark.browser
def test_words_appear_while_one_speaks_with_their_times_and_are_those_of_the_answer(page: Page) -> None:
    microphone = Microphone(page)
    answers: list[Any] = []
    page.on("response", lambda answer: answers.append(answer.json()) if answer.url.endswith("listen/hear") else None)
    expect(page.locator(".li-sofar")).to_be_hidden()
    say(page, microphone)
    expect(page.locator(".li-live-row").last).to_contain_text("seven", timeout=WHOLE)
    expect(page.locator(".li")).to_have_attribute("data-phase", "recording")  # before the turn is over
    rows = words_on(page)
    assert {name: words[0][0] for name, words in rows.items()}.items() <= {"Before": "order", "After": "please"}.items()
    assert "After" in rows
    assert violations(page) == []
    title = page.locator(".li-live-row").last.locator(".li-live-word").first.get_attribute("title") or ""
    assert re.fullmatch(r"begins at \d\.\d\d s, \d+ % sure", title)
    assert float(title.split()[2]) == pytest.approx(rows["After"][0][1], abs=0.051)
    page.mouse.up()
    expect(page.locator(".li-keep")).to_be_visible()
    expect(page.locator(".li-live")).to_be_empty()
    page.wait_for_timeout(0)
    (answer,) = answers
    offline = dict(zip(("Before", "After"), answer["columns"], strict=True))
    for name, seen in rows.items():
        column = offline[name]
        assert [word for word, _ in seen] == [word for word, _ in column["plain"]["words"]]
        assert [at for _, at in seen] == pytest.approx(column["plain"]["starts"], abs=0.051)
    expect(page.locator(".li-after .li-text")).to_contain_text("please")


@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1440), ("dark", 390), ("light", 390)])
@pytest.mark.thorough
def test_words_and_pauses_are_readable_in_the_dark_and_on_a_phone(
    browser: Browser, studio: Served, scheme: str, width: int
) -> None:
    look: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": width, "height": 844}}
    with opened(browser, studio.url, permissions=["microphone"], **look) as page:
        show_tab(page, "4 Test")
        expect(page.locator(".li-ready")).to_have_text("Ready")
        say(page, Microphone(page))
        expect(page.locator(".li-live-row").last).to_contain_text("seven", timeout=WHOLE)
        shot(page, f"live-{scheme}-{width}")
        assert violations(page) == []
        page.mouse.up()
        expect(page.locator(".li-keep")).to_be_visible()
        page.locator(".li-end summary").click()
        expect(page.locator(".li-end-row")).to_have_count(2)
        expect(page.locator(".li-end-row").last.locator(".li-end-words span")).to_have_count(4)
        page.locator(".li-end").scroll_into_view_if_needed()
        shot(page, f"turn-{scheme}-{width}")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.locator(".li-end summary").click()  # folded again for the tests that follow


def shot(page: Page, name: str) -> None:
    """Keep a picture for whoever looks, where STUDIO_PICTURES names a folder."""
    if folder := os.environ.get("STUDIO_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

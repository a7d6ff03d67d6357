"""The quality card while recording, trimming, and the Check dialog: the real page, with a fake microphone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from browsing import (
    Served,
    await_mode,
    opened,
    show_tab,
    speech,
    violations,
)
from playwright.sync_api import Browser, Page
from spoken import Microphone, between
from voices import TEXT, Sound, steps
from voices import speech as voice

from studio.audio import wav_bytes
from studio.data.manifest import Dataset, Utterance

QUIET = 1.6  # seconds before the sentence and after it


def hesitant() -> Sound:
    """A sentence between two silences, in a room: such a one is never quite silent."""
    said = between(QUIET, speech("order number three five one three nine three three"), QUIET)
    return said + np.random.default_rng(0).normal(0, 0.0005, len(said)).astype(np.float32)


@pytest.fixture
def page(studio: Served, browser: Browser) -> Iterator[Page]:
    studio.forget_everything()
    with opened(browser, studio.url, permissions=["microphone"]) as page:
        yield page


def dataset_of(studio: Served) -> Dataset:
    return Dataset.create(studio.workspace / "recordings" / "my-voice")


def clips(studio: Served) -> list[Utterance]:
    return dataset_of(studio).utterances()


def marks(page: Page) -> dict[str, str]:
    """The name of each figure on the card, and its mark."""
    found: dict[str, str] = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('.rec-figures li')]
        .map((one) => [one.querySelector('.rec-figure-name').textContent, one.dataset.mark]))"""
    )
    return found


def height_of_card(page: Page) -> float:
    return float(page.evaluate("document.querySelector('.rec-quality').getBoundingClientRect().height"))


def open_check(page: Page) -> None:
    """Press the button of the Review tab's toolbar until its dialog is there: on a busy machine its script is late."""
    page.wait_for_function(
        """() => {
            const dialog = document.querySelector('.chk');
            if (!dialog?.open) document.querySelector('[data-open=check]')?.click();
            return dialog?.open;
        }"""
    )


@pytest.mark.browser
@pytest.mark.thorough
def test_a_take_is_judged_before_it_is_saved_then_trimmed_and_brought_back(page: Page, studio: Served) -> None:
    empty = height_of_card(page)
    page.locator(".rec-countdown").uncheck()
    page.keyboard.press("Space")
    Microphone(page).say(hesitant())
    page.keyboard.press("Space")
    await_mode(page, "review")
    page.wait_for_function("document.querySelector('.rec-figures [data-mark=fine]')")
    assert set(marks(page)) == {"Peak", "Loudness", "Over noise", "Silence", "Pace"}
    assert marks(page)["Loudness"] == "fine"
    assert height_of_card(page) == empty  # nothing jumped
    assert clips(studio) == []
    assert "and save" in page.locator(".rec-trim").inner_text()

    page.wait_for_timeout(700)  # the person reads it: a press that comes sooner is no answer
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Undo").first.wait_for()
    [before] = clips(studio)
    page.locator(".rec-pill").first.click()
    trim = page.locator(".rec-trim")
    offer = page.locator(".rec-trim:has-text('of silence'):enabled")
    offer.wait_for()
    trim.click()
    page.get_by_text("Undo trim").wait_for()
    [after] = clips(studio)
    assert after.id == before.id
    assert after.duration < before.duration - 0.4
    assert (dataset_of(studio).folder / "originals").is_dir()
    assert violations(page) == []

    trim.click()
    offer.wait_for()
    assert clips(studio) == [before]


@pytest.mark.browser
@pytest.mark.thorough
def test_keys_belong_to_an_open_dialog_and_escape_closes_it(page: Page, studio: Served) -> None:
    show_tab(page, "2 Review")
    open_check(page)
    page.get_by_text("There are no clips yet.").wait_for()
    page.locator("#chk-title").click()
    page.keyboard.press("Escape")
    page.wait_for_function("!document.querySelector('.chk').open")
    show_tab(page, "1 Record")
    open_check(page)
    page.locator("#chk-title").click()
    page.keyboard.press("Space")
    assert page.evaluate("document.querySelector('.rec').dataset.mode") == "ready"


@pytest.mark.thorough
@pytest.mark.browser
def test_a_dataset_is_checked_measured_trimmed_and_undone_in_its_dialog(page: Page, studio: Served) -> None:
    dataset = dataset_of(studio)
    for number, gain in enumerate((1.0, 0.025, 1.0)):
        sound = voice(before=2.0 if number else 0.4) * np.float32(gain)
        dataset.add(wav_bytes(steps(sound), 16_000), text=f"{TEXT} {number}", prompt=str(number))
    first = dataset.utterances()[0]
    dataset.edit(first.id, quality=None)
    show_tab(page, "2 Review")
    open_check(page)
    page.get_by_text("1 not measured yet").wait_for()
    page.get_by_role("button", name="Measure 1 clip").click()
    page.get_by_text("3 clips: 1 fine, 2 to look at, 0 to record again.").first.wait_for()
    assert violations(page) == []

    before = dataset.utterances()
    page.get_by_role("button", name="Trim 2 clips").click()
    page.get_by_role("button", name="Undo the trim").click()
    page.get_by_role("button", name="Trim 2 clips").wait_for()
    assert dataset.utterances() == before

    page.get_by_role("button", name="Show the clips: Very quiet").click()
    page.wait_for_function("document.querySelectorAll('#st-review tr[data-place]').length === 1")
    assert page.locator("#rev-query").input_value() == "finding = quiet"

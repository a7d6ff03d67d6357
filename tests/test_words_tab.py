"""Word times on the page: put by a task of the Labels dialog, shown over the waveform, played, moved and undone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from browsing import Served, await_drawn, opened, show_tab, violations
from playwright.sync_api import Browser, Locator, Page, expect
from test_alignment import TEXT, bursts

from studio.audio import wav_bytes
from studio.data.manifest import Dataset, Utterance

WORDS = [("order", (0.3, 0.7)), ("one", (1.0, 1.2)), ("two", (1.5, 1.7)), ("nine", (1.7, 2.3))]  # the last two touch


@pytest.fixture
def dataset(studio: Served) -> Dataset:
    studio.forget_everything()
    dataset = Dataset.create(studio.workspace / "recordings" / "mine")
    samples, _ = bursts(0.4, 0.2, 0.2, 0.3)
    dataset.add(wav_bytes(samples, 16_000), text=TEXT, split="train")
    return dataset


@pytest.fixture
def clip(dataset: Dataset) -> Utterance:
    return dataset.edit(dataset.utterances()[0].id, words=WORDS, words_from="rough")


def in_review(page: Page) -> None:
    show_tab(page, "2 Review")
    page.locator(".rev tbody tr").first.wait_for()
    if page.locator(".rvd-body").is_hidden():  # as on a telephone
        page.locator(".rvd [data-do=dock]").click()
    page.locator(".rvd-word").first.wait_for()
    await_drawn(page)


@pytest.fixture
def page(browser: Browser, studio: Served, clip: Utterance) -> Iterator[Page]:
    with opened(browser, studio.url) as page:
        in_review(page)
        yield page


def times(dataset: Dataset) -> dict[str, tuple[float, float]]:
    return dict(dataset.utterances()[0].words or [])


def word(page: Page, name: str) -> Locator:
    return page.locator(".rvd-words").get_by_role("button", name=name, exact=True)


def saved(page: Page) -> None:
    page.locator(".rev-said").get_by_text("Word times saved.").wait_for()


def test_borders_are_refused_where_they_cross_or_somebody_else_moved_them(
    studio: Served, dataset: Dataset, clip: Utterance
) -> None:
    address, kept = f"/studio/words/mine/{clip.id}", [[word, list(pair)] for word, pair in WORDS]
    with studio.client() as client:
        row = client.get("/studio/review/mine").json()["rows"][0]
        assert (row["timed"], row["timed_by"]) == (kept, "rough")
        crossing = [["order", [0.0, 1.9]], *kept[1:]]
        answers: list[httpx.Response] = [
            client.post(address, json={"words": crossing, "was": kept}),
            client.post(address, json={"words": kept[:3], "was": kept}),
            client.post(address, json={"words": [["order", [0.2, 0.7]], *kept[1:]], "was": crossing}),
        ]
    assert [answer.json()["code"] for answer in answers] == ["DataError", "DataError", "ConflictError"]
    assert "“one” starts before “order” has ended" in answers[0].json()["what"]
    assert times(dataset) == dict(WORDS)


@pytest.mark.thorough
@pytest.mark.browser
def test_a_word_is_played_and_its_borders_moved_by_keys_and_by_hand_and_undone(page: Page, dataset: Dataset) -> None:
    expect(page.locator(".rvd-word")).to_have_text(TEXT.split())
    page.get_by_text("rough", exact=True).wait_for()
    word(page, "two").click()
    page.wait_for_function("document.querySelector('.rvd-time').textContent.startsWith('1.')")  # from its start
    page.wait_for_function("document.querySelector('.rvd [data-do=play] use').href.baseVal.endsWith('#play')")
    at = page.locator(".rvd-plot").get_attribute("aria-valuenow")
    assert at is not None
    assert 1.7 <= float(at) < 2.2  # it ended with the word, not with the clip
    page.keyboard.press("ArrowLeft")
    expect(word(page, "one")).to_be_focused()
    start, end = page.get_by_role("slider", name="Start of “one”"), page.get_by_role("slider", name="End of “one”")
    start.press("ArrowLeft")
    start.press("Shift+ArrowLeft")
    saved(page)
    assert times(dataset)["one"] == (0.94, 1.2)
    assert dataset.utterances()[0].words_from == "hand"
    expect(page.get_by_text("rough", exact=True)).to_be_hidden()
    box, plot = end.bounding_box(), page.locator(".rvd-plot").bounding_box()
    assert box is not None
    assert plot is not None
    second = plot["width"] / dataset.utterances()[0].duration
    place = (box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.move(*place)
    page.mouse.down()
    page.mouse.move(place[0] + second * 0.1, place[1], steps=4)
    page.mouse.move(place[0] + second * 0.2, place[1], steps=4)
    page.mouse.up()
    expect(end).to_have_attribute("aria-valuenow", re.compile(r"1\.(39|40|41)"))
    page.wait_for_function("document.querySelector('.rev-said').textContent.includes('Word times saved')")
    await_drawn(page)
    assert times(dataset)["one"][1] == pytest.approx(1.4, abs=0.02)
    page.locator(".rvd-label").click()
    for wanted in ((0.94, 1.2), (1.0, 1.2)):
        page.keyboard.press("u")
        page.locator(".rev-said").get_by_text("Undone: Word times of").wait_for()
        await_drawn(page)
        assert times(dataset)["one"] == wanted


@pytest.mark.thorough
@pytest.mark.browser
def test_a_neighbour_that_touches_moves_along(page: Page, dataset: Dataset) -> None:
    word(page, "nine").click()
    page.get_by_role("slider", name="Start of “nine”").press("ArrowRight")
    saved(page)
    assert times(dataset)["two"] == (1.5, 1.71)
    assert times(dataset)["nine"] == (1.71, 2.3)


@pytest.mark.thorough
@pytest.mark.browser
@pytest.mark.parametrize(
    ("scheme", "width"),
    [("dark", 390), ("light", 1440), ("dark", 1440)],
)
def test_the_words_have_no_barrier_and_fit_a_telephone(
    browser: Browser, studio: Served, clip: Utterance, scheme: str, width: int
) -> None:
    with opened(browser, studio.url, color_scheme=scheme, viewport={"width": width, "height": 844}) as page:
        in_review(page)
        word(page, "nine").click()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        right = page.locator(".rvd-word").last.evaluate("word => word.getBoundingClientRect().right")
        assert right <= width
        if folder := os.environ.get("STUDIO_PICTURES"):
            page.screenshot(path=Path(folder) / f"words-{scheme}-{width}.png")


@pytest.mark.thorough
@pytest.mark.browser
def test_the_labels_dialog_times_the_words_and_takes_them_back(
    browser: Browser, studio: Served, dataset: Dataset
) -> None:
    with opened(browser, studio.url) as page:
        page.wait_for_function("window.studio?.dataset()")
        page.evaluate("window.studio.open('labels', {selection: {ids: null, query: ''}, tab: 'times'})")
        dialog = page.get_by_role("dialog", name="Labels")
        page.get_by_role("tabpanel", name="Word times").get_by_label("Model").select_option(
            label="Roughly, by loudness and letters"
        )
        if folder := os.environ.get("STUDIO_PICTURES"):
            page.screenshot(path=Path(folder) / "word-times.png")
        dialog.get_by_role("button", name="Time the words of 1 clip").click()
        dialog.get_by_text("Word times of 1 clip.").wait_for()
        dialog.get_by_text("Every label has word times (1 clip roughly).").wait_for()
        assert list(times(dataset)) == TEXT.split()
        assert dataset.utterances()[0].words_from == "rough"
        assert violations(page) == []
        dialog.get_by_role("button", name="Undo").click()
        dialog.get_by_text("Undone: Word times of 1 clip.").wait_for()
        assert times(dataset) == {}

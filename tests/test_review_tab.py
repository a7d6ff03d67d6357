"""The Review tab: ten thousand clips by the page, and what a person does to one of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Served, chromium, opened, served, show_tab, violations
from playwright.sync_api import Page
from sounds import encoded, recording, tone

from studio.data.manifest import Dataset
from studio.ui.review import ROWS, page_of

MANY = 10_000
ATTACK = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


def crowded(folder: Path, count: int = MANY) -> Dataset:
    """A dataset of `count` lines that share a few clips: the list reads labels, not sound."""
    dataset = Dataset.create(folder)
    first = dataset.add(recording(), text="the first sentence")
    line = json.loads(first.to_line())
    with dataset.manifest.open("w") as stream:
        for number in range(count):
            split = ("train", "validation", "test", "unused")[number % 4]
            row = line | {"id": f"clip-{number:05}", "text": f"sentence number {number}", "split": split}
            stream.write(json.dumps(row) + "\n")
    return dataset


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return crowded(tmp_path_factory.mktemp("recordings") / "mine")


def texts(page: dict[str, object]) -> list[str]:
    rows = page["rows"]
    assert isinstance(rows, list)
    return [row["text"] for row in rows]


def test_a_page_holds_fifty_clips_the_latest_first(many: Dataset) -> None:
    page = page_of(many, 0, "", "all")
    assert page["total"] == MANY
    assert len(texts(page)) == ROWS == 50
    assert texts(page)[0] == "sentence number 9999"
    assert texts(page_of(many, 50, "", "all"))[0] == "sentence number 9949"


@pytest.mark.parametrize(("asked", "given"), [(-5, 0), (49, 0), (10**9, MANY - ROWS)])
def test_a_page_beyond_the_list_is_the_nearest_one(many: Dataset, asked: int, given: int) -> None:
    assert page_of(many, asked, "", "all")["first"] == given


def test_a_search_finds_clips_that_hold_every_word_in_any_case(many: Dataset) -> None:
    assert texts(page_of(many, 0, "NUMBER 777 sentence", "all"))[-1] == "sentence number 777"
    assert page_of(many, 0, "number 777", "all")["total"] == 19
    assert page_of(many, 0, "absent", "all")["total"] == 0


def test_a_split_can_be_looked_at_alone(many: Dataset) -> None:
    page = page_of(many, 0, "", "test")
    assert page["total"] == MANY // 4
    assert {row["split"] for row in page["rows"]} == {"test"}


def test_a_page_of_ten_thousand_clips_comes_at_once(many: Dataset) -> None:
    page_of(many, 0, "", "all")  # the first look parses every line
    began = time.perf_counter()
    page_of(many, 5000, "sentence", "all")
    assert time.perf_counter() - began < 2


def test_what_needs_a_look_is_told_with_what_to_do(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path)
    dataset.add(recording(), text="good")
    dataset.add(encoded(tone(level=0.01), 16_000), text="quiet")
    page = page_of(dataset, 0, "", "look")
    assert texts(page) == ["quiet"]
    assert page["rows"][0]["verdict"][0]["remedy"]


def test_the_trash_is_listed_and_comes_back(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path)
    clip = dataset.add(recording(), text="gone")
    dataset.trash([clip.id])
    assert texts(page_of(dataset, 0, "", "trash")) == ["gone"]
    assert page_of(dataset, 0, "", "all")["total"] == 0


# ---- in the browser ----


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("workspace")) as studio:
        yield studio


@pytest.fixture
def dataset(studio: Served) -> Dataset:
    studio.forget_everything()
    dataset = Dataset.create(studio.workspace / "recordings" / "mine")
    for seed, text in enumerate(["first", "second", ATTACK]):
        dataset.add(recording(seed), text=text)
    return dataset


@pytest.fixture
def page(studio: Served, dataset: Dataset) -> Iterator[Page]:
    with chromium() as browser, opened(browser, studio.url) as page:
        show_tab(page, "2 Review")
        page.locator(".rev tbody tr").first.wait_for()
        yield page


def held(page: Page) -> str:
    return page.locator(".rev tr[data-held] .rev-text").inner_text()


@pytest.mark.browser
def test_a_label_is_text_even_where_it_looks_like_markup(page: Page) -> None:
    assert held(page) == ATTACK
    assert page.locator(".rev-text img, .rev-text script").count() == 0
    show_tab(page, "1 Record")
    show_tab(page, "2 Review")
    assert page.evaluate("window.hacked") is None


@pytest.mark.browser
def test_keys_move_play_edit_and_delete_and_the_deletion_is_undone(page: Page, dataset: Dataset) -> None:
    page.keyboard.press("j")
    assert held(page) == "second"
    page.keyboard.press("p")
    page.wait_for_function(
        "document.querySelector('.rev tr[data-held] [data-do=play] use').href.baseVal.endsWith('#pause')"
    )
    page.keyboard.press("e")
    page.keyboard.type("corrected jkx")
    page.keyboard.press("Enter")
    page.get_by_text("Label saved.").wait_for()
    assert "corrected jkx" in [clip.text for clip in dataset.utterances()]
    page.keyboard.press("e")
    page.keyboard.type("given up")
    page.keyboard.press("Escape")
    assert held(page) == "corrected jkx"
    page.keyboard.press("x")
    page.get_by_text("Moved to the trash:").wait_for()
    assert len(dataset.utterances()) == 2
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("document.querySelectorAll('.rev tbody tr').length === 3")
    assert len(dataset.utterances()) == 3


@pytest.mark.browser
def test_an_empty_label_is_refused_where_it_was_written(page: Page, dataset: Dataset) -> None:
    page.keyboard.press("e")
    page.keyboard.press("Delete")
    page.keyboard.press("Enter")
    page.locator(".rev-fault").get_by_text("The label is empty.").wait_for()
    assert held(page) == ATTACK


@pytest.mark.browser
def test_the_tab_has_no_barrier_full_or_empty(page: Page, studio: Served) -> None:
    assert violations(page) == []
    page.get_by_placeholder("Search labels").fill("nothing like this")
    page.get_by_text("Nothing matches").wait_for()
    assert violations(page) == []
    page.get_by_placeholder("Search labels").fill("")
    page.get_by_label("Which clips").select_option("trash")
    page.get_by_text("The trash is empty").wait_for()
    studio.forget_everything()
    page.reload()
    page.locator(".rec-pill").first.wait_for()
    show_tab(page, "2 Review")
    page.get_by_text("No clips yet").wait_for()
    assert violations(page) == []


@pytest.mark.browser
def test_ten_thousand_clips_are_turned_searched_and_edited_fluently(studio: Served) -> None:
    studio.forget_everything()
    dataset = crowded(studio.workspace / "recordings" / "mine")
    with chromium() as browser, opened(browser, studio.url) as page:
        show_tab(page, "2 Review")
        page.get_by_text("1–50 of 10,000").wait_for()
        page.get_by_role("button", name="Next page").click()
        page.get_by_text("51–100 of 10,000").wait_for()
        page.get_by_placeholder("Search labels").fill("number 777")
        page.get_by_text("1–19 of 19").wait_for()
        page.get_by_placeholder("Search labels").blur()
        page.keyboard.press("e")
        page.keyboard.type("found it")
        page.keyboard.press("Enter")
        page.get_by_text("Label saved.").wait_for()
    assert sum(clip.text == "found it" for clip in dataset.utterances()) == 1

"""The Labels dialog: what would change is shown, applied at once, and taken back; a model's work goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Served, opened, show_tab, violations
from playwright.sync_api import Browser, Page
from sounds import recording

from studio.data.manifest import Dataset
from studio.data.store import asr_results
from studio.starter import GENERAL_FOLDER

pytestmark = pytest.mark.browser

TEXTS = ["order 129", "call 555-0199", "please hold", "GO BACK NOW", "yes", "no problem", "next page", "at 10:45"]


@pytest.fixture
def dataset(studio: Served) -> Dataset:
    studio.forget_everything()
    dataset = Dataset.create(studio.workspace / "recordings" / "mine")
    for seed, text in enumerate(TEXTS):
        dataset.add(recording(seed), text=text, split="train")
    return dataset


@pytest.fixture
def page(browser: Browser, studio: Served, dataset: Dataset) -> Iterator[Page]:
    with opened(browser, studio.url) as page:
        page.wait_for_function("window.studio?.dataset()")
        yield page


def labels(page: Page, tab: str = "numbers", selection: str = "{ids: null, query: ''}") -> None:
    """Open the dialog as the button of Review does."""
    page.evaluate(f"window.studio.open('labels', {{selection: {selection}, tab: '{tab}'}})")
    page.get_by_role("dialog", name="Labels").wait_for()


def texts(dataset: Dataset) -> list[str]:
    return [clip.text for clip in dataset.utterances()]


@pytest.mark.thorough
def test_numbers_are_previewed_applied_but_for_what_was_unticked_and_undone(page: Page, dataset: Dataset) -> None:
    show_tab(page, "2 Review")
    page.locator(".rev tbody tr").first.wait_for()
    page.get_by_role("button", name="Labels", exact=True).click()
    page.get_by_role("button", name="Apply to 2 labels").wait_for()
    page.get_by_text("1 label would still differ").wait_for()
    assert page.locator(".lab-table .df-now").first.inner_text().startswith("one two nine")
    page.get_by_label("Change “call 555-0199”").uncheck()
    page.get_by_role("button", name="Apply to 1 label", exact=True).click()
    page.get_by_text("Numbers as words in 1 label.").wait_for()
    assert texts(dataset) == ["order one two nine", *TEXTS[1:]]
    page.get_by_role("button", name="Undo").last.click()
    page.get_by_text("Undone: Numbers as words in 1 label.").wait_for()
    assert texts(dataset) == TEXTS
    page.get_by_role("button", name="Show in Review").click()
    page.wait_for_function("document.querySelector('#rev-query').value === 'has digits'")


@pytest.mark.thorough
def test_a_rule_changes_the_preview_and_the_way_back_is_offered(page: Page) -> None:
    labels(page)
    page.locator(".lab-more summary").click()
    page.get_by_label("10:45, 5 pm").select_option("words")
    page.get_by_role("button", name="Apply to 3 labels").wait_for()
    page.get_by_text("would still differ").wait_for(state="detached")
    page.locator(".lab").get_by_text("As digits").click()
    page.get_by_text("No number words to write as digits").wait_for()


@pytest.mark.thorough
def test_only_the_chosen_clips_are_looked_at(page: Page, dataset: Dataset) -> None:
    labels(page, selection=f"{{ids: ['{dataset.utterances()[0].id}']}}")
    page.get_by_text("1 clip chosen.").wait_for()
    page.get_by_role("button", name="Apply to 1 label", exact=True).wait_for()


@pytest.mark.thorough
def test_a_label_changed_meanwhile_is_not_overwritten(page: Page, dataset: Dataset) -> None:
    labels(page)
    page.get_by_role("button", name="Apply to 2 labels").wait_for()
    dataset.edit(dataset.utterances()[0].id, text="order 777")
    page.get_by_role("button", name="Apply to 2 labels").click()
    page.locator(".lab-fault").get_by_text("Labels have changed since this list was shown.").wait_for()
    page.locator(".lab-table").get_by_text("seven seven seven").wait_for()  # the new list
    assert texts(dataset)[0] == "order 777"


@pytest.mark.thorough
def test_what_stands_out_in_style_is_mended_where_it_is_listed(page: Page, dataset: Dataset) -> None:
    labels(page, "style")
    page.get_by_role("button", name="Mend: All capitals").click()
    page.get_by_role("button", name="Apply to 1 label", exact=True).click()
    page.get_by_text("All capitals in 1 label.").wait_for()
    assert "go back now" in texts(dataset)


@pytest.mark.thorough
def test_the_dialog_has_no_barrier_and_the_arrows_turn_its_tabs(page: Page) -> None:
    labels(page)
    page.get_by_role("button", name="Apply to 2 labels").wait_for()
    assert violations(page) == []
    for name in ("Style", "Pre-label", "Suspects"):
        page.locator(".lab-tabs [aria-selected=true]").press("ArrowRight")
        page.get_by_role("tab", name=name, selected=True).wait_for()
        page.locator(f"{'.lab-finding' if name == 'Style' else '.lab .st-empty:visible'}").first.wait_for()
        assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("dialog", name="Labels").wait_for(state="hidden")


@pytest.mark.thorough
def test_a_model_reads_goes_on_through_a_reload_and_what_it_heard_is_offered(
    browser: Browser, studio: Served, dataset: Dataset
) -> None:
    general = Dataset.open(GENERAL_FOLDER)
    clips = general.utterances()[:3]
    dataset.trash([clip.id for clip in dataset.utterances()])
    for clip in clips:
        dataset.add(Path(general.clip_path(clip)), text="not what was said", split="train")
    with opened(browser, studio.url) as page:
        page.wait_for_function("window.studio?.dataset()")
        labels(page, "heard")
        page.get_by_text("No model has transcribed these clips yet").wait_for()
        page.get_by_role("button", name="Transcribe 3 clips").click()
        page.get_by_text("Transcribing 3 clips").first.wait_for()
        page.reload()
        page.wait_for_function("window.studio?.dataset()")
        labels(page, "heard")  # it goes on, or has ended meanwhile
        page.locator(".lab-sure:visible").wait_for()
        page.get_by_role("slider").fill("0")
        page.get_by_role("button", name="Apply to 3 labels").wait_for()
        assert float(page.locator(".lab-text [style]").first.evaluate("word => getComputedStyle(word).opacity")) >= 0.7
        assert violations(page) == []
        page.get_by_role("button", name="Apply to 3 labels").click()
        page.get_by_text("Transcripts used in 3 labels.").wait_for()
    found = asr_results.read(dataset)
    assert [clip.text for clip in dataset.utterances()] == [found[clip.id].text for clip in dataset.utterances()]

"""“For me”: what was missed, one's own terms, and cards that say why, in the real page."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import Served, opened
from playwright.sync_api import Browser, Page, expect

from studio.data import prompts
from studio.data.manifest import Dataset

pytestmark = pytest.mark.browser


def ask(page: Page, terms: str) -> None:
    page.get_by_label("For me").check()
    page.get_by_label("Your own names and terms").fill(terms)
    page.get_by_role("button", name="Choose sentences").click()


@pytest.mark.thorough
def test_terms_become_cards_that_say_why_and_stay_after_a_reload(studio: Served, browser: Browser) -> None:
    with opened(browser, studio.url) as page:
        ask(page, "Kowalczyk\nkowalczyk")
        expect(page.locator(".rec-why")).to_have_text("“Kowalczyk” is on your list: recorded 0 of 3 times.")
        expect(page.locator(".rec-prompt")).to_contain_text("Kowalczyk")
        expect(page.locator(".rec-lacking")).to_have_text("About 40 clips make a first training worthwhile.")
        page.reload()
        expect(page.locator(".rec-why")).to_contain_text("Kowalczyk")
        expect(page.get_by_label("For me")).to_be_checked()
    (name,) = [path.name for path in (studio.workspace / "recordings").iterdir() if path.is_dir()]
    dataset = Dataset.open(studio.workspace / "recordings" / name)
    assert prompts.load_terms(dataset) == ["Kowalczyk"]
    assert len(prompts.load(dataset)) == 20


@pytest.mark.thorough
def test_a_dialog_closed_without_a_choice_changes_nothing_and_has_no_barriers(studio: Served, browser: Browser) -> None:
    with opened(browser, studio.url) as page:
        page.get_by_role("radio", name="Phrases", exact=True).check()
        expect(page.locator(".rec-why")).to_have_text("")
        page.get_by_label("For me").check()
        expect(page.get_by_role("dialog", name="What to record next")).to_be_visible()
        expect(page.get_by_text("None known yet.")).to_be_visible()
        assert Axe().run(page).response["violations"] == []
        page.keyboard.press("Escape")
        expect(page.get_by_role("radio", name="Phrases", exact=True)).to_be_checked()


@pytest.mark.thorough
def test_a_term_that_is_none_is_refused_where_the_eye_is(studio: Served, browser: Browser) -> None:
    with opened(browser, studio.url) as page:
        ask(page, "x" * 100)
        expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("too long to be a name or a term")

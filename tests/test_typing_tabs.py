"""Typing in the real page, in a real browser: prompts with a planted habit, Review, a run, and a sentence corrected."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browsing import await_drawn, chromium, opened, served, show_tab, violations
from playwright.sync_api import Page, expect

from studio.config import TYPING_STARTER
from studio.data.manifest import Dataset
from studio.runs.folder import RunFolder

PROMPTS = 20
RUN_MINUTES = 30  # only for what hangs

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(3600)]


def test_a_person_types_tunes_and_reads_a_new_sentence_corrected(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with served(tmp_path / "work") as studio, chromium() as browser, opened(browser, studio.url) as page:
        begins_a_typing_dataset(page)
        dataset = types_prompts(page, tmp_path / "work")
        looks_through_the_pairs(page, dataset)
        run = trains(page, tmp_path / "work")
        types_a_sentence_and_keeps_the_correction(page, dataset, run)


@pytest.mark.thorough
def test_on_a_phone_the_tabs_of_typing_fit_and_have_no_barrier(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with served(tmp_path / "work") as studio, chromium() as browser, opened(browser, studio.url) as page:
        begins_a_typing_dataset(page)
        dataset = Dataset.open(tmp_path / "work" / "recordings" / "my-typing")
        for number in range(PROMPTS):
            dataset.add_pair(f"hte {number} htings", f"the {number} things")
        with page.expect_response("**/studio/overview/*"):
            page.set_viewport_size({"width": 390, "height": 844})
            page.reload()
        for tab in ("1 Record", "2 Review", "4 Test"):
            show_tab(page, tab)
            await_drawn(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, f"{tab} fits a phone"
            assert not (wrong := violations(page)), wrong


def begins_a_typing_dataset(page: Page) -> None:
    """The kind is chosen where a dataset is made; every tab then shows what is typed, and no recorder."""
    page.locator("#st-new").get_by_text("New dataset").click()
    page.locator("#st-new input[type=text], #st-new textarea").first.fill("my-typing")
    page.locator("#st-new").get_by_label("Typing").check()
    page.locator("#st-new").get_by_role("button", name="Create").click()
    page.locator(".typ-prompt").wait_for()
    expect(page.locator(".rec-card")).to_be_hidden()


def types_prompts(page: Page, workspace: Path) -> Dataset:
    """Own prompts, typed with “th” as “ht”; Backspace is counted and not applied, pasting is refused."""
    sentences = [f"these are the {number} things" for number in range(PROMPTS)]
    page.locator("[data-do=own]").click()
    page.locator("#typ-own-text").fill("\n".join(sentences))
    page.get_by_role("button", name="Use these").click()
    field = page.locator("#typ-field")
    for number, sentence in enumerate(sentences):
        expect(page.locator(".typ-prompt")).to_have_text(sentence)
        field.press_sequentially(sentence.replace("th", "ht"))
        if number == 0:
            field.press("Backspace")
            expect(page.locator(".typ-back")).to_have_text("Backspace: 1")
            expect(field).to_have_value(sentence.replace("th", "ht"))
            expect(page.locator(".typ-pace")).not_to_have_text("0 characters a minute")
        field.press("Enter")
    expect(page.locator(".typ-done")).to_have_text(f"{PROMPTS} of {PROMPTS} prompts typed")
    dataset = Dataset.open(workspace / "recordings" / "my-typing")
    pairs = dataset.pairs()
    assert [pair.text for pair in pairs] == sentences
    assert all(pair.typed == pair.text.replace("th", "ht") for pair in pairs)
    assert (pairs[0].backspaces, pairs[1].backspaces) == (1, 0)
    assert all(pair.duration > 0 for pair in pairs)
    assert not any(pair.key_times for pair in pairs), "key times are kept only by consent"
    return dataset


def looks_through_the_pairs(page: Page, dataset: Dataset) -> None:
    """A filter, an edit of the typed side, and its undoing."""
    show_tab(page, "2 Review")
    expect(page.locator(".prs-said")).to_contain_text(f"{PROMPTS} pairs of {PROMPTS}")
    page.locator("#prs-query").fill("“things” and edits > 100")
    expect(page.locator(".prs-said")).to_contain_text("0 pairs of")
    page.get_by_role("button", name="With typos").click()
    first = page.locator(".prs-table tbody tr").first.locator("[data-side=typed]")
    before = first.input_value()
    first.fill("htese are")
    first.press("Tab")
    expect(page.locator(".prs-table tbody tr").first).to_contain_text("characters were typed")
    assert any(pair.typed == "htese are" for pair in dataset.pairs())
    page.locator(".prs [data-do=undo]").click()
    expect(page.locator(".prs-table tbody tr").first.locator("[data-side=typed]")).to_have_value(before)


def trains(page: Page, workspace: Path) -> RunFolder:
    """Only typing models are offered, and no setting of sound is shown."""
    show_tab(page, "3 Train")
    page.locator(f"[name=train-model][value={TYPING_STARTER}]").check()
    assert page.locator("[data-knob=replay], [data-knob=augment]").count() == 0
    assert page.locator("[name=train-model][value=starter]").count() == 0
    page.get_by_text("Quick", exact=True).click()
    expect(page.locator(".train-start")).to_have_text("Start")
    page.locator(".train-start").click()
    page.locator(".live-name").wait_for()
    name = page.locator(".live-name").inner_text()
    expect(page.locator(".live-pill")).to_have_text("Finished", timeout=RUN_MINUTES * 60_000)
    run = RunFolder(workspace / "outputs" / name)
    assert run.done.exists()
    return run


def types_a_sentence_and_keeps_the_correction(page: Page, dataset: Dataset, run: RunFolder) -> None:
    """Before and after appear when the typing rests; a correction becomes a pair that never measures."""
    show_tab(page, "4 Test")
    expect(page.locator(".mnd-run")).to_have_value(run.name)
    expect(page.locator(".mnd-result")).to_contain_text("Is it better?")
    expect(page.locator(".mnd-result")).to_contain_text("Sentences right to the letter")
    page.locator("#mnd-field").press_sequentially("htis is hte end")
    page.locator(".mnd-after").wait_for()
    expect(page.locator(".mnd-after .mnd-text")).to_have_text(
        re.compile(r"^this \(was htis\) is the \(was hte\) end", re.I)
    )
    expect(page.locator(".mnd-before .mnd-text")).not_to_be_empty()
    page.keyboard.press("Alt+w")
    expect(page.locator(".mnd-tally")).to_have_text("0 right, 1 wrong")
    page.locator("#mnd-meant").fill("this is the end")
    page.get_by_role("button", name="Keep as a pair").click()
    expect(page.locator(".mnd-kept")).to_contain_text("Kept in “my-typing”")
    kept = dataset.pairs()[-1]
    assert (kept.source, kept.typed, kept.text) == ("live", "htis is hte end", "this is the end")
    assert kept.split != "test"

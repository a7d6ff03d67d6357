"""Held-out clips in the Test tab: answers first, every table leads to its clips, and what was missed is read next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Served, opened, show_tab, violations
from finished import finished
from playwright.sync_api import Browser, Locator, Page, expect
from pydantic import ValidationError
from tones import config, tones, train

from studio.data import prompts
from studio.data.manifest import Dataset
from studio.runs.folder import RunFolder
from studio.text import digits_to_words
from studio.ui.heldout import ClipQuery, clip_page, finished_result, held_out

SAID = ["call fifteen now", "room fifteen", "order one two", "call the office", "yes please"]
BEFORE = ["call fifty now", "room fifty", "order 12", "call the office", "yes please"]
AFTER = ["call fifteen now", "room fifty", "order one two", "call the", "yes please"]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return finished(tmp_path, "run", SAID, BEFORE, AFTER)


def found(run: RunFolder, **wanted: object) -> list[str]:
    page = clip_page(finished_result(run), ClipQuery.model_validate(wanted))
    return [row.reference for row in page.rows]


def test_the_worst_clips_stand_first_and_each_column_sorts(run: RunFolder) -> None:
    assert found(run)[:2] == ["room fifteen", "call the office"]
    assert found(run, sort="reference") == sorted(SAID)
    assert found(run, sort="-reference") == sorted(SAID, reverse=True)
    assert found(run, sort="change")[0] == "order one two"
    assert found(run, sort="-change")[0] == "call the office"
    assert found(run, sort="-before")[0] == "order one two"


def test_clips_are_filtered_by_how_they_changed_by_word_confusion_accuracy_and_text(run: RunFolder) -> None:
    assert found(run, show="wrong") == ["room fifteen", "call the office"]
    assert found(run, show="worse") == ["call the office"]
    assert found(run, show="better") == ["order one two", "call fifteen now"]
    assert set(found(run, word="fifteen")) == {"call fifteen now", "room fifteen"}
    assert found(run, word="fif") == []
    assert found(run, said="fifteen", written="fifty") == ["room fifteen"]
    assert found(run, said="office", written="") == ["call the office"]
    assert found(run, dot="100-67-worse") == ["call the office"]
    assert found(run, text="OFFICE", show="wrong") == ["call the office"]
    assert found(run, text="nowhere") == []


@pytest.mark.parametrize("wrong", [{"sort": "rows"}, {"show": "x"}, {"dot": "1"}, {"page": -1}, {"normaliser": "x"}])
def test_what_cannot_be_asked_for_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ClipQuery.model_validate(wrong)


def test_the_totals_hold_answers_words_confusions_and_dots(run: RunFolder) -> None:
    totals = held_out(finished_result(run))
    assert totals.answers[0].question == "Is it better?"
    assert [(word.word, word.said, word.right_after) for word in totals.words] == [("fifteen", 2, 1), ("office", 1, 0)]
    assert {(row.said, row.written) for row in totals.confusions} == {("fifteen", "fifty"), ("office", "")}
    assert sum(dot.clips for dot in totals.dots) == len(SAID)
    assert (totals.missed, totals.convention) == (2, "words")
    by_whisper = held_out(finished_result(run, "whisper"))
    assert (by_whisper.normaliser, by_whisper.tiles[0].before, totals.tiles[0].before) == (
        "whisper",
        "2 of 12",
        "4 of 13",
    )


def test_a_run_that_was_scored_anew_is_worked_out_anew(run: RunFolder, tmp_path: Path) -> None:
    assert held_out(finished_result(run)).missed == 2
    finished(tmp_path, "run", SAID, BEFORE, SAID)
    assert held_out(finished_result(run)).missed == 0


@pytest.mark.thorough
def test_thousands_of_held_out_clips_come_by_pages(tmp_path: Path) -> None:
    many = SAID * 500
    folder = finished(tmp_path, "many", many, BEFORE * 500, AFTER * 500)
    last = clip_page(finished_result(folder), ClipQuery(page=10**6))
    assert (last.page, last.pages, len(last.rows), last.found) == (49, 50, 50, 2500)


# The page


@pytest.fixture(scope="module", autouse=True)
def root(studio: Served) -> Path:
    """A dataset of tones, and two runs over its test clips: the second has a fifteen for a fifty in one.

    And a larger dataset, with a run that was really trained.
    """
    root = studio.workspace
    tones(root, clips=40)
    (root / "recordings" / "tones").rename(root / "recordings" / "waves")
    train(root, "learnt", config(dataset="waves", max_steps=4))
    dataset = tones(root)
    clips = [clip for clip in dataset.utterances() if clip.split == "test"]
    said = [clip.text for clip in clips]
    before = [clip.prompt for clip in clips]
    wrong = [said[0].replace("order", "border"), *said[1:]]
    for name, after in (("first", said), ("second", wrong)):
        folder = finished(root, name, said, before, after, clips=clips, seed=len(name))
        folder.adapter.mkdir()
        (folder.adapter / "adapter_model.safetensors").touch()
    return root


@pytest.fixture
def page(browser: Browser, studio: Served) -> Iterator[Page]:
    with opened(browser, studio.url) as page:
        show_second(page)
        yield page


def show_second(page: Page) -> None:
    show_tab(page, "4 Test")
    page.get_by_role("combobox", name="Run", exact=True).select_option("second")
    expect(page.get_by_role("button", name="order → border", exact=True)).to_be_visible()


@pytest.mark.thorough
@pytest.mark.browser
def test_a_word_a_confusion_and_a_dot_each_lead_to_their_clips_and_back(page: Page) -> None:
    table = page.locator(".li-table tbody tr")
    expect(table).to_have_count(4)
    pick = page.get_by_role("button", name="order → border", exact=True)
    pick.click()
    expect(table).to_have_count(1)
    expect(pick).to_have_attribute("aria-pressed", "true")
    expect(table.first).to_contain_text("border")
    pick.click()
    expect(table).to_have_count(4)
    page.get_by_role("button", name="order", exact=True).click()
    expect(table).to_have_count(4)
    expect(page.get_by_role("button", name="No longer only with “order”", exact=True)).to_be_visible()
    page.locator(".li-scatter [role=button]").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="No longer only with “order”", exact=True)).to_be_hidden()
    expect(table).to_have_count(1)


@pytest.mark.browser
@pytest.mark.thorough
def test_clips_are_filtered_sorted_and_compared_by_another_normaliser(page: Page) -> None:
    table = page.locator(".li-table tbody tr")
    page.get_by_role("radio", name="Wrong", exact=True).check()
    expect(table).to_have_count(1)
    page.get_by_role("radio", name="All", exact=True).check()
    expect(table).to_have_count(4)
    page.get_by_role("searchbox", name="Find words in held-out clips", exact=True).fill("border")
    expect(table).to_have_count(1)
    page.get_by_role("searchbox", name="Find words in held-out clips", exact=True).fill("")
    expect(table).to_have_count(4)
    page.get_by_role("button", name="Reference", exact=True).click()
    expect(page.get_by_role("columnheader", name="Reference", exact=True)).to_have_attribute("aria-sort", "ascending")
    page.get_by_role("combobox", name="Texts compared", exact=True).select_option("whisper")
    expect(page.locator(".li-answers")).to_contain_text("normaliser: whisper")


@pytest.mark.thorough
@pytest.mark.browser
def test_what_was_missed_is_handed_to_the_recorder(page: Page, studio: Served) -> None:
    page.get_by_role("button", name="Record these next", exact=True).click()
    dialog = page.get_by_role("dialog", name="What to record next")
    expect(dialog.get_by_role("listitem").filter(has_text="order")).to_be_visible()
    dialog.get_by_role("button", name="Choose sentences", exact=True).click()
    why = "“order” was transcribed wrongly in 1 of the 4 clips that have it."
    expect(page.locator(".rec-why")).to_contain_text(why)
    dataset = Dataset.open(studio.workspace / "recordings" / "tones")
    assert "order" in digits_to_words(prompts.load(dataset)[0].text)


@pytest.mark.browser
@pytest.mark.thorough
def test_the_smaller_runs_are_trained_from_the_page_and_go_on_when_it_is_closed(
    browser: Browser, studio: Served
) -> None:
    def shown(page: Page) -> Locator:
        show_tab(page, "4 Test")
        page.get_by_role("combobox", name="Run", exact=True).select_option("learnt")
        expect(page.locator(".li-table tbody tr")).to_have_count(8)
        return page.locator(".li-curve")

    with opened(browser, studio.url) as page:
        curve = shown(page)
        curve.get_by_role("button", name="Train the smaller runs", exact=True).click()
        expect(curve.get_by_role("button", name="Cancel", exact=True)).to_be_visible()
    with opened(browser, studio.url) as page:
        curve = shown(page)
        expect(curve.get_by_role("img", name="6 clips")).to_be_visible()
        expect(curve).to_contain_text("What 50 more clips would bring is not known yet: fewer than 20 held-out clips")
        expect(curve.get_by_role("button")).to_have_count(0)
        assert violations(page) == []


@pytest.mark.browser
@pytest.mark.thorough
def test_a_run_with_too_few_clips_for_a_learning_curve_says_so_in_the_page(page: Page) -> None:
    curve = page.locator(".li-curve")
    button = curve.get_by_role("button", name="Train the smaller runs", exact=True)
    assert button.evaluate("button => button.scrollWidth <= button.clientWidth")  # its words stand within it
    button.click()
    expect(curve).to_contain_text("0 training clips are too few for a learning curve")
    expect(curve.get_by_role("button", name="Continue the smaller runs", exact=True)).to_be_visible()


@pytest.mark.browser
@pytest.mark.thorough
def test_how_sure_the_model_was_of_each_word_is_seen_and_sorted_by(page: Page) -> None:
    page.get_by_role("combobox", name="Run", exact=True).select_option("learnt")
    rows = page.locator(".li-table tbody tr")
    expect(rows).to_have_count(8)
    words = rows.first.locator("[data-name=After] span[title$='sure']")
    share = int((words.first.get_attribute("title") or "").split()[0]) / 100
    opacity = float(words.first.evaluate("word => getComputedStyle(word).opacity"))
    assert opacity == pytest.approx(0.72 + 0.28 * share, abs=0.01)
    page.get_by_role("button", name="Least sure", exact=True).click()
    expect(page.get_by_role("columnheader", name="Least sure", exact=True)).to_have_attribute("aria-sort", "ascending")
    shares = [int(text.split()[0]) for text in rows.locator("[data-name='Least sure']").all_text_contents()]
    assert shares == sorted(shares)
    expect(page.get_by_role("region", name="How sure it is, and how right", exact=True)).to_be_visible()


@pytest.mark.browser
@pytest.mark.thorough
def test_the_report_is_saved_as_one_file(page: Page, tmp_path: Path) -> None:
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the report", exact=True).click()
    assert download.value.suggested_filename == "second.html"
    download.value.save_as(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert "order → border" in text


@pytest.mark.thorough
@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_runs_stand_side_by_side_and_axe_finds_nothing_wrong(browser: Browser, studio: Served, scheme: str) -> None:
    with opened(browser, studio.url, color_scheme=scheme) as page:
        show_second(page)
        assert violations(page) == []
        page.get_by_role("button", name="Compare runs", exact=True).click()
        dialog = page.get_by_role("dialog", name="Compare runs")
        expect(dialog.get_by_role("region", name="Runs side by side", exact=True)).to_contain_text("WER after")
        expect(dialog.get_by_role("region", name="Settings that differ", exact=True)).to_contain_text("seed")
        expect(dialog.get_by_role("status")).to_contain_text("first has the lowest word error rate")
        expect(dialog.locator(".cmp-command")).to_have_text("studio compare second first --normaliser exact")
        assert violations(page) == []
        dialog.get_by_role("checkbox", name="first", exact=True).uncheck()
        expect(dialog.get_by_role("status")).to_have_text("Tick one more run.")


@pytest.mark.thorough
@pytest.mark.browser
def test_on_a_phone_the_verdict_is_on_the_first_screen_and_sections_stay_as_they_were_left(
    browser: Browser, studio: Served
) -> None:
    with opened(browser, studio.url, viewport={"width": 390, "height": 844}) as page:
        show_tab(page, "4 Test")
        verdict = page.locator(".li-answers section").first
        box = verdict.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 844
        assert page.locator(".li-hold").is_visible()
        speak = page.get_by_role("button", name="Try it: speak")
        expect(speak).to_be_in_viewport(ratio=1)
        speak.click()  # the microphone is one tap away, though the answers come first
        expect(page.locator(".li-hold")).to_be_in_viewport(ratio=0.9)
        expect(page.locator(".li-hold")).to_be_focused()
        for title in ("Try it", "Where it is wrong", "Would more", "Clips:"):
            page.locator(".st-fold > summary", has_text=title).click()
        expect(page.locator(".li-hold")).to_be_hidden()
        expect(page.locator(".li-table")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.reload()
        show_tab(page, "4 Test")
        expect(page.locator(".li-table")).to_be_visible()
        expect(page.locator(".li-hold")).to_be_hidden()
        page.keyboard.press("t")  # which speaks all the same
        expect(page.locator(".li-hold")).to_be_visible()

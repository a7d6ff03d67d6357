"""The Review tab: ten thousand clips by the page, found, heard, changed together, and everything undone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from browsing import Served, await_drawn, opened, served, show_tab, violations
from crowds import crowd
from playwright.sync_api import Browser, Page
from sounds import encoded, recording

from studio.data.manifest import Dataset
from studio.data.store import asr_results
from studio.data.store.asr_results import AsrResult
from studio.data.view.table import Table
from studio.errors import DataError
from studio.ui.review import Doubt, decide, known_fields, thrown_away

ATTACK = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


def listened(dataset: Dataset, id: str, text: str, suspicion: float = 0.8) -> AsrResult:
    """As if a model had heard `text` in the clip `id`."""
    clip = dataset.get(id)
    words = [(word, 0.9) for word in text.split()]
    reading = AsrResult(
        id=id,
        audio_sha256=clip.audio_sha256,
        label=clip.text,
        model="echo",
        text=text,
        words=words,
        wer=0.5,
        suspicion=suspicion,
        reason="Both models hear something else.",
        at="2026-11-21T10:00:00+00:00",
    )
    asr_results.append(dataset, [reading])
    return reading


def sweep(seconds: float = 1.2, rate: int = 16_000) -> bytes:
    """A tone that climbs from 200 Hz to 4 kHz between two silences: a slope in a spectrogram."""
    time = np.arange(round(seconds * rate)) / rate
    tone = 0.3 * np.sin(2 * np.pi * (200 * time + 1900 / seconds * time**2))
    silence = np.zeros(rate // 4)
    return encoded(np.concatenate([silence, tone, silence]).astype(np.float32), rate)


# ---- what the page is told ----


def test_the_trash_is_listed_latest_first_and_searched_by_words(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path)
    ids = [
        dataset.add(recording(seed), text=text).id for seed, text in enumerate(["one apple", "two", "an Apple more"])
    ]
    for id in ids:
        dataset.trash([id])
    assert [row["text"] for row in thrown_away(dataset, 0, "")["rows"]] == ["an Apple more", "two", "one apple"]
    assert [row["text"] for row in thrown_away(dataset, 0, "APPLE more")["rows"]] == ["an Apple more"]
    assert thrown_away(dataset, 500, "")["first"] == 2


def test_every_field_of_the_filter_comes_with_its_unit_and_the_names_that_stand_in_the_dataset(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path)
    dataset.add(recording(), text="hello", speaker="Anna")
    fields = {field["name"]: field for field in known_fields(Table.of(dataset))}
    assert fields["duration"]["unit"] == "s"
    assert fields["speaker"]["values"] == ["anna"]
    assert "digits" in fields["has"]["values"]
    assert all(field["what"] for field in fields.values())


def test_a_label_that_somebody_listened_to_is_no_suspect_and_can_be_one_again(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path)
    clip = dataset.add(recording(), text="hello there")
    with pytest.raises(DataError, match="No model has checked"):
        decide(dataset, clip.id, Doubt(suspicion=0))
    listened(dataset, clip.id, "yellow hair")
    assert Table.of(dataset).ids("suspicion > 0.5") == [clip.id]
    decide(dataset, clip.id, Doubt(suspicion=0, reason="right"))
    assert Table.of(dataset).ids("suspicion > 0.5") == []
    decide(dataset, clip.id, Doubt(suspicion=0.8))
    assert Table.of(dataset).ids("suspicion > 0.5") == [clip.id]


# ---- over HTTP and in the browser: one studio and one browser for all ----


@pytest.fixture
def dataset(studio: Served) -> Dataset:
    studio.forget_everything()
    dataset = Dataset.create(studio.workspace / "recordings" / "mine")
    for seed, text in enumerate(["first", "second", "third", "fourth"]):
        dataset.add(recording(seed, seconds=0.5 + seed / 10), text=text, prompt=f"read {text}")
    dataset.add(sweep(), text=ATTACK)
    return dataset


@pytest.fixture
def page(studio: Served, browser: Browser, dataset: Dataset) -> Iterator[Page]:
    with opened(browser, studio.url) as page:
        enter(page)
        yield page


def enter(page: Page) -> None:
    """Come into the tab, and sort it so that the order is known."""
    show_tab(page, "2 Review")
    page.locator(".rev tbody tr").first.wait_for()
    page.get_by_role("button", name=re.compile("^Length")).click()
    page.locator("th[aria-sort=descending]").wait_for()


def texts(page: Page) -> list[str]:
    return page.locator(".rev tbody .rev-text").all_inner_texts()


def held(page: Page) -> str:
    return page.locator(".rev tr[aria-current] .rev-text").inner_text()


def said(page: Page, words: str) -> None:
    """Wait until the page says so."""
    page.locator(".rev-said").get_by_text(words).wait_for()


def shows(page: Page, count: int) -> None:
    """Wait for `count` rows."""
    page.wait_for_function("count => document.querySelectorAll('.rev tbody tr').length === count", arg=count)


def labels(dataset: Dataset) -> set[str]:
    return {clip.text for clip in dataset.utterances()}


def test_a_row_tells_figures_findings_and_the_diff_to_what_was_heard(studio: Served, dataset: Dataset) -> None:
    clip = dataset.utterances()[0]
    listened(dataset, clip.id, "thirst")
    with studio.client() as client:
        row = client.get("/studio/review/mine", params={"query": "first"}).json()["rows"][0]
    assert row["quality"]["loudness_lufs"] == row["loudness"]
    assert [edit["kind"] for edit in row["edits"]] == ["substitute"]
    assert row["samples"] == clip.audio_sha256[:16]
    assert not any("path" in name for name in row)


def test_a_filter_that_cannot_be_read_is_a_sentence(studio: Served, dataset: Dataset) -> None:
    with studio.client() as client:
        answer = client.get("/studio/review/mine", params={"query": "wer >"})
    assert answer.status_code == 400
    assert answer.json()["code"] == "DataError"
    assert "Traceback" not in answer.text


def test_a_dataset_that_nobody_has_begun_has_no_rows_and_no_summary(client_of: httpx.Client) -> None:
    assert client_of.get("/studio/review/nothing").json()["rows"] == []
    assert client_of.get("/studio/review/nothing/summary").json() is None


@pytest.fixture
def client_of(studio: Served) -> Iterator[httpx.Client]:
    with studio.client() as client:
        yield client


@pytest.mark.browser
@pytest.mark.thorough
def test_a_label_is_text_even_where_it_looks_like_markup(page: Page) -> None:
    assert held(page) == ATTACK
    await_drawn(page)  # the tiles come after the table
    assert page.locator(".rev :is(img, script)").count() == 0
    assert page.evaluate("window.hacked") is None


@pytest.mark.browser
def test_keys_move_play_edit_and_delete_and_each_deed_is_undone_and_done_again(page: Page, dataset: Dataset) -> None:
    page.keyboard.press("j")
    assert held(page) == "fourth"
    page.keyboard.press("p")
    page.wait_for_function("document.querySelector('.rev tr[aria-current] use').href.baseVal.endsWith('#pause')")
    page.keyboard.press("e")
    page.keyboard.type("corrected jkx")
    page.keyboard.press("Enter")
    said(page, "Label saved.")
    assert "corrected jkx" in labels(dataset)
    page.keyboard.press("e")
    page.keyboard.type("given up")
    page.keyboard.press("Escape")
    page.keyboard.press("Delete")  # as X
    said(page, "Moved 1 clip to the trash.")
    shows(page, 4)
    page.keyboard.press("Control+z")  # as U
    said(page, "Undone: “corrected jkx” deleted")
    shows(page, 5)
    page.keyboard.press("u")
    said(page, "Undone: “fourth” changed to “corrected jkx”")
    assert "fourth" in labels(dataset)
    page.keyboard.press("Shift+U")
    said(page, "Done again: “fourth” changed to “corrected jkx”")
    assert "corrected jkx" in labels(dataset)
    page.evaluate("studio.changed()")  # as after an import: its Undo would take back that
    assert page.locator(".rev-said").inner_text() == ""
    page.keyboard.press("u")
    said(page, "Undone: ")
    page.evaluate("studio.choose('another')")
    page.get_by_text("No clips yet").wait_for()
    assert page.locator(".rev-said").inner_text() == ""  # its Undo would be another dataset's


@pytest.mark.browser
@pytest.mark.thorough
def test_playing_follows_the_clip_in_hand_where_the_person_wants_it(page: Page) -> None:
    page.get_by_label("Play on move").check()
    page.locator(".rvd-rate").select_option("1.5")
    page.keyboard.press("j")
    page.wait_for_function("document.querySelector('.rev tr[aria-current] use').href.baseVal.endsWith('#pause')")
    page.reload()
    page.locator(".rec-pill").first.wait_for()
    show_tab(page, "2 Review")
    shows(page, 5)
    assert page.get_by_label("Play on move").is_checked()
    assert page.locator(".rvd-rate").input_value() == "1.5"


@pytest.mark.browser
@pytest.mark.thorough
def test_any_column_sorts_by_mouse_and_by_keyboard_and_the_order_outlasts_a_reload(page: Page) -> None:
    page.locator("[data-sort=text]").focus()
    page.keyboard.press("Enter")
    page.locator("th.is-text[aria-sort=ascending]").wait_for()
    assert texts(page)[1:3] == ["first", "fourth"]
    assert page.evaluate("document.activeElement.dataset.sort") == "text"
    page.keyboard.press("Enter")
    page.locator("th.is-text[aria-sort=descending]").wait_for()
    page.reload()
    page.locator(".rec-pill").first.wait_for()
    show_tab(page, "2 Review")
    page.locator("th.is-text[aria-sort=descending]").wait_for()
    assert texts(page)[0] == "third"


@pytest.mark.browser
@pytest.mark.thorough
def test_a_column_can_be_hidden_and_stays_so(page: Page) -> None:
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("checkbox", name="Loudness").uncheck()
    page.get_by_role("checkbox", name="Recorded").check()
    page.locator("th.is-created").wait_for()
    assert page.locator("th.is-loudness").count() == 0
    page.reload()
    page.locator(".rec-pill").first.wait_for()
    show_tab(page, "2 Review")
    page.locator("th.is-created").wait_for()
    assert page.locator("th.is-loudness").count() == 0


@pytest.mark.thorough
@pytest.mark.browser
def test_a_filter_is_typed_helped_on_refused_in_a_sentence_and_remembered(page: Page) -> None:
    before = texts(page)
    page.keyboard.press("/")
    page.keyboard.type("dur")
    page.get_by_role("option", name=re.compile("^duration")).wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    assert page.locator("#rev-query").input_value() == "duration "
    page.keyboard.type("> ")
    page.keyboard.press("Enter")
    page.locator(".rev-wrong").get_by_text("A value is missing").wait_for()
    assert texts(page) == before
    page.keyboard.type("0.75 and fourth or third")
    page.keyboard.press("Enter")
    shows(page, 2)
    assert page.locator(".rev-wrong").inner_text() == ""
    page.reload()
    page.locator(".rec-pill").first.wait_for()
    show_tab(page, "2 Review")
    shows(page, 2)
    assert page.locator("#rev-query").input_value() == "duration > 0.75 and fourth or third"
    page.get_by_role("button", name="Suspect", exact=True).click()
    page.get_by_text("no model has transcribed these clips yet").wait_for()
    page.get_by_role("button", name="Look for wrong labels").click()
    page.get_by_role("dialog").get_by_role("button", name="Look through 5 clips").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="All", exact=True).click()
    shows(page, 5)


@pytest.mark.browser
@pytest.mark.thorough
def test_brushing_a_histogram_and_a_click_on_a_word_narrow_the_filter(page: Page) -> None:
    chart = page.get_by_role("toolbar", name=re.compile("^Length"))
    chart.wait_for()
    box = chart.bounding_box()
    assert box
    page.mouse.move(box["x"] + 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.up()
    page.wait_for_function("document.querySelector('#rev-query').value.startsWith('duration < ')")
    shows(page, 4)
    page.get_by_role("button", name="second", exact=False).and_(page.locator(".rvt-word")).click()
    shows(page, 1)
    assert page.locator("#rev-query").input_value().endswith('and "second"')


@pytest.mark.browser
@pytest.mark.thorough
def test_many_clips_are_chosen_by_range_and_moved_together_and_undone_after_a_restart(
    page: Page, dataset: Dataset, studio: Served, browser: Browser
) -> None:
    sides = {clip.id: clip.split for clip in dataset.utterances()}
    boxes = page.locator(".rev tbody .rev-tick input")
    boxes.nth(1).click()
    boxes.nth(3).click(modifiers=["Shift"])
    page.get_by_text("3 clips chosen").wait_for()
    page.get_by_role("button", name="Select all 5 that match").click()
    page.get_by_text("5 clips chosen").wait_for()
    page.get_by_label("Move the chosen clips to").select_option("unused")
    said(page, "5 clips to Set aside.")
    assert {clip.split for clip in dataset.utterances()} == {"unused"}
    boxes.nth(0).click()
    page.get_by_role("button", name="Speaker…").click()
    page.get_by_role("dialog").get_by_label("Speaker").fill("anna")
    page.get_by_role("button", name="Set speaker").click()
    said(page, "Speaker “anna” for 1 clip.")
    with served(studio.workspace) as again, opened(browser, again.url) as later:
        enter(later)
        later.get_by_role("button", name="History").click()
        rows = later.locator(".rev-actions tbody tr")
        rows.nth(1).get_by_text("5 clips to Set aside").wait_for()
        rows.nth(1).get_by_role("button", name="Undo").click()
        rows.nth(1).get_by_text("Undone", exact=True).wait_for()
        assert violations(later) == []
    assert {clip.id: clip.split for clip in dataset.utterances()} == sides
    assert sorted(clip.speaker for clip in dataset.utterances()) == ["", "", "", "", "anna"]


@pytest.mark.browser
@pytest.mark.thorough
def test_a_label_that_somebody_else_changed_meanwhile_is_shown_and_neither_text_is_lost(
    page: Page, dataset: Dataset
) -> None:
    mine = next(clip for clip in dataset.utterances() if clip.text == "fourth")
    page.keyboard.press("j")
    page.keyboard.press("e")
    page.keyboard.type("as I hear it")
    dataset.edit(mine.id, text="as they hear it")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("as they hear it").wait_for()
    dialog.get_by_text("as I hear it").wait_for()
    assert violations(page) == []
    assert dataset.get(mine.id).text == "as they hear it"
    dialog.get_by_role("button", name="Keep mine").click()
    said(page, "Label saved.")
    assert dataset.get(mine.id).text == "as I hear it"


@pytest.mark.browser
@pytest.mark.thorough
def test_a_label_edited_twice_before_the_page_is_read_anew_is_in_no_conflict_with_itself(
    page: Page, dataset: Dataset
) -> None:
    page.keyboard.press("j")
    page.route("**/studio/review/mine?*", lambda route: route.abort())  # the page after an edit never comes
    for text in ("once", "twice"):
        page.locator(".rev-said").evaluate("said => said.replaceChildren()")
        page.keyboard.press("e")
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        said(page, "Label saved.")
    assert "twice" in labels(dataset)


@pytest.mark.browser
@pytest.mark.thorough
def test_what_is_written_is_read_anew_once(page: Page, dataset: Dataset) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/studio/review/mine?" in request.url else None)
    with page.expect_response("**/studio/overview/mine"):  # the sidebar looks when no news came for a while
        page.keyboard.press("e")
        page.keyboard.type("written once")
        page.keyboard.press("Enter")
    page.get_by_role("cell", name="written once", exact=True).wait_for()
    assert len(asked) == 1


@pytest.mark.browser
@pytest.mark.thorough
def test_an_empty_label_is_refused_and_the_old_one_stays(page: Page, dataset: Dataset) -> None:
    page.keyboard.press("e")
    page.keyboard.press("Delete")
    page.keyboard.press("Enter")
    page.locator(".rev-fault").get_by_text("The label is empty.").wait_for()
    assert held(page) == ATTACK


@pytest.mark.browser
@pytest.mark.thorough
def test_what_another_page_wrote_is_seen_when_this_one_comes_to_the_front(page: Page, dataset: Dataset) -> None:
    dataset.edit(dataset.utterances()[0].id, text="written elsewhere")
    page.evaluate("dispatchEvent(new Event('focus'))")
    page.locator(".rev tbody").get_by_text("written elsewhere").wait_for()


PIXELS = """() => {
  const canvas = document.querySelector('.rvd-spectrum');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const loudest = (column) => {  // its row, as a share of the height from the bottom; and how far it stands out
    const lights = [...Array(canvas.height).keys()].map((row) => data[4 * (row * canvas.width + column)]);
    const darkest = Math.min(...lights);
    return [1 - lights.indexOf(darkest) / canvas.height, Math.max(...lights) - darkest];
  };
  return [0.05, 0.3, 0.5, 0.7].map((share) => loudest(Math.round(share * canvas.width)));
}"""


@pytest.mark.browser
@pytest.mark.thorough
def test_the_spectrogram_shows_a_rising_tone_as_a_slope_and_silence_as_nothing(page: Page) -> None:
    page.wait_for_function("document.querySelectorAll('.rvd-ticks span').length > 3")
    page.locator(".rvd-scale").select_option("linear")
    page.wait_for_function("document.querySelector('.rvd-axis').textContent.includes('6 kHz')")
    silence, early, middle, late = page.evaluate(PIXELS)
    assert silence[1] < 20
    assert min(early[1], middle[1], late[1]) > 80
    assert early[0] < middle[0] < late[0]
    page.locator(".rvd-plot").click(position={"x": 200, "y": 30})
    page.wait_for_function("Number(document.querySelector('.rvd-plot').getAttribute('aria-valuenow')) > 0.2")


@pytest.mark.browser
@pytest.mark.thorough
def test_a_suspect_shows_what_was_heard_and_is_accepted_by_a_key(
    studio: Served, browser: Browser, dataset: Dataset
) -> None:
    clip = dataset.utterances()[0]
    listened(dataset, clip.id, "thirst")
    with opened(browser, studio.url) as page:
        show_tab(page, "2 Review")
        page.get_by_role("button", name="Suspect").click()
        shows(page, 1)
        assert page.locator(".rev-heard .df-wrong").inner_text().startswith("thirst")
        page.locator(".rvd-heard").get_by_text("Both models hear something else.").wait_for()
        page.keyboard.press("a")
        said(page, "Label marked as right.")
        page.get_by_text("Nothing matches").wait_for()
        page.keyboard.press("u")
        shows(page, 1)
        page.keyboard.press("r")
        page.locator(".rec-prompt").get_by_text("read first").wait_for()


@pytest.mark.thorough
@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_tab_has_no_barrier_full_or_empty(studio: Served, browser: Browser, dataset: Dataset, scheme: str) -> None:
    listened(dataset, dataset.utterances()[0].id, "thirst")
    with opened(browser, studio.url, color_scheme=scheme) as page:
        enter(page)
        page.locator(".rvt-bars").first.wait_for()
        page.keyboard.press("s")
        page.keyboard.press("/")
        page.keyboard.type("du")
        page.get_by_role("option").first.wait_for()
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="What can be filtered").click()
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Trash").click()
        page.get_by_text("The trash is empty").wait_for()
        studio.forget_everything()
        page.reload()
        page.locator(".rec-pill").first.wait_for()
        show_tab(page, "2 Review")
        page.get_by_text("No clips yet").wait_for()
        assert violations(page) == []


@pytest.mark.browser
@pytest.mark.thorough
def test_ten_thousand_clips_are_turned_filtered_and_edited_fluently(studio: Served, browser: Browser) -> None:
    studio.forget_everything()
    dataset = crowd(studio.workspace / "recordings" / "mine")
    with opened(browser, studio.url) as page:
        show_tab(page, "2 Review")
        page.get_by_text("1–50 of 10,000").wait_for()
        page.keyboard.press("l")
        page.get_by_text("51–100 of 10,000").wait_for()
        page.locator("#rev-query").fill("suspicion > 0.5 and umbrella or 777")
        page.keyboard.press("Enter")
        page.locator(".rev-range").get_by_text(re.compile(r"1–\d+ of \d+$")).wait_for()
        page.locator("#rev-query").fill("7777")
        page.keyboard.press("Enter")
        page.get_by_text("1 of 1", exact=True).wait_for()
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.keyboard.press("e")
        page.keyboard.type("found it")
        page.keyboard.press("Enter")
        said(page, "Label saved.")
    assert sum(clip.text == "found it" for clip in dataset.utterances()) == 1
    studio.forget_everything()

"""The Test tab: what is said is read before and after; a correction trains and never measures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import tiny_models
from browsing import MICROPHONE_RATE, Served, opened, served, show_tab, violations
from compared import ALSO, OTHER_BASE, RUN, SAME, SCRIPT_IN_A_LABEL, WEAK, compared
from playwright.sync_api import Browser, Page, expect
from sounds import encoded, tone
from spoken import Microphone, between, silence
from tones import wav
from voices import Sound

from studio.audio import resample, wav_bytes
from studio.config import ECHO
from studio.data.manifest import Dataset
from studio.models import strength
from studio.models.echo import speak
from studio.runs.folder import RunFolder
from studio.ui import base_models, hearing
from studio.workspace import Workspace

FIELDS_ASKED = (
    "() => { const ask = fetch; window.fetch = (...given) => (window.asked = given[1]?.body, ask(...given)); }"
)
"""Keeps the fields of the last request, which a browser does not tell where there are files among them."""


@pytest.fixture(scope="module", autouse=True)
def root(studio: Served) -> Path:
    """A workspace with runs to compare."""
    root = studio.workspace
    compared(root)
    return root


@pytest.fixture
def workspace(root: Path) -> Workspace:
    return Workspace(root)


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    return hearing.dataset_of(workspace, "tones-0001", "")


@pytest.fixture
def page(browser: Browser, studio: Served) -> Iterator[Page]:
    with opened(browser, studio.url, permissions=["microphone"]) as page:
        show_tab(page, "4 Test")
        expect(page.locator(".li-ready")).to_have_text("Ready")
        yield page


@pytest.fixture
def microphone(page: Page) -> Microphone:
    return Microphone(page)


def sentence(words: str, before: float = 1.0, after: float = 1.6) -> Sound:
    """`words` as the model of these tests hears them, between so many seconds of silence."""
    return between(before, resample(speak(words), 16_000, MICROPHONE_RATE), after)


def upload(page: Page, words: str, name: str = "said.wav") -> None:
    page.locator(".li-open input").set_input_files({"name": name, "mimeType": "audio/wav", "buffer": wav(words)})


def texts(page: Page) -> list[str]:
    """Before and after, as the eye reads them."""
    unspoken = "side => [...side.querySelectorAll('.st-hidden')].forEach(part => part.remove())"
    sides = [page.locator(f".li-{name} .li-text") for name in ("before", "after")]
    for side in sides:
        side.evaluate(unspoken)
    return [" ".join(side.inner_text().split()) for side in sides]


@pytest.mark.thorough
@pytest.mark.browser
def test_the_tab_says_where_a_silence_would_have_ended_the_turn(page: Page) -> None:
    quiet = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 1e-4
    said = np.concatenate([quiet, speak("order 12"), quiet, quiet])
    sound = {"name": "said.wav", "mimeType": "audio/wav", "buffer": wav_bytes(said, 16_000)}
    page.locator(".li-open input").set_input_files(sound)
    section = page.locator(".li-end")
    section.locator("summary").click()
    duration, end = len(said) / 16_000, len(said) / 16_000 - 2.0
    expect(section).to_contain_text(re.compile(rf"would have ended the turn at \d+\.\d s of {duration:.1f} s"))
    found = float(re.search(r"turn at (\d+\.\d) s", section.inner_text()).group(1))  # type: ignore[union-attr]
    assert found == pytest.approx(end + 0.8, abs=0.2)
    expect(section.locator(".li-end-choice")).to_be_hidden()  # a model without pause heads
    section.locator("summary").click()  # folded again for the tests that follow


@pytest.mark.thorough
@pytest.mark.browser
def test_holding_the_button_reads_what_is_said_before_and_after(page: Page, microphone: Microphone) -> None:
    page.locator(".li-hold").hover()
    page.mouse.down()
    microphone.say(sentence("order 12907"))
    expect(page.locator(".li-message")).to_contain_text("Listening")
    page.mouse.up()
    expect(page.locator(".li-keep")).to_be_visible()
    before, after = texts(page)
    assert "12907" in before
    assert "one two nine zero seven" in after
    expect(page.locator(".li-after .li-figures")).to_contain_text("took")
    expect(page.locator(".li-after .li-figures")).to_contain_text("confidence")


@pytest.mark.browser
@pytest.mark.parametrize("key", ["t", "Space", "Enter"])
@pytest.mark.thorough
def test_who_cannot_hold_presses_once_to_begin_and_once_to_end(page: Page, microphone: Microphone, key: str) -> None:
    if key != "t":
        page.locator(".li-hold").focus()
    page.keyboard.press(key)
    microphone.say(sentence("order 12907"))
    expect(page.locator(".li")).to_have_attribute("data-phase", "recording")
    page.keyboard.press(key)
    expect(page.locator(".li-keep")).to_be_visible()


@pytest.mark.thorough
@pytest.mark.browser
def test_a_file_is_read_and_its_correction_kept_and_taken_back(page: Page, dataset: Dataset) -> None:
    upload(page, "order 129")
    expect(page.locator(".li-keep")).to_be_visible()
    assert texts(page) == ["order 129", "order one two nine"]
    page.locator(".li-said").fill("order one two eight")
    page.locator(".li-said").press("Enter")
    expect(page.locator(".li-kept")).to_contain_text("Kept in “tones” as a training clip of 0.5 s.")
    assert [clip.text for clip in dataset.utterances() if clip.source == "live"] == ["order one two eight"]
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".li-kept")).to_contain_text("never enters the test split")
    assert not [clip for clip in dataset.utterances() if clip.source == "live"]


@pytest.mark.thorough
@pytest.mark.browser
def test_what_was_said_is_corrected_by_a_typing_model_in_a_column_of_its_own(page: Page) -> None:
    upload(page, "send teh order")
    expect(page.locator(".li-keep")).to_be_visible()
    expect(page.locator(".li-side")).to_have_count(2)
    choice = page.get_by_label("Then correct the text with")
    choice.select_option("the typing starter")
    expect(page.locator(".li-corrected .li-text")).to_have_text("send the (was teh) order. (different spelling)")
    expect(page.locator(".li-said")).to_have_value("send teh order")  # the label to keep is what was said
    choice.select_option("nothing")
    expect(page.locator(".li-side")).to_have_count(2)


@pytest.mark.browser
@pytest.mark.thorough
def test_another_strength_is_heard_at_once_and_kept_with_a_word_about_the_figures(page: Page, root: Path) -> None:
    upload(page, "order 129")
    expect(page.locator(".li-keep")).to_be_visible()
    slider = page.get_by_label("Strength")
    assert slider.input_value() == "1"
    expect(page.get_by_role("button", name="Keep this strength")).to_be_hidden()
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator(".li-strength-value")).to_have_text("0 %: the base model")
    expect(page.locator(".li-after .li-text")).to_contain_text("129")
    assert texts(page) == ["order 129", "order 129"], "without its adapter the model is the base"
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="Keep this strength").click()
    expect(page.locator(".li-message")).to_contain_text("acts at 95 % of its strength from now on, exports too")
    expect(page.locator(".li-message")).to_contain_text("scores it again")
    adapter = RunFolder(Workspace(root).run(page.locator(".li-runs").input_value())).adapter
    assert strength.strength_of(adapter) == pytest.approx(0.95)
    assert violations(page) == []
    strength.change(adapter, 1.0)


@pytest.mark.browser
@pytest.mark.thorough
def test_every_utterance_of_the_visit_can_be_shown_and_heard_again(page: Page) -> None:
    for words in ("code 1", "code 2"):
        upload(page, words)
        expect(page.locator(".li-said")).to_have_value(words.replace("1", "one").replace("2", "two"))
    expect(page.locator(".li-utterances li")).to_have_count(2)
    page.locator(".li-line", has_text="code one").click()
    expect(page.locator(".li-said")).to_have_value("code one")
    hear = page.get_by_role("button", name="Play “code two”")
    hear.click()
    expect(hear).to_have_attribute("aria-pressed", "true")


@pytest.mark.browser
@pytest.mark.thorough
def test_what_cannot_be_read_is_told_where_the_instruction_stood(page: Page) -> None:
    silent = {"name": "s.wav", "mimeType": "audio/wav", "buffer": encoded(tone(1.0, level=0.0), 16_000)}
    page.locator(".li-open input").set_input_files(silent)
    expect(page.locator(".li-message")).to_contain_text("It is silent")
    expect(page.locator(".li-message")).to_contain_text("Is the microphone muted")
    expect(page.locator(".li-keep")).to_be_hidden()


@pytest.mark.browser
@pytest.mark.thorough
def test_a_held_out_clip_can_be_played_and_a_label_is_never_markup(page: Page) -> None:
    rows = page.locator(".li-table tbody tr")
    expect(rows.first).to_contain_text(SCRIPT_IN_A_LABEL)
    assert page.evaluate("window.broken") is None
    with page.expect_response(lambda answer: "/studio/clips/tones/" in answer.url) as answer:
        rows.first.get_by_role("button").click()
    assert answer.value.status in (200, 206)
    expect(page.locator(".st-tile").first).to_contain_text("Word error rate")


@pytest.mark.browser
@pytest.mark.thorough
def test_the_running_page_never_loads_torch(page: Page, studio: Served) -> None:
    upload(page, "order 129")
    expect(page.locator(".li-keep")).to_be_visible()
    files = {entry.path for entry in psutil.Process(studio.process.pid).memory_maps()}
    assert not [path for path in files if "libtorch" in path]


@pytest.mark.browser
@pytest.mark.thorough
def test_before_any_run_the_base_model_alone_answers_and_the_page_says_what_comes(
    browser: Browser, tmp_path: Path
) -> None:
    base_models.add(Workspace(tmp_path), ECHO)
    with served(tmp_path) as studio, opened(browser, studio.url, permissions=["microphone"]) as page:
        page.evaluate("model => studio.chooseModel(model)", ECHO)
        show_tab(page, "4 Test")
        expect(page.locator(".li-ready")).to_have_text("Ready")
        expect(page.locator(".li-after")).to_contain_text("once a run has finished")
        upload(page, "order 129")
        expect(page.locator(".li-before .li-text")).to_have_text("order 129")
        expect(page.locator(".li-after")).to_contain_text("once a run has finished")


@pytest.mark.browser
@pytest.mark.thorough
def test_only_whisper_is_offered_short_frames_and_what_was_said_is_transcribed_again_with_them(
    browser: Browser, tmp_path: Path
) -> None:
    whisper = str(tiny_models.whisper(tmp_path / "my-whisper"))
    for model in (ECHO, whisper):
        base_models.add(Workspace(tmp_path), model)
    with served(tmp_path) as studio, opened(browser, studio.url, permissions=["microphone"]) as page:
        page.evaluate("model => studio.chooseModel(model)", ECHO)
        show_tab(page, "4 Test")
        choice = page.get_by_label("Faster, with short frames")
        upload(page, "order 129")
        expect(page.locator(".li-before .li-text")).to_have_text("order 129")
        expect(choice).to_be_hidden()
        page.evaluate("model => studio.chooseModel(model)", whisper)
        expect(choice).to_be_visible()
        page.evaluate(FIELDS_ASKED)
        with page.expect_response("**/listen/hear") as answered:
            choice.check()
        assert answered.value.ok
        assert page.evaluate("asked.get('short_frames')") == "true"
        expect(page.locator(".li-before .li-figures")).to_contain_text("took")


@pytest.mark.browser
@pytest.mark.thorough
def test_one_base_model_is_chosen_in_the_sidebar_in_train_and_here(page: Page) -> None:
    sidebar = page.get_by_label("Base model", exact=True)
    run = page.get_by_role("combobox", name="Run", exact=True)
    expect(sidebar).to_have_value(re.compile("^echo"))  # nobody has chosen: that of the run on show
    run.select_option(OTHER_BASE)
    expect(sidebar).to_have_value(re.compile("^Starter"))
    sidebar.click()
    page.get_by_role("option", name=re.compile("^Whisper tiny, English")).click()
    expect(run.locator("option:checked")).to_have_text("No run of this base model yet")
    expect(page.locator(".li-message")).to_contain_text("no model “openai/whisper-tiny.en” on this disk")
    show_tab(page, "3 Train")
    expect(page.get_by_role("radio", name=re.compile("^Whisper tiny, English"))).to_be_checked()
    page.get_by_role("radio", name=re.compile("^echo")).check()
    expect(sidebar).to_have_value(re.compile("^echo"))
    show_tab(page, "4 Test")
    expect(run).to_have_value(RUN)


@pytest.mark.browser
@pytest.mark.thorough
def test_a_refused_microphone_says_how_to_allow_it(page: Page) -> None:
    refused = "() => Promise.reject(new DOMException('Permission denied', 'NotAllowedError'))"
    page.evaluate(f"() => {{ navigator.mediaDevices.getUserMedia = {refused}; }}")
    page.locator(".li-hold").click()
    expect(page.locator(".li-message")).to_contain_text("not allowed to use the microphone")
    expect(page.locator(".li-message")).to_contain_text("address bar")


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.thorough
def test_axe_finds_nothing_wrong_with_the_tab(browser: Browser, studio: Served, scheme: str) -> None:
    with opened(browser, studio.url, color_scheme=scheme) as page:
        show_tab(page, "4 Test")
        compare(page, SAME, WEAK, ALSO)
        page.get_by_role("radio", name="Hands-free", exact=True).check(force=True)
        page.get_by_role("checkbox", name="Confidence by word").check()
        page.locator(".li-terms summary").click()
        page.locator(".li-terms-text").fill("one")
        expect(page.locator(".li-ready")).to_have_text("Ready")
        upload(page, "order 129 then")
        expect(page.locator(".li-side .st-word").first).to_be_visible()
        expect(page.locator(".li")).not_to_have_attribute("aria-busy", "true")
        assert violations(page) == []


# Hands-free


def listen_hands_free(page: Page) -> None:
    page.get_by_role("radio", name="Hands-free", exact=True).check(force=True)
    page.get_by_role("button", name="Start listening").click()


def state(page: Page, word: str) -> None:
    expect(page.locator(".li-state")).to_have_text(word)


@pytest.mark.thorough
@pytest.mark.browser
def test_hands_free_a_pause_makes_two_turns_of_two_sentences_and_loses_no_first_syllable(
    page: Page, microphone: Microphone
) -> None:
    listen_hands_free(page)
    microphone.say(np.concatenate([sentence("order 12907"), sentence("code 5 and room 77", before=0)]))
    expect(page.locator(".li-utterances li")).to_have_count(2)
    second, first = page.locator(".li-line").all_inner_texts()
    assert "order one two nine zero seven" in first
    assert "code five" in second
    assert "seven seven" in second
    state(page, "Waiting")
    page.keyboard.press("Escape")
    state(page, "Microphone off")


@pytest.mark.browser
@pytest.mark.thorough
def test_hands_free_the_text_so_far_appears_while_speaking_and_gives_way_to_the_answer(
    page: Page, microphone: Microphone
) -> None:
    partials = []
    page.on("response", lambda answer: partials.append(answer.url) if answer.url.endswith("listen/partial") else None)
    page.get_by_role("radio", name="Hands-free", exact=True).check(force=True)
    page.keyboard.press("t")
    microphone.say(sentence("order 12907 and room 77", after=0))
    expect(page.locator(".li-sofar")).to_contain_text("order")
    microphone.say(silence(1.6))
    expect(page.locator(".li-keep")).to_be_visible()
    expect(page.locator(".li-sofar")).to_be_empty()
    page.keyboard.press("t")
    assert partials


@pytest.mark.browser
@pytest.mark.thorough
def test_the_microphone_is_let_go_when_the_tab_is_left_and_the_way_to_speak_is_remembered(page: Page) -> None:
    page.evaluate(KEEP_THE_STREAM)
    listen_hands_free(page)
    expect(page.get_by_role("button", name="Stop listening")).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("window.stream?.getAudioTracks()[0].readyState === 'live'")
    show_tab(page, "2 Review")
    page.wait_for_function("window.stream.getAudioTracks()[0].readyState === 'ended'")
    page.reload()
    show_tab(page, "4 Test")
    expect(page.get_by_role("button", name="Start listening")).to_be_visible()


KEEP_THE_STREAM = """() => {
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wanted) => (window.stream = await open(wanted));
}"""


@pytest.mark.browser
@pytest.mark.thorough
def test_a_microphone_unplugged_in_the_middle_of_a_turn_loses_nothing_that_was_said(
    page: Page, microphone: Microphone
) -> None:
    page.evaluate(KEEP_THE_STREAM)
    listen_hands_free(page)
    microphone.say(sentence("order 12907", after=0))
    state(page, "Hearing you")
    page.evaluate("window.stream.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
    expect(page.locator(".li-keep")).to_be_visible()
    expect(page.locator(".li-message")).to_contain_text("The microphone was disconnected")
    expect(page.locator(".li-message")).to_contain_text("What you said until then is transcribed")
    state(page, "Microphone off")


@pytest.mark.browser
@pytest.mark.thorough
def test_nothing_is_heard_while_somebody_writes(page: Page) -> None:
    page.locator(".li-terms summary").click()
    page.locator(".li-terms-text").focus()
    page.evaluate("document.querySelector('.li-mode [value=free]').click()")
    page.evaluate("document.querySelector('.li-listen').click()")
    state(page, "Resting")
    expect(page.locator(".li-message")).to_contain_text("Not listening while")


# Side by side


def compare(page: Page, *runs: str) -> None:
    for run in runs:
        page.get_by_label("Compare with …").select_option(run)


@pytest.mark.thorough
@pytest.mark.browser
def test_four_runs_stand_side_by_side_and_others_say_why_they_cannot(page: Page) -> None:
    offered = page.get_by_label("Compare with …").locator("option")
    expect(offered.filter(has_text=OTHER_BASE)).to_have_text(f"{OTHER_BASE} (other base: starter)")
    expect(offered.filter(has_text=OTHER_BASE)).to_be_disabled()
    compare(page, SAME, WEAK, ALSO)
    expect(offered.filter(has_text=WEAK)).to_have_text(f"{WEAK} (is compared)")
    upload(page, "order 129")
    expect(page.locator(".li-side h2")).to_have_text(["Before", RUN, SAME, WEAK, ALSO])
    expect(page.locator(".li-side").filter(has_text="unlike the other runs")).to_have_count(1)
    expect(page.locator(".li-side").filter(has_text="unlike the other runs")).to_contain_text(WEAK)
    expect(page.locator(".li-figures").filter(has_text="× real time")).to_have_count(5)
    page.get_by_role("button", name=f"Stop comparing {WEAK}").click()
    expect(page.locator(".li-compared li")).to_have_count(2)


@pytest.mark.thorough
@pytest.mark.browser
def test_key_terms_show_each_text_without_and_with_them_and_are_remembered(page: Page, dataset: Dataset) -> None:
    (dataset.folder / "terms.txt").write_text("one\n")
    page.get_by_text("Key terms", exact=False).first.click()
    page.evaluate("studio.changed()")
    page.get_by_role("button", name="Take mine from terms.txt").click()
    page.get_by_label("Boost").fill("4")
    upload(page, "order 129")
    before = page.locator(".li-before .li-reading")
    expect(before).to_have_count(2)
    expect(before.last).to_contain_text("With key terms")
    expect(before.last.locator(".df-same")).to_contain_text("one")
    page.reload()
    show_tab(page, "4 Test")
    expect(page.locator(".li-terms-text")).to_have_value("one")
    (dataset.folder / "terms.txt").unlink()


@pytest.mark.browser
@pytest.mark.thorough
def test_confidence_by_word_is_shown_when_it_is_asked_for_and_told_in_figures(page: Page) -> None:
    upload(page, "order 129")
    word = page.locator(".li-after .st-word").first
    expect(word).to_have_attribute("title", re.compile(r"^\d+ % sure$"))
    expect(page.locator(".li-legend")).to_be_hidden()
    page.get_by_role("checkbox", name="Confidence by word").check()
    expect(page.locator(".li-legend")).to_be_visible()


# Right and wrong


@pytest.mark.browser
@pytest.mark.thorough
def test_one_key_says_right_another_wrong_and_the_tally_counts_both(page: Page, dataset: Dataset) -> None:
    upload(page, "order 12")
    expect(page.locator(".li-said")).to_have_value("order one two")
    page.keyboard.press("r")
    expect(page.locator(".li-tally")).to_have_text(f"Said 1 · judged 1 · right: echo 0, {RUN} 1")
    page.keyboard.press("u")
    expect(page.locator(".li-tally")).to_have_text("Said 1")
    page.keyboard.press("w")
    expect(page.locator(".li-said")).to_be_focused()
    page.keyboard.type(" rw")
    expect(page.locator(".li-said")).to_have_value("order one two rw")
    page.keyboard.press("Enter")
    expect(page.locator(".li-kept")).to_contain_text("Kept in “tones”")
    expect(page.locator(".li-tally")).to_have_text(f"Said 1 · judged 1 · right: echo 0, {RUN} 0")
    assert [clip.text for clip in dataset.utterances() if clip.source == "live"] == ["order one two rw"]
    page.keyboard.press("u")
    expect(page.locator(".li-tally")).to_have_text("Said 1")
    assert not [clip for clip in dataset.utterances() if clip.source == "live"]


@pytest.mark.browser
@pytest.mark.thorough
def test_what_is_right_may_become_a_clip_too(page: Page, dataset: Dataset) -> None:
    upload(page, "order 12")
    expect(page.locator(".li-keep")).to_be_visible()
    page.keyboard.press("r")
    expect(page.locator(".li-kept")).to_contain_text("Right.")
    assert not [clip for clip in dataset.utterances() if clip.source == "live"]
    page.keyboard.press("k")
    expect(page.locator(".li-kept")).to_contain_text("Kept in “tones”")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".li-kept")).to_contain_text("never enters the test split")


@pytest.mark.browser
@pytest.mark.thorough
def test_what_a_deleted_run_could_not_read_is_read_by_another(page: Page, root: Path) -> None:
    hidden = (root / "outputs" / ALSO).rename(root / "hidden")
    try:
        page.locator(".li-runs").select_option(ALSO)
        expect(page.locator(".li-message")).to_contain_text(f"The run “{ALSO}” no longer exists.")
        upload(page, "order 12")
        expect(page.locator(".li-line")).to_contain_text("Not transcribed")
        expect(page.locator(".li-runs")).to_have_value(RUN)
        page.locator(".li-line").click()
        expect(page.locator(".li-said")).to_have_value("order one two")
    finally:
        hidden.rename(root / "outputs" / ALSO)


@pytest.mark.browser
@pytest.mark.thorough
def test_an_adapter_whose_base_is_another_now_is_told_and_loses_no_utterance(page: Page) -> None:
    page.locator(".li-runs").select_option(OTHER_BASE)
    expect(page.locator(".li-message")).to_contain_text("was made on “echo”, not on “starter”")
    upload(page, "order 12")
    expect(page.locator(".li-line")).to_contain_text("Not transcribed: The adapter")
    page.locator(".li-runs").select_option(RUN)
    page.locator(".li-line").click()
    expect(page.locator(".li-said")).to_have_value("order one two")


@pytest.mark.thorough
@pytest.mark.browser
def test_the_run_that_one_tab_shows_is_the_run_of_every_tab(page: Page) -> None:
    page.locator(".li-runs").select_option(SAME)
    show_tab(page, "5 Export")
    expect(page.locator(".ex-runs")).to_have_value(SAME)
    page.locator(".ex-runs").select_option(WEAK)
    show_tab(page, "4 Test")
    expect(page.locator(".li-runs")).to_have_value(WEAK)
    show_tab(page, "3 Train")
    page.get_by_role("button", name=ALSO, exact=True).click()
    page.get_by_role("button", name="Hear the difference").click()
    expect(page.locator(".li-runs")).to_have_value(ALSO)
    show_tab(page, "5 Export")
    expect(page.locator(".ex-runs")).to_have_value(ALSO)

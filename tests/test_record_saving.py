"""What is shown before a take is saved, and what a saved label needs to change: the real page, exact samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from browsing import MICROPHONE_RATE, Served, await_mode, opened, speech, violations
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, Route, expect
from spoken import Microphone, between, silence

from studio.data import prompts
from studio.data.manifest import Dataset, Utterance

Sound = NDArray[np.float32]
ANOTHER = {"heard": "please call the clinic"}
DEAF = {"columns": [{"plain": {"text": ""}}]}
PRESS_AS_IT_APPEARS = """() => {
    const timer = setInterval(() => {
        if (!document.querySelector('.rec-text').value) return;
        clearInterval(timer);
        window.hasPressed = true;
        document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', ctrlKey: true, bubbles: true }));
    }, 5);
}"""


@pytest.fixture(scope="module")
def spoken() -> Sound:
    return speech("order number three five one three nine three three")


@pytest.fixture
def page(studio: Served, browser: Browser) -> Iterator[Page]:
    studio.forget_everything()
    with opened(browser, studio.url, permissions=["microphone"]) as page:
        page.locator(".rec-countdown").uncheck()
        yield page


@pytest.fixture
def say(page: Page) -> Callable[[Sound], None]:
    """Records a sound by keys, up to its review."""
    microphone = Microphone(page)

    def say(sound: Sound) -> None:
        page.keyboard.press("Space")
        microphone.say(sound)
        await_mode(page, "recording")
        page.keyboard.press("Space")
        await_mode(page, "review")

    return say


def clips(studio: Served) -> list[Utterance]:
    return Dataset(studio.workspace / "recordings" / "my-voice").utterances()


def whole(spoken: Sound) -> Sound:
    return between(0.4, spoken, 0.3)


def cut(spoken: Sound) -> Sound:
    return between(0.0, spoken[MICROPHONE_RATE // 8 :], 0.4)


def message(page: Page, words: str) -> None:
    page.locator(".rec-message").get_by_text(words).wait_for()


def await_recorded(page: Page, count: int) -> None:
    recorded = ".rec-pill[data-state=done], .rec-pill[data-state=look]"
    page.wait_for_function(f"count => document.querySelectorAll('{recorded}').length === count", arg=count)


@pytest.mark.thorough
@pytest.mark.browser
def test_a_cut_word_is_told_before_it_is_saved_and_a_second_press_saves_and_goes_on(
    page: Page, studio: Served, say: Callable[[Sound], None], spoken: Sound
) -> None:
    microphone = Microphone(page)
    page.keyboard.press("Space")
    microphone.say(cut(spoken))
    await_mode(page, "recording")
    page.keyboard.press("Control+Enter")  # stop, save and go on, at once
    message(page, "The first word may be cut off.")
    assert clips(studio) == []
    assert page.locator(".rec").get_attribute("data-mode") == "review"
    page.wait_for_timeout(700)  # the person reads it
    page.keyboard.press("Control+Enter")
    await_recorded(page, 1)
    expect(page.locator(".rec-step")).to_have_text("Prompt 2 of 50")
    say(whole(spoken))
    page.keyboard.press("Control+Enter")
    await_recorded(page, 2)
    expect(page.locator(".rec-step")).to_have_text("Prompt 3 of 50")
    assert page.locator(".rec-pill[data-state=look]").count() == 1


@pytest.mark.browser
@pytest.mark.thorough
def test_silence_is_trimmed_and_the_take_saved_in_one_step(
    page: Page, studio: Served, say: Callable[[Sound], None], spoken: Sound
) -> None:
    say(between(0.4, spoken, 2.5))
    message(page, "s of silence after your last word.")
    assert violations(page) == []
    page.get_by_role("button", name="and save").click(delay=700)
    await_recorded(page, 1)
    expect(page.locator(".rec-step")).to_have_text("Prompt 2 of 50")
    [clip] = clips(studio)
    assert clip.duration < len(spoken) / MICROPHONE_RATE + 1.0
    assert page.locator(".rec-pill[data-state=done]").count() == 1


@pytest.mark.browser
@pytest.mark.thorough
def test_a_silent_take_can_be_recorded_again_but_not_saved(
    page: Page, studio: Served, say: Callable[[Sound], None]
) -> None:
    say(silence(2.0))
    message(page, "Nothing was recorded.")
    main = page.locator(".rec-main")
    assert "Record again" in main.inner_text()
    assert page.locator(".rec-card").get_by_role("button", name="Save").count() == 0
    main.click()
    await_mode(page, "opening")
    assert clips(studio) == []


@pytest.mark.thorough
@pytest.mark.browser
def test_a_text_other_than_the_prompt_is_reported_before_it_is_saved(
    page: Page, studio: Served, say: Callable[[Sound], None], spoken: Sound
) -> None:
    page.route("**/studio/listen/differs", lambda route: route.fulfill(json=ANOTHER))
    page.evaluate("window.isCompared = true")
    say(whole(spoken))
    message(page, "The model transcribed something else: “please call the clinic”.")
    assert violations(page) == []
    page.wait_for_timeout(700)  # the person reads it
    page.keyboard.press("Control+Enter")
    await_recorded(page, 1)
    expect(page.locator(".rec-step")).to_have_text("Prompt 2 of 50")
    assert page.locator(".rec-pill[data-state=look]").count() == 1


@pytest.mark.browser
@pytest.mark.thorough
def test_saving_never_waits_for_the_comparison_and_a_late_answer_is_shown_and_can_be_undone(
    page: Page, studio: Served, say: Callable[[Sound], None], spoken: Sound
) -> None:
    waiting: list[Route] = []
    page.route("**/studio/listen/differs", lambda route: waiting.append(route))
    page.evaluate("window.isCompared = true")
    say(whole(spoken))
    page.keyboard.press("Control+Enter")
    expect(page.locator(".rec-step")).to_have_text("Prompt 2 of 50")
    await_recorded(page, 1)
    assert page.locator(".rec-pill[data-state=done]").count() == 1
    waiting[0].fulfill(json=ANOTHER)
    page.locator(".rec-last").get_by_text("Prompt 1: the model transcribed “please call the clinic”").wait_for()
    assert page.locator(".rec-pill[data-state=look]").count() == 1
    page.get_by_role("button", name="Undo").click()
    await_recorded(page, 0)
    assert clips(studio) == []


@pytest.mark.browser
@pytest.mark.thorough
def test_a_model_that_fails_says_nothing_about_the_take(
    page: Page, say: Callable[[Sound], None], spoken: Sound
) -> None:
    page.route("**/studio/listen/differs", lambda route: route.fulfill(status=400, json={"code": "ModelError"}))
    page.evaluate("window.isCompared = true")
    with page.expect_response("**/studio/listen/differs"):
        say(whole(spoken))
    page.keyboard.press("Control+Enter")
    expect(page.locator(".rec-step")).to_have_text("Prompt 2 of 50")
    assert page.locator(".rec-pill[data-state=done]").count() == 1


@pytest.mark.browser
def test_a_guess_is_never_saved_before_it_was_shown_and_confirmed(
    page: Page, studio: Served, say: Callable[[Sound], None], spoken: Sound
) -> None:
    waiting: list[Route] = []
    page.route("**/studio/listen/hear", lambda route: waiting.append(route))
    page.get_by_label("Free speech").check()
    expect(page.locator(".rec-step")).to_have_text("Free speech")
    say(whole(spoken))
    page.keyboard.press("Control+Enter")
    message(page, "There is no label yet.")
    assert clips(studio) == []
    page.evaluate(PRESS_AS_IT_APPEARS)
    waiting[0].fulfill(json={"columns": [{"plain": {"text": "1880468"}}]})
    message(page, "The model wrote this label.")
    page.wait_for_function("window.hasPressed")
    page.wait_for_timeout(700)
    assert page.locator(".rec").get_attribute("data-mode") == "review"
    assert clips(studio) == []
    page.locator(".rec-text").fill("will we ever forget it")
    page.keyboard.press("Control+Enter")
    await_recorded(page, 1)
    assert [clip.text for clip in clips(studio)] == ["will we ever forget it"]


@pytest.mark.thorough
@pytest.mark.browser
def test_free_speech_saved_without_a_label_waits_for_it_and_neither_trains_nor_measures(
    page: Page, studio: Served, say: Callable[[Sound], None], spoken: Sound
) -> None:
    page.route("**/studio/listen/hear", lambda route: route.fulfill(json=DEAF))
    page.get_by_label("Free speech").check()
    expect(page.locator(".rec-step")).to_have_text("Free speech")
    say(whole(spoken))
    page.keyboard.press("Control+Enter")
    message(page, "There is no label yet.")
    page.keyboard.press("Control+Enter")
    await_recorded(page, 1)
    [clip] = clips(studio)
    assert (clip.text, clip.split) == ("", "unused")
    page.keyboard.press("b")
    message(page, "Saved without a label.")
    assert violations(page) == []
    page.locator(".rec-text").fill("good morning")
    page.locator(".rec-text").press("Enter")
    page.locator(".rec-last").get_by_text("Label saved").wait_for()
    [clip] = clips(studio)
    assert clip.text == "good morning"
    assert clip.split != "unused"


@pytest.mark.browser
@pytest.mark.thorough
def test_an_edit_of_a_saved_label_ends_with_enter_and_no_shortcut_types_into_it(
    page: Page, studio: Served, say: Callable[[Sound], None], spoken: Sound
) -> None:
    label = prompts.numbers("words")[0].label
    say(whole(spoken))
    page.keyboard.press("Control+Enter")
    await_recorded(page, 1)
    page.keyboard.press("b")
    field = page.locator(".rec-text")

    field.fill("something else")
    field.press("Escape")
    assert field.input_value() == label
    page.keyboard.press("s")  # the keys belong to the tab again
    expect(page.locator(".rec-step")).to_have_text("Prompt 2 of 50")
    page.keyboard.press("b")
    assert clips(studio)[0].text == label

    field.fill("order number seven")
    field.press("Enter")
    page.locator(".rec-last").get_by_text("Label saved").wait_for()
    assert clips(studio)[0].text == "order number seven"
    page.keyboard.press("s")
    expect(page.locator(".rec-step")).to_have_text("Prompt 2 of 50")
    page.keyboard.press("b")
    assert field.input_value() == "order number seven"

    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("label => document.querySelector('.rec-text').value === label", arg=label)
    assert clips(studio)[0].text == label


@pytest.mark.browser
@pytest.mark.thorough
def test_the_verdict_follows_the_label(page: Page, studio: Served, say: Callable[[Sound], None], spoken: Sound) -> None:
    say(whole(spoken))
    page.keyboard.press("Control+Enter")
    await_recorded(page, 1)
    page.keyboard.press("b")
    page.locator(".rec-verdict.good").wait_for()
    page.locator(".rec-text").fill(f"{prompts.numbers('words')[0].label} and then a great deal more " * 3)
    page.locator(".rec-prompt").click()  # elsewhere
    page.locator(".rec-verdict.look").wait_for()
    message(page, "characters for each second of speech")
    assert page.locator(".rec-pill[data-state=look]").count() == 1


@pytest.mark.browser
@pytest.mark.thorough
def test_next_is_the_first_thing_to_do_on_a_saved_clip_and_recording_again_is_beside_it(
    page: Page, studio: Served, say: Callable[[Sound], None], spoken: Sound
) -> None:
    say(whole(spoken))
    page.keyboard.press("Control+Enter")
    await_recorded(page, 1)
    page.keyboard.press("b")
    main = page.locator(".rec-main")
    assert "Next" in main.inner_text()
    assert page.locator(".rec-card .primary").count() == 1
    assert page.get_by_role("button", name="Record again").is_visible()
    main.click()
    expect(page.locator(".rec-step")).to_have_text("Prompt 2 of 50")


@pytest.mark.browser
@pytest.mark.thorough
def test_tab_writes_a_tab_in_ones_own_text_once_a_line_and_leaves_it_otherwise(page: Page) -> None:
    page.get_by_label("My text").check()
    field = page.get_by_label("Prompts, one a line")
    field.press_sequentially("order 129")
    field.press("Tab")
    field.press_sequentially("order one two nine")
    assert field.input_value() == "order 129\torder one two nine"
    field.press("Tab")
    assert not page.evaluate("document.activeElement.matches('.rec-own textarea')")
    field.focus()
    field.press("End")
    field.press("Enter")
    field.press("Shift+Tab")
    assert not page.evaluate("document.activeElement.matches('.rec-own textarea')")


@pytest.mark.thorough
@pytest.mark.browser
def test_on_a_phone_the_prompt_and_the_button_stay_in_sight_and_next_is_under_the_thumb(
    studio: Served, browser: Browser, spoken: Sound
) -> None:
    studio.forget_everything()
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "permissions": ["microphone"]}
    with opened(browser, studio.url, **phone) as page:
        page.locator(".rec-countdown").uncheck()
        page.evaluate("scrollTo(0, 0)")
        microphone, main = Microphone(page), page.locator(".rec-main")
        place = main.bounding_box()
        expect(main).to_be_in_viewport(ratio=1)
        main.tap()
        microphone.say(cut(spoken))
        await_mode(page, "recording")
        for part in (".rec-prompt", ".rec-scope", ".rec-time", ".rec-main"):
            expect(page.locator(part)).to_be_in_viewport(ratio=1)
        main.tap()
        message(page, "The first word may be cut off.")
        for part in (".rec-prompt", ".rec-message", ".rec-text", ".rec-main"):
            expect(page.locator(part)).to_be_in_viewport(ratio=1)
        expect(page.locator(".rec-figures")).to_be_hidden()
        page.locator("[data-do=figures]").tap()
        expect(page.locator(".rec-figures")).to_be_visible()
        assert "Save and next" in main.inner_text()
        assert violations(page) == []
        page.wait_for_timeout(700)
        main.tap()
        await_recorded(page, 1)
        page.locator(".rec-head [data-do=back]").tap()
        expect(main).to_contain_text("Next")
        assert main.bounding_box() == place

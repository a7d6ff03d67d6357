"""What a person sees and does while recording: the real page, with a microphone that plays a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from browsing import (
    MICROPHONE_RATE,
    Served,
    await_mode,
    chromium,
    free_port,
    microphone_file,
    opened,
    served,
    show_tab,
    speech,
    violations,
)
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, Route, expect
from sounds import recording
from spoken import Microphone, between, silence
from voices import steps

from studio.audio import read
from studio.data import prompts
from studio.data.manifest import Dataset, Utterance

SENTENCE = "order number three five one three nine three three"


@pytest.fixture(scope="module")
def sentence() -> NDArray[np.float32]:
    return between(0.3, speech(SENTENCE), 0.3)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, sentence: NDArray[np.float32]) -> Iterator[Browser]:
    again_and_again = np.tile(sentence, 30)
    with chromium(microphone_file(tmp_path_factory.mktemp("sound") / "voice.wav", again_and_again)) as browser:
        yield browser


@pytest.fixture
def page(studio: Served, browser: Browser) -> Iterator[Page]:
    studio.forget_everything()
    with opened(browser, studio.url, permissions=["microphone"]) as page:
        yield page


@pytest.fixture
def microphone(page: Page) -> Microphone:
    return Microphone(page)


def clips(studio: Served, name: str = "my-voice") -> list[Utterance]:
    return Dataset(studio.workspace / "recordings" / name).utterances()


@pytest.fixture
def take(page: Page, microphone: Microphone, sentence: NDArray[np.float32]) -> Callable[[], None]:
    """Records a sentence, with the keys that a person uses."""

    def take() -> None:
        page.keyboard.press("Space")
        microphone.say(sentence)
        await_mode(page, "recording")
        page.keyboard.press("Space")
        await_mode(page, "review")

    return take


def await_clips(page: Page, count: int) -> None:
    recorded = ".rec-pill[data-state=done], .rec-pill[data-state=look]"
    page.wait_for_function(f"count => document.querySelectorAll('{recorded}').length === count", arg=count)


def go_on_by_hand(page: Page) -> None:
    page.locator(".rec-countdown").uncheck()


def heard_well(heard: NDArray[np.float32], source: NDArray[np.float32], window: int = 22_050) -> int:
    """How many half seconds of `source` are in `heard` with a signal-to-noise ratio above 40 dB, each by itself.

    On a busy machine the browser loses some of what its device gives; sound that was processed has none at all.
    """
    length = 1 << (len(heard) + window).bit_length()
    spectrum = np.fft.rfft(heard, length)
    count = 0
    for part in source[: len(source) // window * window].reshape(-1, window):
        if np.sqrt(np.mean(part**2)) < 0.01:
            continue
        near = np.fft.irfft(spectrum * np.conj(np.fft.rfft(part, length)), length)[: len(heard) - window]
        found = heard[(at := int(np.argmax(near))) : at + window]
        count += bool(np.sum(part**2) > 1e4 * np.sum((found - part) ** 2))
    return count


@pytest.mark.browser
def test_two_prompts_are_recorded_bit_for_bit_and_a_reload_loses_nothing(
    page: Page, take: Callable[[], None], studio: Served, sentence: NDArray[np.float32]
) -> None:
    go_on_by_hand(page)
    words = [prompt.text for prompt in prompts.numbers("words")[:3]]
    for number in range(2):
        assert page.locator(".rec-prompt").text_content() == words[number]
        take()
        page.keyboard.press("Control+Enter")
        await_clips(page, number + 1)
        page.reload()
        page.locator(".rec-pill[aria-current=step]").wait_for()
        assert page.locator(".rec-prompt").text_content() == words[number + 1]
    assert page.locator(".rec-done").text_content() == "2 of 50 recorded"
    for clip in clips(studio):
        kept = read(studio.workspace / "recordings" / "my-voice" / clip.audio_filepath)
        assert kept.sample_rate == MICROPHONE_RATE
        assert np.array_equal(kept.samples[: len(sentence)], steps(sentence))
        assert not kept.samples[len(sentence) :].any()


@pytest.mark.thorough
@pytest.mark.browser
def test_a_real_device_is_recorded_unprocessed(page: Page, studio: Served, sentence: NDArray[np.float32]) -> None:
    go_on_by_hand(page)
    microphone = Microphone(page, is_real=True)
    page.keyboard.press("Space")
    await_mode(page, "recording")
    microphone.await_heard(2 * len(sentence) / MICROPHONE_RATE + 1)
    page.keyboard.press("Space")
    await_mode(page, "review")
    page.locator(".rec-verdict:is(.good, .look, .bad)").wait_for()
    page.wait_for_timeout(700)  # the take may end within a word: what is said of that has to be seen before it is saved
    page.keyboard.press("Control+Enter")
    await_clips(page, 1)
    kept = read(studio.workspace / "recordings" / "my-voice" / clips(studio)[0].audio_filepath)
    assert heard_well(kept.samples, sentence) >= 3


@pytest.mark.thorough
@pytest.mark.browser
def test_the_label_is_edited_before_saving_and_after(page: Page, take: Callable[[], None], studio: Served) -> None:
    go_on_by_hand(page)
    field = page.locator(".rec-text")
    assert field.input_value() == prompts.numbers("words")[0].label
    take()
    field.fill("order number 3513933")
    field.press("p")  # a letter, while the field has the focus
    assert field.input_value() == "order number 3513933p"
    field.fill("order number 3513933")
    field.press("Control+Enter")
    await_clips(page, 1)
    assert clips(studio)[0].text == "order number 3513933"
    page.keyboard.press("b")
    field.fill("order 3513933")
    field.press("Enter")
    page.get_by_text("Label saved").wait_for()
    assert clips(studio)[0].text == "order 3513933"


@pytest.mark.browser
@pytest.mark.thorough
def test_keys_alone_record_discard_wait_and_go_on(page: Page, take: Callable[[], None], studio: Served) -> None:
    take()
    page.keyboard.press("Escape")
    await_mode(page, "ready")
    assert clips(studio) == []
    take()
    page.keyboard.press("Control+Enter")
    await_mode(page, "countdown")
    page.keyboard.press("Escape")
    await_mode(page, "ready")
    assert page.locator(".rec-step").text_content() == "Prompt 2 of 50"
    page.keyboard.press("s")
    assert page.locator(".rec-step").text_content() == "Prompt 3 of 50"
    page.keyboard.press("b")
    page.keyboard.press("b")
    assert page.locator(".rec-state").text_content() == "Recorded"
    page.keyboard.press("p")
    page.wait_for_function("document.querySelector('.rec-play').textContent === 'Pause'")


@pytest.mark.thorough
@pytest.mark.browser
def test_the_countdown_records_by_itself_and_control_enter_stops_saves_and_goes_on(
    page: Page, take: Callable[[], None], microphone: Microphone, sentence: NDArray[np.float32], studio: Served
) -> None:
    take()
    page.keyboard.press("Control+Enter")
    await_mode(page, "countdown")
    await_mode(page, "opening")
    microphone.say(sentence)
    await_mode(page, "recording")
    assert page.locator(".rec-step").text_content() == "Prompt 2 of 50"
    page.keyboard.press("Escape")
    await_mode(page, "ready")
    assert len(clips(studio)) == 1


@pytest.mark.browser
@pytest.mark.thorough
def test_recording_again_and_deleting_can_be_undone(page: Page, take: Callable[[], None], studio: Served) -> None:
    go_on_by_hand(page)
    take()
    page.keyboard.press("Control+Enter")
    await_clips(page, 1)
    [first] = clips(studio)
    dataset = Dataset.open(studio.workspace / "recordings" / "my-voice")
    for change, count in ((dataset.trash, 0), (dataset.restore, 1)):
        change([first.id])  # as in Review
        show_tab(page, "2 Review")
        show_tab(page, "1 Record")
        await_clips(page, count)
        expect(page.locator(".rec-last")).to_be_empty()  # “Saved” is no longer true
    page.keyboard.press("b")
    page.get_by_role("button", name="Delete", exact=True).click()
    await_clips(page, 0)
    page.get_by_role("button", name="Undo").click()
    await_clips(page, 1)
    assert [clip.id for clip in clips(studio)] == [first.id]


@pytest.mark.thorough
@pytest.mark.browser
def test_an_unsaved_take_waits_on_its_card_and_survives_a_reload(
    page: Page, take: Callable[[], None], studio: Served
) -> None:
    take()
    page.locator(".rec-text").fill("my own words")
    page.locator(".rec-text").blur()
    page.keyboard.press("s")
    assert page.locator(".rec-pill[data-state=unsaved]").count() == 1
    page.reload()
    await_mode(page, "review")
    assert page.locator(".rec-step").text_content() == "Prompt 1 of 50"
    page.get_by_text("This recording was not saved.").wait_for()
    page.keyboard.press("Control+Enter")
    await_clips(page, 1)
    assert clips(studio)[0].text == "my own words"


@pytest.mark.browser
@pytest.mark.thorough
def test_a_saved_take_does_not_come_back_when_the_page_is_reloaded_at_once(
    page: Page, take: Callable[[], None]
) -> None:
    go_on_by_hand(page)
    take()
    page.evaluate("() => { IDBObjectStore.prototype.delete = () => { throw new DOMException('', 'AbortError'); }; }")
    page.keyboard.press("Control+Enter")
    await_clips(page, 1)
    page.reload()
    await_clips(page, 1)
    assert page.locator(".rec-pill[data-state=unsaved]").count() == 0
    assert page.locator(".rec-step").text_content() == "Prompt 2 of 50"


@pytest.mark.browser
@pytest.mark.thorough
def test_another_script_or_dataset_in_the_middle_of_a_sentence_loses_nothing(
    page: Page, microphone: Microphone, sentence: NDArray[np.float32], studio: Served
) -> None:
    page.keyboard.press("Space")
    microphone.say(sentence)
    page.get_by_role("radio", name="Phrases", exact=True).check()
    await_mode(page, "review")
    assert page.locator(".rec-prompt").text_content() == prompts.numbers("words")[0].text
    page.keyboard.press("Space")
    microphone.say(sentence)
    page.evaluate("studio.choose('another')")
    page.get_by_text("0 of 50 recorded").wait_for()
    page.evaluate("studio.choose('my-voice')")
    await_mode(page, "review")
    go_on_by_hand(page)
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Undo").wait_for()
    [clip] = clips(studio)
    assert clip.text == prompts.numbers("words")[0].label
    assert clip.duration >= len(sentence) / MICROPHONE_RATE


@pytest.mark.browser
@pytest.mark.thorough
def test_an_answer_that_comes_after_the_next_dataset_was_chosen_changes_nothing(page: Page, studio: Served) -> None:
    late: list[Route] = []
    page.route("**/studio/record/slow", lambda route: late.append(route))
    page.get_by_role("radio", name="Phrases", exact=True).check()
    page.locator(".rec-prompt").get_by_text(prompts.phrases()[0].text, exact=True).wait_for()
    page.evaluate("studio.choose('slow')")
    page.evaluate("studio.choose('my-voice')")
    page.wait_for_function("document.querySelector('[name=rec-script][value=phrases]').checked")
    with page.expect_response("**/studio/record/slow") as answer:
        late[0].continue_()
    answer.value.finished()
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    assert page.locator(".rec-prompt").text_content() == prompts.phrases()[0].text


@pytest.mark.browser
@pytest.mark.thorough
def test_what_another_page_recorded_is_marked_when_this_one_comes_to_the_front(page: Page, studio: Served) -> None:
    third = prompts.numbers("words")[2]
    Dataset.create(studio.workspace / "recordings" / "my-voice").add(recording(), text=third.label, prompt=third.text)
    page.evaluate("dispatchEvent(new Event('focus'))")
    await_clips(page, 1)
    assert page.locator(".rec-step").text_content() == "Prompt 1 of 50"


@pytest.mark.browser
@pytest.mark.thorough
def test_silence_is_noticed_while_it_is_recorded_and_again_after(page: Page, microphone: Microphone) -> None:
    page.keyboard.press("Space")
    microphone.begin(silence(20))
    page.get_by_text("No sound yet.").wait_for()
    page.keyboard.press("Space")
    page.get_by_text("Nothing was recorded.").wait_for()
    page.keyboard.press("Control+Enter")
    page.get_by_text("The recording was not kept.").wait_for()
    assert page.get_by_role("button", name="Save again").count() == 0


@pytest.mark.thorough
@pytest.mark.browser
def test_a_denied_microphone_is_explained_where_the_instruction_stood(studio: Served) -> None:
    studio.forget_everything()
    with chromium(allows=False) as browser, opened(browser, studio.url) as page:
        page.keyboard.press("Space")
        said = page.locator(".rec-message.bad")
        said.wait_for()
        assert "The browser is not allowed to use the microphone." in said.inner_text()
        assert "press Record again" in said.inner_text()
        assert violations(page) == []


@pytest.mark.browser
@pytest.mark.thorough
def test_a_missing_microphone_and_an_insecure_page_say_what_to_do(studio: Served, browser: Browser) -> None:
    studio.forget_everything()
    missing = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError'))"
    insecure = "Object.defineProperty(navigator, 'mediaDevices', { value: undefined })"
    for script, words in ((missing, "No microphone was found."), (insecure, "ssh -L 7860:localhost:")):
        with opened(browser, studio.url) as page:
            page.add_init_script(script)
            page.reload()
            page.locator(".rec-pill").first.wait_for()
            page.locator(".rec-main").click()
            page.locator(".rec-message.bad").get_by_text(words).wait_for()
            assert page.locator(".rec-main").is_enabled()


@pytest.mark.browser
@pytest.mark.thorough
def test_a_microphone_pulled_out_keeps_what_it_heard(
    page: Page, microphone: Microphone, sentence: NDArray[np.float32], studio: Served
) -> None:
    page.evaluate("""() => {
        const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (wanted) => (window.stream = await ask(wanted));
    }""")
    page.keyboard.press("Space")
    microphone.say(sentence)
    page.evaluate("window.stream.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
    await_mode(page, "review")
    page.get_by_text("The microphone was disconnected.").wait_for()
    go_on_by_hand(page)
    page.keyboard.press("Control+Enter")
    await_clips(page, 1)
    assert clips(studio)[0].duration >= len(sentence) / MICROPHONE_RATE


@pytest.mark.thorough
@pytest.mark.browser
@pytest.mark.parametrize(
    ("interruption", "said"),
    [
        ("window.contexts.at(-1).suspend()", "The browser paused the recording."),
        ("window.stream.getAudioTracks()[0].dispatchEvent(new Event('mute'))", "The system muted the microphone."),
        ("microphone.late = 3000", "Part of the sound was lost."),
    ],
)
def test_an_interrupted_take_ends_there_and_two_halves_are_never_joined(
    page: Page, microphone: Microphone, sentence: NDArray[np.float32], studio: Served, interruption: str, said: str
) -> None:
    page.evaluate("""() => {
        const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (wanted) => (window.stream = await ask(wanted));
        window.contexts = [];
        const Context = window.AudioContext;
        window.AudioContext = class extends Context {
            constructor(...options) { super(...options); window.contexts.push(this); }
        };
    }""")
    page.keyboard.press("Space")
    microphone.say(sentence)
    await_mode(page, "recording")
    page.evaluate(f"() => {{ {interruption}; }}")  # waits for nothing: the page closes what is suspended
    microphone.begin(sentence)
    await_mode(page, "review")
    page.get_by_text(said).wait_for()
    go_on_by_hand(page)
    page.keyboard.press("Control+Enter")
    await_clips(page, 1)
    assert len(sentence) / MICROPHONE_RATE <= clips(studio)[0].duration < len(sentence) / MICROPHONE_RATE + 0.1


@pytest.mark.thorough
@pytest.mark.browser
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("AudioContext.prototype.resume = () => new Promise(() => {})", "does not start its audio"),
        ("navigator.mediaDevices.getUserMedia = () => new Promise(() => {})", "has not opened the microphone"),
    ],
)
def test_a_browser_that_never_answers_is_given_up_with_a_sentence(
    studio: Served, browser: Browser, script: str, said: str
) -> None:
    studio.forget_everything()
    hurry = "const wait = setTimeout; window.setTimeout = (f, ms, ...all) => wait(f, ms >= 10000 ? 500 : ms, ...all);"
    with opened(browser, studio.url) as page:
        page.add_init_script(hurry + script)
        page.reload()
        page.locator(".rec-pill").first.wait_for()
        page.locator(".rec-main").click()
        page.locator(".rec-message.bad").get_by_text(said).wait_for()
        assert page.locator(".rec-main").is_enabled()


DEAD = {"2 Review": ".rev-fault", "3 Train": ".train-message", "4 Test": ".li-message", "5 Export": ".ex-message"}


@pytest.mark.browser
@pytest.mark.thorough
def test_a_dead_server_loses_no_recording(tmp_path: Path, browser: Browser, sentence: NDArray[np.float32]) -> None:
    port = free_port()
    with served(tmp_path, port) as studio, opened(browser, studio.url, permissions=["microphone"]) as page:
        go_on_by_hand(page)
        page.keyboard.press("Space")
        Microphone(page).say(sentence)
        page.keyboard.press("Space")
        await_mode(page, "review")
        studio.process.kill()
        studio.process.wait()
        page.keyboard.press("Control+Enter")
        page.locator(".rec-message", has_text="The studio does not answer. Is it still running?").wait_for()
        for tab, box in DEAD.items():
            show_tab(page, tab)
            page.locator(box, has_text="The studio does not answer").wait_for()
        show_tab(page, "1 Record")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").click()
        assert soundfile.info(download.value.path()).duration >= len(sentence) / MICROPHONE_RATE
        with served(tmp_path, port) as again:
            expect(page.locator(".rec-message")).not_to_contain_text("does not answer")  # it noticed by itself
            page.keyboard.press("Control+Enter")
            await_clips(page, 1)
            assert len(clips(again)) == 1
            for tab, box in DEAD.items():
                show_tab(page, tab)
                expect(page.locator(box, has_text="The studio does not answer")).to_be_hidden()


@pytest.mark.thorough
@pytest.mark.browser
def test_a_full_disk_or_a_request_cut_off_keeps_the_take_on_the_page(page: Page, take: Callable[[], None]) -> None:
    go_on_by_hand(page)
    take()
    page.route("**/studio/record/**", lambda route: route.abort())
    page.keyboard.press("Control+Enter")
    page.get_by_text("The connection to the studio broke off.").wait_for()  # the studio itself is there
    page.unroute("**/studio/record/**")
    page.route(
        "**/studio/record/**",
        lambda route: route.fulfill(
            status=507,
            json={
                "what": "The disk is full: the clip was not saved.",
                "remedy": "Free some space.",
                "code": "DiskError",
            },
        ),
    )
    page.keyboard.press("Control+Enter")
    page.get_by_text("The disk is full").wait_for()
    page.unroute("**/studio/record/**")
    page.get_by_role("button", name="Save again").click()
    await_clips(page, 1)


@pytest.mark.browser
@pytest.mark.thorough
def test_own_text_comes_in_through_the_page(page: Page) -> None:
    page.get_by_label("My text").check()
    page.get_by_label("Prompts, one a line").fill("please call the clinic\nthe meeting is at noon")
    page.get_by_role("button", name="Use these prompts").click()
    page.wait_for_function("document.querySelectorAll('.rec-pill').length === 2")
    assert page.locator(".rec-prompt").text_content() == "please call the clinic"
    assert violations(page) == []
    page.get_by_role("radio", name="Numbers", exact=True).check()
    page.get_by_text("0 of 50 recorded").wait_for()
    page.get_by_role("radio", name="My text", exact=True).check()
    assert page.get_by_label("Prompts, one a line").input_value() == "please call the clinic\nthe meeting is at noon"


@pytest.mark.thorough
@pytest.mark.browser
def test_the_tab_has_no_barrier_in_any_of_its_states(
    page: Page, microphone: Microphone, sentence: NDArray[np.float32]
) -> None:
    assert violations(page) == []
    page.keyboard.press("Space")
    microphone.say(sentence)
    await_mode(page, "recording")
    assert violations(page) == []
    page.keyboard.press("Space")
    await_mode(page, "review")
    assert violations(page) == []
    page.keyboard.press("Control+Enter")
    await_mode(page, "countdown")
    assert violations(page) == []


@pytest.mark.browser
@pytest.mark.thorough
def test_the_card_keeps_its_place_whatever_the_state(
    page: Page, microphone: Microphone, sentence: NDArray[np.float32]
) -> None:
    script = """['.rec-prompt', '.rec-scope', '.rec-text', '.rec-main']
        .map((part) => document.querySelector(part).getBoundingClientRect().bottom)"""

    def edges() -> list[float]:
        found: list[float] = page.evaluate(script)
        return found

    before = edges()
    page.keyboard.press("Space")
    microphone.say(sentence)
    await_mode(page, "recording")
    assert edges() == pytest.approx(before, abs=1)
    page.keyboard.press("Space")
    await_mode(page, "review")
    assert edges() == pytest.approx(before, abs=1)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.querySelector('.rec-card').getBoundingClientRect().right") <= 390
    assert page.evaluate("document.querySelector('.rec-bar').getBoundingClientRect().right") <= 390


@pytest.mark.browser
@pytest.mark.thorough
def test_who_works_by_keyboard_keeps_the_focus_from_record_to_save(
    page: Page, microphone: Microphone, sentence: NDArray[np.float32]
) -> None:
    go_on_by_hand(page)
    page.locator(".rec-main").focus()
    for mode in ("recording", "review"):
        page.keyboard.press("Space")
        if mode == "recording":
            microphone.say(sentence)
        await_mode(page, mode)
        page.wait_for_function("document.activeElement === document.querySelector('.rec-main')")
    page.keyboard.press("Space")
    await_clips(page, 1)

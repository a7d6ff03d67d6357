"""The Test tab: what is said is read before and after; a correction trains and never measures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from browsing import PATIENCE, Served, chromium, microphone_file, opened, served, show_tab, violations
from playwright.sync_api import Browser, Page, expect
from sounds import encoded, recording, tone
from tones import config, folder_of, tones, train, wav

from studio.audio import resample
from studio.data.manifest import Dataset
from studio.errors import AudioError, ConfigError, DataError, JobError
from studio.models.echo import speak
from studio.ui import hearing
from studio.ui.hearing import Chosen
from studio.worker import Worker
from studio.workspace import Workspace

expect.set_options(timeout=2 * PATIENCE)  # loading a model takes many times longer on a busy machine
ECHO = Chosen(model="echo", adapters={})
SCRIPT_IN_A_LABEL = "<img src=x onerror=window.broken=1> 5"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one run that writes digits as words."""
    root = tmp_path_factory.mktemp("workspace")
    dataset = tones(root)
    dataset.add(wav("call 5"), text=SCRIPT_IN_A_LABEL, split="test")
    train(root, "tones-0001", config(dropout=0.0, max_steps=20))
    return root


@pytest.fixture
def workspace(root: Path) -> Workspace:
    return Workspace(root)


@pytest.fixture
def chosen(workspace: Workspace) -> Chosen:
    return hearing.choose(workspace, ["tones-0001"], "")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    return hearing.dataset_of(workspace, "tones-0001", "")


# Reading


def test_what_is_said_is_read_before_and_after_with_the_words_that_differ(worker: Worker, chosen: Chosen) -> None:
    before, after = hearing.hear(worker, wav("order 12"), chosen, [], 2.0).columns
    assert (before.plain.text, after.plain.text) == ("order 12", "order one two")
    assert [(edit.kind, edit.reference, edit.hypothesis) for edit in after.edits] == [
        ("equal", "order", "order"),
        ("substitute", "12", "one two"),
    ]


def test_without_a_run_the_base_model_reads_alone(worker: Worker) -> None:
    (before,) = hearing.hear(worker, wav("order 12"), ECHO, [], 2.0).columns
    assert (before.run, before.plain.text, before.biased, before.edits) == ("", "order 12", None, [])


@pytest.mark.parametrize(
    ("sound", "what"),
    [
        (recording(seconds=0.02), "lasts 0.02 s"),
        (encoded(tone(1.0, level=0.0), 16_000), "is silent"),
        (b"this is a text", "not a sound file"),
    ],
    ids=["too short", "silent", "text"],
)
def test_what_cannot_be_read_is_refused_in_words(worker: Worker, sound: bytes, what: str) -> None:
    with pytest.raises(AudioError, match=what) as raised:
        hearing.hear(worker, sound, ECHO, [], 2.0)
    assert raised.value.remedy


def test_only_runs_that_left_an_adapter_are_offered_the_newest_first(workspace: Workspace, root: Path) -> None:
    unfinished = folder_of(root, "tones-0000")
    unfinished.config.write_text('{"dataset": "tones", "model": "echo"}')
    assert [(run.name, run.dataset) for run in hearing.testable_runs(workspace)] == [("tones-0001", "tones")]
    with pytest.raises(JobError, match="has no adapter"):
        hearing.finished(workspace, "tones-0000")


def test_a_run_with_a_damaged_config_hides_no_other(workspace: Workspace, root: Path) -> None:
    broken = folder_of(root, "broken")
    broken.config.write_text("{")
    broken.done.touch()
    broken.adapter.mkdir(exist_ok=True)
    (broken.adapter / "adapter_model.safetensors").touch()
    assert [run.name for run in hearing.testable_runs(workspace)] == ["tones-0001"]


# Correcting


def test_a_correction_becomes_a_live_clip_that_can_be_taken_back(dataset: Dataset) -> None:
    kept = hearing.keep(dataset, wav("code 77"), "code seven seven")
    clip = dataset.get(kept.id)
    assert (clip.source, clip.text, clip.split) == ("live", "code seven seven", "train")
    assert kept.said == "Kept in “tones” as a training clip of 0.3 s."
    hearing.take_back(dataset, kept.id)
    with pytest.raises(DataError):
        dataset.get(kept.id)


def test_a_correction_never_measures_and_says_so(dataset: Dataset) -> None:
    measured = next(clip.text for clip in dataset.utterances() if clip.split == "test")
    kept = hearing.keep(dataset, wav("order 12"), measured)
    assert dataset.get(kept.id).split == "unused"
    assert "the test split has this sentence" in kept.said
    hearing.take_back(dataset, kept.id)


def test_only_what_was_kept_here_is_taken_back_here(dataset: Dataset) -> None:
    recorded = dataset.utterances()[0]
    with pytest.raises(DataError, match="Review tab"):
        hearing.take_back(dataset, recorded.id)
    assert dataset.get(recorded.id) == recorded


def test_an_empty_correction_is_refused_and_nothing_is_kept(dataset: Dataset) -> None:
    clips = dataset.utterances()
    with pytest.raises(DataError, match="label is empty"):
        hearing.keep(dataset, wav("order 12"), "  ")
    assert dataset.utterances() == clips


def test_without_a_run_a_correction_goes_to_the_dataset_in_hand_which_is_never_a_path(
    workspace: Workspace,
) -> None:
    assert hearing.dataset_of(workspace, "", "fresh").folder == workspace.recordings / "fresh"
    with pytest.raises(ConfigError, match="cannot be a name"):
        hearing.dataset_of(workspace, "", "../outside")


# The page


def test_the_page_loads_no_torch() -> None:
    heavy = "{'torch', 'transformers', 'peft'}"
    code = f"import sys, studio.ui.listen, studio.ui.export; print(*{heavy} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []


@pytest.fixture(scope="module")
def studio(root: Path) -> Iterator[Served]:
    with served(root) as studio:
        yield studio


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    said = resample(speak("order 12907"), 16_000, 44_100)
    file = microphone_file(tmp_path_factory.mktemp("microphone") / "said.wav", said, lead=1.0)
    with chromium(file) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, studio: Served) -> Iterator[Page]:
    with opened(browser, studio.url, permissions=["microphone"]) as page:
        show_tab(page, "4 Test")
        expect(page.locator(".li-ready")).to_have_text("Ready")
        yield page


def upload(page: Page, words: str, name: str = "said.wav") -> None:
    page.locator(".li-open input").set_input_files({"name": name, "mimeType": "audio/wav", "buffer": wav(words)})


def texts(page: Page) -> list[str]:
    """Before and after, as the eye reads them."""
    unspoken = "side => [...side.querySelectorAll('.st-hidden')].forEach(part => part.remove())"
    sides = [page.locator(f".li-{name} .li-text") for name in ("before", "after")]
    for side in sides:
        side.evaluate(unspoken)
    return [" ".join(side.inner_text().split()) for side in sides]


@pytest.mark.browser
def test_holding_the_button_reads_what_is_said_before_and_after(page: Page, studio: Served) -> None:
    page.locator(".li-hold").hover()
    page.mouse.down()
    expect(page.locator(".li-message")).to_contain_text("Listening")
    page.wait_for_timeout(2500)
    page.mouse.up()
    expect(page.locator(".li-keep")).to_be_visible()
    before, after = texts(page)
    assert "12907" in before
    assert "one two nine zero seven" in after
    expect(page.locator(".li-after .li-figures")).to_contain_text("read in")
    expect(page.locator(".li-after .li-figures")).to_contain_text("confidence")


@pytest.mark.browser
@pytest.mark.parametrize("key", ["t", "Space", "Enter"])
def test_who_cannot_hold_presses_once_to_begin_and_once_to_end(page: Page, key: str) -> None:
    if key != "t":
        page.locator(".li-hold").focus()
    page.keyboard.press(key)
    expect(page.locator(".li")).to_have_attribute("data-phase", "recording")
    page.wait_for_timeout(1500)
    page.keyboard.press(key)
    expect(page.locator(".li-keep")).to_be_visible()


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


@pytest.mark.browser
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
def test_what_cannot_be_read_is_told_where_the_instruction_stood(page: Page) -> None:
    silent = {"name": "s.wav", "mimeType": "audio/wav", "buffer": encoded(tone(1.0, level=0.0), 16_000)}
    page.locator(".li-open input").set_input_files(silent)
    expect(page.locator(".li-message")).to_contain_text("It is silent")
    expect(page.locator(".li-message")).to_contain_text("Is the microphone muted")
    expect(page.locator(".li-keep")).to_be_hidden()


@pytest.mark.browser
def test_a_held_out_clip_can_be_played_and_a_label_is_never_markup(page: Page) -> None:
    rows = page.locator(".li-table tbody tr")
    expect(rows.first).to_contain_text(SCRIPT_IN_A_LABEL)
    assert page.evaluate("window.broken") is None
    with page.expect_response(lambda answer: "/studio/clips/tones/" in answer.url) as answer:
        rows.first.get_by_role("button").click()
    assert answer.value.status in (200, 206)
    expect(page.locator(".st-tile").first).to_contain_text("Word error rate")


@pytest.mark.browser
def test_the_running_page_never_loads_torch(page: Page, studio: Served) -> None:
    upload(page, "order 129")
    expect(page.locator(".li-keep")).to_be_visible()
    files = {entry.path for entry in psutil.Process(studio.process.pid).memory_maps()}
    assert not [path for path in files if "libtorch" in path]


@pytest.mark.browser
def test_before_any_run_the_base_model_alone_answers_and_the_page_says_what_comes(
    browser: Browser, tmp_path: Path
) -> None:
    with served(tmp_path) as studio, opened(browser, studio.url, permissions=["microphone"]) as page:
        page.evaluate("studio.choose('model', 'echo')")
        show_tab(page, "4 Test")
        expect(page.locator(".li-ready")).to_have_text("Ready")
        expect(page.locator(".li-after")).to_contain_text("as soon as a run has finished")
        upload(page, "order 129")
        expect(page.locator(".li-before .li-text")).to_have_text("order 129")
        expect(page.locator(".li-after")).to_contain_text("as soon as a run has finished")


@pytest.mark.browser
def test_a_refused_microphone_says_how_to_allow_it(page: Page) -> None:
    refused = "() => Promise.reject(new DOMException('Permission denied', 'NotAllowedError'))"
    page.evaluate(f"() => {{ navigator.mediaDevices.getUserMedia = {refused}; }}")
    page.locator(".li-hold").click()
    expect(page.locator(".li-message")).to_contain_text("may not use the microphone")
    expect(page.locator(".li-message")).to_contain_text("address bar")


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_with_the_tab(browser: Browser, studio: Served, scheme: str) -> None:
    with opened(browser, studio.url, color_scheme=scheme) as page:
        show_tab(page, "4 Test")
        expect(page.locator(".li-ready")).to_have_text("Ready")
        upload(page, "order 129")
        expect(page.locator(".li-keep")).to_be_visible()
        assert violations(page) == []

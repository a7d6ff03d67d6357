"""The Train tab in a real browser: nothing that a person does to the page loses anything of the run."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browsing import opened, served, show_tab, violations
from playwright.sync_api import Browser, Locator, Page, expect
from tiny_models import moonshine, whisper
from tones import tones

from studio.config import PRESETS, TrainConfig
from studio.models import is_cpu_build
from studio.runs import control, listing, queue
from studio.runs.events import StepDone, read
from studio.runs.folder import RunFolder
from studio.ui import base_models
from studio.workspace import Workspace

pytestmark = pytest.mark.browser

ENDLESS = ("steps=60000", "pause=0.02")  # outlives its test on any machine
FAKE_STUDIO = (str(Path(__file__).with_name("fake_studio.py")),)
COUNT_STREAMS = """() => {
  window.openStreams = 0;
  const Real = EventSource;
  window.EventSource = class extends Real {
    constructor(address, ...words) {
      super(address, ...words);
      this.isOurs = String(address).includes("/studio/");
      window.openStreams += this.isOurs;
    }
    close() {
      if (this.readyState !== 2) window.openStreams -= this.isOurs;
      super.close();
    }
  };
}"""


@dataclass
class Studio:
    """A served workspace in which every training is the fake trainer."""

    workspace: Workspace
    url: str

    def train_like(self, *words: str) -> None:
        """What the fake trainer is told from now on."""
        (self.workspace.root / "words.txt").write_text(" ".join(words))

    def run(self, name: str) -> RunFolder:
        return RunFolder(self.workspace.run(name))

    def clear(self) -> None:
        """End whatever goes on or waits, and forget all runs."""
        for waiting in queue.waiting(self.workspace):
            queue.cancel(self.workspace, waiting.name)
        if running := control.active(self.workspace):
            control.stop(running, "discard")
            while not control.state(running).is_over:
                time.sleep(0.02)
        shutil.rmtree(self.workspace.outputs, ignore_errors=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    root = tmp_path_factory.mktemp("studio")
    tones(root, 20)
    with served(root, program=FAKE_STUDIO) as process:
        yield Studio(Workspace(root), process.url)


@pytest.fixture
def studio(place: Studio) -> Iterator[Studio]:
    place.train_like("steps=60", "pause=0.05")
    yield place
    place.clear()


@pytest.fixture
def page(studio: Studio, browser: Browser) -> Iterator[Page]:
    """The Train tab of a fresh visitor."""
    with opened(browser, studio.url, reduced_motion="reduce") as page:
        yield on_the_train_tab(page)


def on_the_train_tab(page: Page) -> Page:
    show_tab(page, "3 Train")
    page.locator(".train-runs h2").wait_for()
    return page


def another_tab(page: Page, studio: Studio) -> Page:
    """A second tab of the same browser."""
    other = page.context.new_page()
    other.goto(studio.url)
    return on_the_train_tab(other)


def start(page: Page) -> None:
    page.locator(".train-start:enabled", has_text="Start").click()


def steps_on_show(page: Page) -> int:
    """How many steps the loss curve says it has."""
    words = curve(page)
    return int(words.split(" at step ")[-1].split(",")[0]) if " at step " in words else 0


def curve(page: Page) -> str:
    """The loss curve in words."""
    return page.locator(".train-run [data-chart=loss]").get_attribute("aria-label") or ""


def wait_for_step(page: Page, step: int) -> None:
    page.wait_for_function(
        """step => {
            const words = document.querySelector('.train-run [data-chart=loss]')?.ariaLabel ?? '';
            return Number(words.split(' at step ').at(-1).split(',')[0]) >= step;
        }""",
        arg=step,
    )


def last_step(studio: Studio) -> int:
    """How far the run is, by its own log."""
    return max(event.step for _, event in read(studio.run("tones-0001").events) if isinstance(event, StepDone))


def pill(page: Page, word: str) -> None:
    page.locator(".live-pill", has_text=word).wait_for()


@pytest.mark.thorough
def test_a_run_is_started_watched_and_reattached_by_a_reload_and_a_second_tab(studio: Studio, page: Page) -> None:
    studio.train_like(*ENDLESS)
    start(page)
    pill(page, "Training")
    wait_for_step(page, 12)
    page.reload()
    on_the_train_tab(page)
    wait_for_step(page, 13)
    assert " at step 1," in curve(page)  # from the very first
    second = another_tab(page, studio)
    wait_for_step(second, 13)
    for tab in (page, second):
        before = steps_on_show(tab)
        wait_for_step(tab, before + 5)  # both are live
        assert tab.locator(".live-name").inner_text() == "tones-0001"
    painted = second.evaluate(
        "() => { const c = document.querySelector('.train-run [data-chart=loss]');"
        "return new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer).some(Boolean) }"
    )
    assert painted
    page.context.close()  # no browser is left, and the run goes on
    assert control.active(studio.workspace) == studio.run("tones-0001")


@pytest.mark.thorough
def test_stop_asks_first_and_saves(studio: Studio, page: Page) -> None:
    studio.train_like(*ENDLESS)
    start(page)
    wait_for_step(page, 5)
    page.get_by_role("button", name="Stop", exact=True).click()
    dialog = page.get_by_role("dialog", name="Stop this run?")
    assert page.evaluate("document.activeElement.textContent") == "Continue"
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    before = steps_on_show(page)
    wait_for_step(page, before + 5)  # it went on
    page.get_by_role("button", name="Stop", exact=True).click()
    dialog.get_by_role("button", name="Stop and save").click()
    pill(page, "Stopped")
    assert "Held-out WER: 96.0 % → 8.0 %." in page.locator(".live-messages").inner_text()
    page.locator(".train-table", has_text="96.0 % → 8.0 %").wait_for()
    tile = page.locator(".live-tiles .st-tile", has_text="General WER")
    assert "1.0 % → 3.0 %" in tile.inner_text()  # what it cost everybody else
    assert studio.run("tones-0001").done.exists()


@pytest.mark.thorough
def test_discard_keeps_nothing(studio: Studio, page: Page) -> None:
    studio.train_like(*ENDLESS)
    start(page)
    wait_for_step(page, 3)
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("button", name="Discard").click()
    pill(page, "Discarded")
    assert "nothing was kept" in page.locator(".live-messages").inner_text()
    assert not page.get_by_role("button", name="Resume").is_visible()
    assert not studio.run("tones-0001").done.exists()


def waiting_runs(page: Page) -> str:
    return " ".join(page.locator(".train-waiting li .st-grow > b").all_inner_texts())


@pytest.mark.thorough
def test_a_second_start_waits_its_turn_and_the_live_view_goes_on_with_it(studio: Studio, page: Page) -> None:
    second = another_tab(page, studio)
    studio.train_like(*ENDLESS)
    start(page)
    wait_for_step(page, 3)
    second.locator(".train-start").evaluate("button => button.click()")  # without a focus that would bring news
    note = second.locator(".train-note", has_text="tones-0002 is number 1 in the queue and starts on its own.")
    note.wait_for()
    assert "tones-0001 is still going." in note.inner_text()
    pill(second, "Training")  # what goes on came to the fore
    page.get_by_role("button", name="All runs").click()
    page.get_by_role("button", name="Add to the queue", exact=True).click()
    page.locator(".train-waiting li", has_text="tones-0003").wait_for()
    page.locator(".train-message", has_text="tones-0003 is number 2 in the queue").wait_for()  # beside the button
    assert waiting_runs(page) == "tones-0002 tones-0003"
    assert "tones-0001 is still going." in page.locator(".train-message").inner_text()
    page.get_by_role("button", name="Move tones-0003 up", exact=True).focus()
    page.keyboard.press("Enter")
    page.locator(".train-waiting li:first-child", has_text="tones-0003").wait_for()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Move tones-0003 down"
    assert [run.name for run in queue.waiting(studio.workspace)] == ["tones-0003", "tones-0002"]
    page.locator(
        ".train-message", has_text="tones-0003 is number 1 in the queue"
    ).wait_for()  # a notice says what is true now
    page.get_by_role("button", name="Cancel tones-0002", exact=True).click()
    second.locator(".train-note .st-message").wait_for(state="detached")  # it waits no longer
    page.wait_for_function("document.querySelectorAll('.train-waiting li').length === 1")
    control.stop(studio.run("tones-0001"), "discard")
    second.locator(".live-name", has_text="tones-0003").wait_for()
    assert "tones-0001 stopped. Now tones-0003" in second.locator(".train-note").inner_text()
    wait_for_step(second, 3)
    page.locator(".train-table", has_text="tones-0003").wait_for()
    assert page.locator(".train-setup").is_visible()  # who was at the form is left there
    assert not page.locator(".train-waiting").is_visible()
    page.locator(".train-message .st-message").wait_for(state="detached")


@pytest.mark.thorough
def test_the_memory_that_a_run_takes_is_told_as_the_settings_change(studio: Studio, page: Page) -> None:
    page.locator(".train-memory", has_text="Memory: about").wait_for()
    before = page.locator(".train-memory").inner_text()
    page.get_by_text("Advanced").click()
    page.get_by_label("Batch size").fill("512")
    page.wait_for_function("was => document.querySelector('.train-memory').textContent !== was", arg=before)
    much = {
        "command": "studio train",
        "memory": {"text": "Memory: too much. Halve the batch size.", "is_enough": False},
        "time": "",
        "notes": [],
    }
    page.route("**/train/command", lambda route: route.fulfill(json=much))
    page.get_by_label("Batch size").fill("511")
    page.locator(".train-memory.bad", has_text="Halve the batch size").wait_for()
    assert violations(page) == []


@pytest.mark.thorough
def test_a_failed_run_says_why_and_resumes(studio: Studio, page: Page) -> None:
    studio.train_like("crash", "steps=20", "pause=0.01")
    start(page)
    pill(page, "Failed")
    assert "the flux capacitor is empty" in page.locator(".live-messages").inner_text()
    page.locator(".live-log summary").click()
    page.locator(".live-log pre", has_text="Traceback").wait_for()
    studio.train_like("steps=20", "pause=0.01")
    page.get_by_role("button", name="Resume").click()
    pill(page, "Finished")
    assert steps_on_show(page) == 20
    note_rename_and_train_again(studio, page)


def note_rename_and_train_again(studio: Studio, page: Page) -> None:
    """“About this run”, on the finished run on show."""
    about = page.locator(".train-about")
    about.get_by_label("Note").fill("after a crash")
    about.get_by_role("button", name="Save note").click()
    expect(about.get_by_role("status")).to_have_text("Note saved.")
    about.get_by_label("Name", exact=True).fill("mended")
    about.get_by_role("button", name="Rename").click()
    expect(about.get_by_role("status")).to_contain_text("tones-0001 is now called mended.")
    assert [run.name for run in listing.runs(studio.workspace)] == ["mended"]
    about.get_by_role("button", name="Undo").click()
    expect(about.get_by_role("status")).to_contain_text("mended is now called tones-0001.")
    expect(about.get_by_label("Note")).to_have_value("after a crash")
    about.get_by_text("Settings", exact=True).click()
    expect(about.locator(".about-settings")).to_contain_text("Batch size")
    about.get_by_role("button", name="Train again like this").click()
    expect(page.locator(".train-start")).to_be_focused()


@pytest.mark.thorough
def test_an_earlier_run_is_looked_at_deleted_and_had_back(studio: Studio, page: Page) -> None:
    studio.train_like("steps=9", "pause=0")
    start(page)
    pill(page, "Finished")
    page.get_by_role("button", name="All runs").click()
    page.get_by_role("button", name="Start").wait_for()
    page.get_by_role("button", name="tones-0001", exact=True).click()
    pill(page, "Finished")
    assert steps_on_show(page) == 9
    page.get_by_role("button", name="Delete tones-0001").click()
    page.get_by_text("tones-0001 was moved to the trash.").wait_for()
    assert listing.runs(studio.workspace) == []
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="tones-0001", exact=True).wait_for()
    assert [run.name for run in listing.runs(studio.workspace)] == ["tones-0001"]


@pytest.mark.thorough
def test_every_knob_is_there_and_a_bad_value_is_refused_beside_the_button(studio: Studio, page: Page) -> None:
    page.get_by_text("Advanced").click()
    page.get_by_label("Rank").fill("4")
    page.locator(".train-command code", has_text="train tones --model starter --targets full --rank 4").wait_for()
    page.get_by_label("Rank").fill("9999")
    page.locator(".train-message", has_text="rank").wait_for()
    assert page.get_by_label("Rank").get_attribute("aria-invalid") == "true"
    start(page)
    page.locator(".train-message", has_text="9999").wait_for()
    assert listing.runs(studio.workspace) == []
    page.get_by_text("Thorough").click()  # a preset sets every knob
    page.locator(".train-command code", has_text=f"--max-steps {PRESETS['thorough']['max_steps']}").wait_for()
    assert page.locator(".train-message").inner_text() == ""


@pytest.mark.thorough
def test_what_to_teach_is_chosen_first_and_shows_in_the_command(studio: Studio, page: Page) -> None:
    page.get_by_label("Conventions").check()
    page.locator(".train-command code", has_text="--targets conventions").wait_for()
    page.get_by_text("Thorough").click()  # how long is another choice: it leaves this one
    page.locator(".train-command code", has_text=f"--max-steps {PRESETS['thorough']['max_steps']}").wait_for()
    assert "--targets conventions" in page.locator(".train-command code").inner_text()
    page.get_by_text("Advanced").click()
    page.get_by_label("Target layers").fill(".*fc1")
    page.locator(".train-command code", has_text="--targets '.*fc1'").wait_for()
    assert not page.locator("[name=train-adapter]:checked").count()


@pytest.mark.thorough
def test_a_cluster_is_chosen_by_its_address_which_shows_in_the_command(studio: Studio, page: Page) -> None:
    command = page.get_by_role("group", name="The same from the command line")
    field = page.get_by_label("Address of the cluster", exact=True)
    expect(page.get_by_role("radio", name="A Ray cluster", exact=True)).to_be_hidden()  # few need it
    page.get_by_text("Advanced").click()
    expect(page.get_by_role("radio", name="This machine", exact=True)).to_be_checked()
    expect(field).to_be_hidden()
    page.get_by_role("radio", name="A Ray cluster", exact=True).check()
    expect(page.get_by_role("alert").filter(has_text="the address of the cluster is missing")).to_be_visible()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile("settings and the studio’s own source are sent there"))
    field.fill("http://head:8265")
    expect(command).to_contain_text("--on http://head:8265")
    expect(page.locator(".train-advanced summary")).to_contain_text("runs on a Ray cluster")  # also where it is closed
    page.set_viewport_size({"width": 390, "height": 844})
    card = page.locator(".train-card").bounding_box()
    assert card is not None
    assert card["x"] + card["width"] <= 390  # a long command scrolls in its own box
    expect(field).not_to_have_attribute("aria-invalid", "true")
    page.get_by_role("radio", name="This machine", exact=True).check()
    expect(command).not_to_contain_text("--on")


@pytest.mark.thorough
def test_the_button_names_what_is_missing(studio: Studio, page: Page, tmp_path: Path) -> None:
    few = studio.workspace.recordings / "a-few"
    tones(tmp_path, 5).folder.rename(few)
    try:
        page.reload()
        on_the_train_tab(page)
        page.get_by_label("Dataset", exact=True).click()
        page.get_by_role("option", name="a-few").click()
        page.get_by_role("button", name="Record 35 more clips").click()
        page.locator("[role=tab][aria-selected=true]", has_text="1 Record").wait_for()
    finally:
        few.rename(tmp_path / "gone")


@pytest.mark.thorough
def test_a_download_shows_its_cost_first_and_then_how_far_it_is(studio: Studio, page: Page) -> None:
    page.get_by_text("Moonshine tiny", exact=True).click()
    page.get_by_role("button", name="Download 112 MB").click()
    assert "Moonshine tiny" in page.locator("#st-model input").input_value()  # the sidebar's picker followed
    page.locator(".train-start:disabled", has_text="45 %").wait_for()
    (studio.workspace.root / "arrived").touch()
    page.locator(".train-start:enabled", has_text="Start").wait_for()
    assert "on this disk" in page.locator(".train-line", has_text="Moonshine tiny").first.inner_text()


@pytest.mark.thorough
@pytest.mark.skipif(not is_cpu_build(), reason="This computer may have a GPU: there every model starts with Full.")
def test_another_model_is_taught_what_suits_it_until_a_person_chooses(
    studio: Studio, page: Page, tmp_path: Path
) -> None:
    folder = base_models.add(studio.workspace, str(whisper(tmp_path / "slow")))

    def adapter(name: str) -> Locator:
        return page.locator(f"[name=train-adapter][value={name}]")

    page.reload()
    on_the_train_tab(page)
    expect(adapter("full")).to_be_checked()
    page.locator(f'[name=train-model][value="{folder}"]').check()
    expect(adapter("voice")).to_be_checked()
    expect(page.locator(".train-command code")).to_contain_text("--targets voice")
    page.locator("[name=train-model][value=starter]").check()
    expect(adapter("full")).to_be_checked()
    adapter("deep").check()
    page.locator(f'[name=train-model][value="{folder}"]').check()
    expect(page.locator(".train-command code")).to_contain_text(f"--model {folder} --targets deep")
    base_models.forget(studio.workspace, folder)


@pytest.mark.thorough
def test_any_other_model_is_added_by_its_folder_and_then_chosen_everywhere(
    studio: Studio, page: Page, tmp_path: Path
) -> None:
    folder = moonshine(tmp_path / "mine")
    sidebar = page.get_by_label("Base model", exact=True)
    show_tab(page, "1 Record")
    sidebar.click()
    page.get_by_role("option", name="Another model …").click()
    field = page.get_by_label("Folder on the studio’s computer, or Hub id")
    expect(field).to_be_focused()
    expect(page.get_by_role("button", name="Add the model first")).to_be_disabled()
    expect(page.locator(".train-time")).to_have_text("")  # an estimate would be about the model chosen before
    expect(page.locator(".train-memory")).to_have_text("")
    expect(sidebar).to_have_value(re.compile("^Starter"))
    field.fill(str(tmp_path))
    field.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="is not a model folder")).to_be_visible()
    assert violations(page) == []
    field.fill(str(folder))
    field.press("Enter")
    page.locator(".train-command code", has_text=f"--model {folder}").wait_for()
    expect(sidebar).to_have_value("mine · on disk")
    page.get_by_role("button", name="Remove from the list").click()
    expect(sidebar).to_have_value(re.compile("^Starter"))
    expect(page.get_by_role("radio", name=re.compile("^mine"))).to_have_count(0)


@pytest.mark.thorough
def test_a_tab_out_of_sight_follows_nothing_and_misses_nothing(studio: Studio, page: Page) -> None:
    page.evaluate(COUNT_STREAMS)
    studio.train_like(*ENDLESS)
    start(page)
    wait_for_step(page, 3)
    show_tab(page, "1 Record")
    page.wait_for_function("window.openStreams === 0")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/train/" in request.url else None)
    unseen = last_step(studio) + 20
    while last_step(studio) < unseen:
        page.evaluate("() => new Promise((drawn) => requestAnimationFrame(drawn))")
    assert asked == []
    show_tab(page, "3 Train")
    page.wait_for_function("window.openStreams === 1")
    wait_for_step(page, last_step(studio))
    assert " at step 1," in curve(page)


@pytest.mark.thorough
def test_start_is_in_sight_on_a_desk_and_stays_so_on_a_phone(studio: Studio, page: Page) -> None:
    studio.train_like("steps=9", "pause=0")
    page.locator(".train-time", has_text="Time: roughly").wait_for()
    button = page.locator(".train-start")
    assert page.viewport_size == {"width": 1440, "height": 900}
    assert is_in_sight(button, 900)
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_text("Advanced").click()
    for place in (".train-head", ".train-adapters", ".train-knobs"):
        page.locator(place).evaluate("part => part.scrollIntoView()")
        assert is_in_sight(button, 844)
    start(page)
    pill(page, "Finished")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def is_in_sight(button: Locator, height: int) -> bool:
    """Whether all of `button` is in a window of `height`, and nothing lies over it."""
    box = button.bounding_box()
    assert box is not None
    is_on_top = button.evaluate(
        """button => {
            const { x, y, width, height } = button.getBoundingClientRect();
            return button.contains(document.elementFromPoint(x + width / 2, y + height / 2));
        }"""
    )
    return box["y"] >= 0 and box["y"] + box["height"] <= height and bool(is_on_top)


NOTICES = """() => {
  window.asked = 0;
  window.notices = [];
  window.Notification = class {
    static permission = "default";
    static async requestPermission() {
      window.asked += 1;
      return (Notification.permission = "granted");
    }
    constructor(title, { body }) {
      window.notices.push(`${title}: ${body}`);
    }
  };
}"""


@pytest.mark.thorough
def test_a_run_marks_its_tab_and_a_notice_says_when_it_is_done(studio: Studio, page: Page) -> None:
    page.evaluate(NOTICES)
    tab = page.get_by_role("tab", name="3 Train")
    studio.train_like("steps=30", "pause=0.1")
    start(page)
    expect(tab).to_have_accessible_name("3 Train, a run is training")
    show_tab(page, "1 Record")
    page.wait_for_function("window.notices.length")
    assert page.evaluate("window.notices") == ["tones-0001 is done: Held-out WER: 96.0 % → 8.0 %."]
    expect(tab).to_have_accessible_name("3 Train, a run is done")
    show_tab(page, "3 Train")
    expect(tab).to_have_accessible_name("3 Train")
    page.get_by_role("button", name="All runs").click()
    studio.train_like("steps=3", "pause=0")
    start(page)
    pill(page, "Finished")
    assert page.evaluate("window.asked") == 1
    assert len(page.evaluate("window.notices")) == 1  # nothing is announced that is being looked at


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.thorough
def test_everything_can_be_reached_by_a_screen_reader(studio: Studio, page: Page, theme: str) -> None:
    page.evaluate("theme => window.studioTheme.choose(theme)", theme)
    page.get_by_text("Advanced").click()
    assert violations(page) == []
    studio.train_like(*ENDLESS)
    start(page)
    wait_for_step(page, 3)
    queue.submit(studio.workspace, TrainConfig(dataset="tones"))
    page.evaluate("() => dispatchEvent(new Event('focus'))")
    page.locator(".train-waiting li").wait_for()
    page.locator(".live-log summary").click()
    assert violations(page) == []
    page.get_by_role("button", name="Stop", exact=True).click()
    assert violations(page) == []

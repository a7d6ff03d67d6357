"""The page's dialog for long recordings: opened by a file, followed, left and found again, cancelled, taken away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from browsing import Served, opened, show_tab, violations
from playwright.sync_api import Browser, Page, expect
from subtitles_read import read_srt, read_vtt

from studio.models.echo import speak

PHRASES = [f"order {number:04d} for room {number % 7}" for number in range(100, 115)]
RATE = 16_000


def sound_of(path: Path, phrases: list[str]) -> Path:
    pause = np.zeros(round(2.5 * RATE), np.float32)
    soundfile.write(path, np.concatenate([part for phrase in phrases for part in (speak(phrase), pause)]), RATE)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sounds")


@pytest.fixture(scope="module")
def meeting(folder: Path) -> Path:
    """Nearly a minute: more than a model hears at once."""
    return sound_of(folder / "a meeting & more.wav", PHRASES)


@pytest.fixture(scope="module")
def client(studio: Served) -> Iterator[httpx.Client]:
    with studio.client() as client:
        yield client


@pytest.fixture
def page(browser: Browser, studio: Served) -> Iterator[Page]:
    with opened(browser, studio.url) as page:
        page.evaluate("import('./studio/assets/studio.js').then(({ studio }) => studio.choose('', 'echo'))")
        show_tab(page, "4 Test")
        yield page


def given(client: httpx.Client, path: Path, name: str | None = None) -> httpx.Response:
    return client.post(
        "/studio/longfile", files={"sound": (name or path.name, path.read_bytes())}, data={"model": "echo"}
    )


def ended(client: httpx.Client, id: str) -> dict[str, object]:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found: dict[str, object] = client.get(f"/studio/longfile/{id}").json()
        if found["status"] not in ("running", "stopping"):
            return found
        time.sleep(0.1)
    raise TimeoutError


# The page


@pytest.mark.thorough
@pytest.mark.browser
def test_a_long_file_opened_in_the_test_tab_is_read_in_a_dialog_of_its_own(page: Page, meeting: Path) -> None:
    page.locator(".li-open input").set_input_files(meeting)
    dialog = page.get_by_role("dialog", name="Transcribe a long file", exact=True)
    expect(dialog.locator(".lf-name")).to_have_text("a meeting & more.wav  ·  53 s")
    dialog.get_by_role("button", name="Transcribe", exact=True).click()
    dialog = page.get_by_role("dialog", name="a meeting & more.wav", exact=True)
    expect(dialog.get_by_role("group", name="Download", exact=True)).to_be_visible()
    expect(dialog.get_by_role("list", name="What was said", exact=True).get_by_role("listitem")).to_have_count(15)
    with page.expect_download() as taken:
        dialog.get_by_role("link", name="SRT", exact=True).click()
    assert taken.value.suggested_filename == "a meeting & more.srt"
    assert len(read_srt(taken.value.path().read_text())) == len(PHRASES)
    assert violations(page) == []


@pytest.mark.browser
@pytest.mark.thorough
def test_pressing_a_time_plays_the_recording_from_there(page: Page, client: httpx.Client, meeting: Path) -> None:
    known = ended(client, given(client, meeting).json()["id"])
    page.get_by_role("button", name="Long files", exact=True).click()
    page.get_by_role("listitem").get_by_role("button", name="a meeting & more.wav").first.click()
    third = known["segments"][2]  # type: ignore[index]
    page.get_by_role("dialog").get_by_role("button", name=f"Play from 0:{int(third['start']):02d}", exact=True).click()
    page.wait_for_function(
        "start => [0, 1, 2].includes(Math.floor(document.querySelector('.lf-sound').currentTime - start))",
        arg=third["start"] - 0.01,
    )


@pytest.mark.browser
@pytest.mark.thorough
def test_a_closed_page_loses_nothing_and_a_cancelled_one_goes_on(
    browser: Browser, studio: Served, client: httpx.Client, folder: Path
) -> None:
    hour = sound_of(folder / "long.wav", PHRASES * 10)
    with opened(browser, studio.url) as page:
        show_tab(page, "4 Test")
        id = given(client, hour).json()["id"]
        page.get_by_role("button", name="Long files", exact=True).click()
        page.get_by_role("listitem").get_by_role("button", name="long.wav").click()
        page.get_by_role("dialog", name="long.wav", exact=True).get_by_role("button", name="Cancel", exact=True).click()
        expect(page.get_by_role("button", name="Go on", exact=True)).to_be_visible()
    before = client.get(f"/studio/longfile/{id}").json()
    assert before["status"] in ("stopped", "finished")
    with opened(browser, studio.url) as page:
        show_tab(page, "4 Test")
        page.get_by_role("button", name="Long files", exact=True).click()
        page.get_by_role("listitem").get_by_role("button", name="long.wav").click()
        page.get_by_role("button", name="Go on", exact=True).click()
        expect(page.get_by_role("group", name="Download", exact=True)).to_be_visible()
    assert len(client.get(f"/studio/longfile/{id}").json()["segments"]) == 150


# The routes


@pytest.mark.thorough
def test_every_format_can_be_downloaded_under_the_files_own_name(client: httpx.Client, meeting: Path) -> None:
    id = ended(client, given(client, meeting, r"C:\tmp\../Büro.wav").json()["id"])["id"]
    answers = {kind: client.get(f"/studio/longfile/{id}/download/{kind}") for kind in ("txt", "srt", "vtt", "json")}
    assert "B%C3%BCro.srt" in answers["srt"].headers["content-disposition"]
    assert read_srt(answers["srt"].text) == read_vtt(answers["vtt"].text)
    assert len(answers["txt"].text.splitlines()) == 15
    assert answers["json"].json()["audio"] == "Büro.wav"
    assert client.post(f"/studio/longfile/{id}/delete").json() == {"id": id}
    assert client.get(f"/studio/longfile/{id}").status_code == 400


@pytest.mark.parametrize("id", ["..", "../../etc", "%2e%2e%2f%2e%2e", "no-such", ".running"])
def test_an_id_is_never_a_path(client: httpx.Client, id: str) -> None:
    for rest in ("", "/sound", "/download/txt", "/task"):
        answer = client.get(f"/studio/longfile/{id}{rest}")
        assert answer.status_code in (400, 404) or answer.url.path != f"/studio/longfile/{id}{rest}"


def test_what_is_no_sound_leaves_nothing_behind(studio: Served, client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "x.mp3").write_text("no sound at all")
    before = set((studio.workspace / "outputs" / "transcripts").glob("*"))
    answer = given(client, tmp_path / "x.mp3")
    assert answer.status_code == 400
    assert "sound file" in answer.json()["what"]
    assert set((studio.workspace / "outputs" / "transcripts").glob("*")) <= before | {
        studio.workspace / "outputs" / "transcripts" / ".running"
    }

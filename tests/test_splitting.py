"""The Splits dialog and the routes that change clips: shown first, done once, told where another page was quicker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from browsing import Served, opened, show_tab, violations
from playwright.sync_api import Browser, Page
from sounds import recording

from studio.data.manifest import Dataset


@pytest.fixture
def dataset(studio: Served) -> Dataset:
    studio.forget_everything()
    dataset = Dataset.create(studio.workspace / "recordings" / "mine")
    for seed in range(24):
        dataset.add(
            recording(seed, seconds=0.15), text=f"sentence {seed}", speaker="anna" if seed % 3 else "ben", split="train"
        )
    return dataset


@pytest.fixture
def client(studio: Served) -> Iterator[httpx.Client]:
    with studio.client() as client:
        yield client


def test_a_second_page_is_told_of_the_first_with_the_clip_as_it_is(client: httpx.Client, dataset: Dataset) -> None:
    clip = dataset.utterances()[0]
    first = client.post(f"studio/clips/mine/{clip.id}", json={"text": "one", "was": clip.text})
    second = client.post(f"studio/clips/mine/{clip.id}", json={"text": "two", "was": clip.text})
    assert (first.status_code, first.json()["text"]) == (200, "one")
    assert (second.status_code, second.json()["code"]) == (409, "ConflictError")
    assert (second.json()["clip"]["id"], second.json()["clip"]["text"]) == (clip.id, "one")
    assert dataset.get(clip.id).text == "one"


def test_bulk_changes_by_query_are_undone_and_done_again(client: httpx.Client, dataset: Dataset) -> None:
    chosen = {"query": "speaker = ben", "expected": 8}
    body = {"selection": chosen, "changes": {"split": "test"}, "what": "8 clips to Test"}
    assert client.post("studio/change/mine", json=body).json()["clips"] == 8
    assert dataset.counts()["test"] == 8
    body["selection"] = {"query": "split = test", "expected": 9}
    refused = client.post("studio/change/mine", json=body)
    assert (refused.status_code, refused.json()["what"]) == (409, "8 clips match now, not 9.")
    assert [act["what"] for act in client.get("studio/history/mine").json()] == ["8 clips to Test"]
    assert client.post("studio/undo/mine", json={}).json()["undone"] is True
    assert dataset.counts()["test"] == 0
    assert client.post("studio/redo/mine", json={}).json()["undone"] is False
    assert client.post("studio/redo/mine", json={}).json() is None
    gone = client.post("studio/trash/mine", json={"selection": {"query": "speaker = ben"}}).json()["ids"]
    assert len(gone) == 8
    assert client.post("studio/restore/mine", json={"ids": gone}).json()["ids"] == gone


def test_another_split_takes_the_clips_of_the_same_sentence_along(client: httpx.Client, dataset: Dataset) -> None:
    first, second, *_ = dataset.utterances()
    dataset.edit(second.id, text=first.text)
    body = {"selection": {"ids": [first.id]}, "changes": {"split": "test"}}
    assert set(client.post("studio/change/mine", json=body).json()["ids"]) == {first.id, second.id}
    assert dataset.problems() == []


def test_a_trimmed_clip_is_never_heard_from_a_cache(client: httpx.Client, dataset: Dataset) -> None:
    clip = dataset.utterances()[0]
    assert client.get(f"studio/clips/mine/{clip.id}").headers["cache-control"] == "no-cache"
    assert "max-age" in client.get(f"studio/clips/mine/{clip.id}?v={clip.audio_sha256}").headers["cache-control"]


@pytest.mark.thorough
def test_the_command_shows_a_plan_does_it_and_takes_it_back(dataset: Dataset, studio: Served) -> None:
    def split(*flags: str) -> str:
        words = [sys.executable, "-m", "studio", "--workspace", str(studio.workspace), "split", "mine", *flags]
        return subprocess.run(
            words, capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent
        ).stdout

    before = dataset.manifest.read_bytes()
    assert "Nothing was changed" in split("--dry-run", "--by", "speaker", "--hold-out", "ben")
    assert dataset.manifest.read_bytes() == before
    assert "8 clips move" in split("--by", "speaker", "--hold-out", "ben", "--shares", "80/0/20")
    assert dataset.counts() == {"train": 16, "validation": 0, "test": 8, "unused": 0}
    assert "Undone: Split by speaker" in split("--undo")
    assert dataset.manifest.read_bytes() == before


@pytest.fixture
def page(studio: Served, browser: Browser, dataset: Dataset) -> Iterator[Page]:
    with opened(browser, studio.url) as page:
        show_tab(page, "2 Review")
        page.locator(".rev tbody tr").first.wait_for()
        page.wait_for_function("document.querySelector('.spl').dataset.ready === ''")
        page.get_by_role("button", name="Splits").click()
        page.locator(".spl .st-table").wait_for()
        yield page


@pytest.mark.thorough
@pytest.mark.browser
def test_a_split_is_shown_done_and_undone_in_the_page(page: Page, dataset: Dataset) -> None:
    before = dataset.manifest.read_bytes()
    dialog = page.locator(".spl")
    dialog.get_by_text("The test set changes.").wait_for()
    assert violations(page) == []
    dialog.get_by_text("By speaker").click()
    dialog.get_by_label("ben").check()
    dialog.get_by_role("button", name="Move 11 clips").wait_for()
    assert dataset.manifest.read_bytes() == before
    dialog.locator("[data-do=apply]").click()
    dialog.locator(".spl-done").get_by_text("moved.").wait_for()
    assert {clip.speaker for clip in dataset.utterances() if clip.split == "test"} == {"ben"}
    dialog.get_by_text("The clips are already split like this.").wait_for()
    dialog.get_by_role("button", name="Undo").click()
    dialog.get_by_text("The split was undone.").wait_for()
    assert dataset.manifest.read_bytes() == before
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


@pytest.mark.browser
@pytest.mark.thorough
def test_a_plan_that_is_out_of_date_is_refused_in_words(page: Page, dataset: Dataset) -> None:
    page.locator(".spl [data-do=apply]:enabled").wait_for()
    dataset.trash([clip.id for clip in dataset.utterances()][:12])
    page.locator(".spl [data-do=apply]").click()
    page.locator(".spl-fault").get_by_text("changed since this plan").wait_for()
    assert dataset.counts()["test"] == 0

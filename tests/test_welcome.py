"""The welcome of an empty studio."""

from __future__ import annotations

from pathlib import Path

import pytest
from browsing import Served, opened, show_tab, violations
from playwright.sync_api import Browser, expect
from tones import wav

from studio.data.manifest import Dataset
from studio.ui.welcome import is_new
from studio.workspace import Workspace


def test_a_studio_is_new_until_its_first_clip_and_never_again(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert is_new(workspace)
    dataset = Dataset.create(workspace.dataset("office"))
    assert is_new(workspace)
    clip = dataset.add(wav("order 1"), text="order one")
    assert not is_new(workspace)
    dataset.trash([clip.id])
    assert not is_new(workspace)


@pytest.mark.thorough
@pytest.mark.browser
def test_the_welcome_says_where_to_begin_and_goes_with_the_first_clip(studio: Served, browser: Browser) -> None:
    with opened(browser, studio.url) as page:
        welcome = page.get_by_role("region", name="Welcome")
        expect(welcome).to_contain_text("Your recordings stay on this computer.")
        box = page.locator(".rec [data-do=main]").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 900  # it does not push the recorder off the screen
        assert violations(page) == []
        show_tab(page, "3 Train")
        welcome.get_by_role("button", name="Record the first line").click()
        expect(page.get_by_role("tab", name="1 Record")).to_have_attribute("aria-selected", "true")
        expect(page.locator(".rec [data-do=main]")).to_be_focused()
        Dataset.create(studio.workspace / "recordings" / "my-voice").add(wav("order 1"), text="order one")
        page.evaluate("studio.changed()")
        expect(welcome).to_be_hidden()

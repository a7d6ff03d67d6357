"""The page that an export to “web” is: opened in Chromium, it writes what PyTorch does, before and after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import tiny_models
from browsing import folder_opened, violations
from exports import RUN, run_on

from studio.audio import write_wav
from studio.errors import ConfigError
from studio.export.exporting import export_run
from studio.export.onnx.log_mel import features
from studio.export.onnx.runtime import session
from studio.export.reference import Reference
from studio.export.targets import target_named
from studio.models.pretrained import load_processor
from studio.workspace import Workspace

if TYPE_CHECKING:
    from browsing import Browser
    from playwright.sync_api import Page


NODE = Path(__file__).resolve().parent.parent / ".cache" / "node"  # see the Makefile
SOUND = tiny_models.noise(1.2)


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> None:
    """The studio where onnxruntime-web is installed."""
    NODE.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(NODE)
    if target_named("web").install:
        pytest.skip("onnxruntime-web is not installed: make .venv/.node")


@contextmanager
def opened(browser: Browser, folder: Path) -> Iterator[Page]:
    """The page in `folder` with its models loaded."""
    with folder_opened(browser, folder, permissions=["microphone"]) as page:
        ready(page)
        yield page


def ready(page: Page) -> None:
    """Wait until the page has written both texts, or has loaded."""
    page.wait_for_function("() => /^(Ready|This)/.test(document.querySelector('#status').textContent)")
    assert page.text_content("#status") == "Ready."


def choose(page: Page, clip: Path) -> None:
    page.evaluate("() => { document.querySelector('#status').textContent = ''; }")
    page.set_input_files("#file", clip)
    ready(page)


def texts(page: Page) -> list[str]:
    """What both sides show, from left to right."""
    return page.locator("section .text").all_text_contents()


def workspace_of(family: str, root: Path) -> tuple[Path, Workspace]:
    """A model, and a workspace with a run on it."""
    make = {"moonshine": tiny_models.moonshine, "whisper": partial(tiny_models.whisper, multilingual=True)}[family]
    base = make(root / "base")
    return base, run_on(f"{base}:en" if family == "whisper" else base, root, "voice", [SOUND])


@pytest.mark.browser
@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("family", ["moonshine", pytest.param("whisper", marks=pytest.mark.thorough)])
def test_the_page_writes_what_pytorch_does_and_switches_sides(family: str, browser: Browser, tmp_path: Path) -> None:
    base, workspace = workspace_of(family, tmp_path)
    folder = export_run(workspace, RUN, "web", "fp32").folder
    merged = export_run(workspace, RUN, "merged").folder
    language = ":en" if family == "whisper" else ""
    expected = [shown(Reference.of(Path(f"{model}{language}"))) for model in (base, merged)]
    assert len(set(expected)) == 2  # an adapter that changes nothing would show nothing
    write_wav(tmp_path / "clip.wav", SOUND, 16_000)
    with opened(browser, folder) as page:
        choose(page, tmp_path / "clip.wav")
        assert texts(page) == expected
        page.get_by_role("button", name="Switch sides").click()
        assert texts(page) == expected[::-1]
        assert page.locator("section .name").all_text_contents() == [RUN, f"base{language}"]
        assert violations(page) == []


def shown(reference: Reference) -> str:
    return reference.transcribe(SOUND) or "(nothing)"


@pytest.mark.browser
@pytest.mark.usefixtures("node")
@pytest.mark.thorough
def test_the_page_records(browser: Browser, tmp_path: Path) -> None:
    folder = export_run(workspace_of("moonshine", tmp_path)[1], RUN, "web").folder
    with opened(browser, folder) as page:
        page.get_by_role("button", name="Record").click()
        stop = page.get_by_role("button", name="Stop")
        stop.wait_for()
        page.wait_for_timeout(1000)
        stop.click()
        page.locator("#take").wait_for()
        ready(page)
        seconds = page.evaluate("() => document.querySelector('#take').duration")
        assert 0.5 < seconds < 30
        assert all(texts(page))


def test_without_its_runtime_the_export_names_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    workspace = workspace_of("moonshine", tmp_path)[1]
    with pytest.raises(ConfigError) as refused:
        export_run(workspace, RUN, "web")
    assert refused.value.remedy == "npm install onnxruntime-web@1.30"
    assert not list((workspace.run(RUN)).glob("exports/*"))


def test_the_graph_of_whispers_features_gives_what_its_extractor_does(tmp_path: Path) -> None:
    extractor = load_processor(tiny_models.whisper(tmp_path / "base")).feature_extractor
    onnx.save(features(extractor).model(), tmp_path / "features.onnx")
    samples = np.zeros((1, extractor.n_samples), np.float32)
    samples[0, : len(SOUND)] = SOUND
    (found,) = session(tmp_path / "features.onnx", 1).run(None, {"samples": samples})
    assert np.abs(found - extractor(SOUND, sampling_rate=16_000, return_tensors="np").input_features).max() < 1e-3

"""The real page in the system's Chromium, with a microphone that plays a file: for the tests of every tab."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

MICROPHONE_RATE = 44_100  # Hz, of Chromium's fake device
PATIENCE = 240_000  # ms; only for what hangs: on a busy machine all takes ten times longer
expect.set_options(timeout=PATIENCE)
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")  # the first works a fifth less
QUIET_CHROMIUM = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
]


@dataclass
class Served:
    """A studio in a process of its own."""

    workspace: Path
    url: str
    process: subprocess.Popen[bytes]

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1].strip("/"))

    def client(self, **options: Any) -> httpx.Client:
        """A program that talks to it, as no browser would."""
        return httpx.Client(base_url=self.url, timeout=60, **options)

    def forget_everything(self) -> None:
        """Empty the workspace, as if nobody had ever recorded."""
        for folder in ("recordings", "outputs"):
            shutil.rmtree(self.workspace / folder, ignore_errors=True)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(
    workspace: Path, port: int | None = None, program: Sequence[str] = ("-m", "studio"), **environment: str
) -> Iterator[Served]:
    """The studio on `workspace`, started by its command line (or by `program`), ended with the block.

    In a process of its own also where no browser looks at it: Gradio leaves event loops open behind it.
    """
    port = port or free_port()
    words = [
        sys.executable,
        *program,
        "--workspace",
        str(workspace),
        "ui",
        "--port",
        str(port),
        "--no-browser",
    ]
    process = subprocess.Popen(words, env=os.environ | {"OMP_NUM_THREADS": "1"} | environment)
    try:
        _wait_for(port, process)
        yield Served(workspace, f"http://127.0.0.1:{port}/", process)
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"http://127.0.0.1:{port}/studio/assets/studio.js", timeout=60)
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError("the studio did not start")


@contextmanager
def chromium(microphone: Path | None = None, *, allows: bool = True) -> Iterator[Browser]:
    """The system's Chromium; its microphone plays the WAV file `microphone` once, then is silent with it."""
    programs = PROGRAMS if allows else PROGRAMS[1:]  # the first cannot ask for leave, nor be refused it
    program = next((found for name in programs if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium on this machine: install the package chromium")
    options = ["--use-fake-ui-for-media-stream"] if allows else []
    if allows and not microphone:
        if not (_shared and _shared[-1].is_connected()):
            _shared.append(_launched(program, options))
        yield _shared[-1]
        return
    options += [f"--use-file-for-fake-audio-capture={microphone}%noloop"] if microphone else []
    browser = _launched(program, options)
    try:
        yield browser
    finally:
        browser.close()


_shared: list[Browser] = []  # the last serves all tests of this process that ask for nothing special; it ends with it


def _launched(program: str, options: Sequence[str]) -> Browser:
    return _playwright().chromium.launch(executable_path=program, headless=True, args=[*QUIET_CHROMIUM, *options])


@cache
def _playwright() -> Playwright:
    """One driver for all browsers: a second one would refuse to start beside the first."""
    driver = sync_playwright().start()
    atexit.register(driver.stop)
    return driver


FORGET = """async () => {
    localStorage.clear();
    for (const { name } of await indexedDB.databases())
        await new Promise((done, failed) => {
            Object.assign(indexedDB.deleteDatabase(name), { onsuccess: done, onerror: failed });
        });
}"""  # what the visitor before left in the browser
WATCH_REQUESTS = """(() => {
    const ask = window.fetch;
    window.asking = window.quietFrames = 0;
    window.isCompared = false;
    window.fetch = (...words) => {
        const address = String(words[0].url ?? words[0]);
        const isOurs = address.includes("/studio/");
        const isComparison = address.endsWith("listen/differs");
        if (isComparison && !window.isCompared) return Promise.resolve(Response.json({ heard: "" }));
        window.asking += isOurs;
        return ask(...words).finally(() => (window.asking -= isOurs));
    };
})();"""  # `asking`: how many the server has not answered yet, without streams of events; no model is started behind
# each take, unless a test sets `isCompared`


@contextmanager
def opened(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """A fresh visitor, the first tab drawn. Errors in scripts and requests to other hosts fail the test."""
    with _profile(browser, {"viewport": {"width": 1440, "height": 900}, **options}) as context:
        keeper = context.pages[0]
        keeper.goto(f"{url}studio/assets/icons.svg")
        keeper.evaluate(FORGET)
        context.clear_cookies()
        page = context.new_page()
        wrong = _watched(page, url)
        page.goto(url)
        page.locator(".rec-pill").first.wait_for()
        yield page
        assert wrong == []


class _Quiet(SimpleHTTPRequestHandler):
    """A plain server of files that does not print."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def folder_opened(browser: Browser, folder: Path, **options: Any) -> Iterator[Page]:
    """The page in `folder`, which has a server of its own. Script errors and requests to other hosts fail the test."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    context = browser.new_context(**options)
    try:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        wrong = _watched(page, url)
        page.goto(url)
        yield page
    finally:
        context.close()
        server.shutdown()
        server.server_close()
    assert wrong == []


def _watched(page: Page, url: str) -> list[str]:
    """What will go wrong on `page`: errors in scripts, and requests to other hosts than that of `url`."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    page.on("request", lambda sent: None if is_local(sent.url, url) else wrong.append(f"request to {sent.url}"))
    return wrong


_idle: dict[tuple[Browser, str], list[BrowserContext]] = defaultdict(list)


@contextmanager
def _profile(browser: Browser, options: dict[str, Any]) -> Iterator[BrowserContext]:
    """A profile with these options, used by one visitor after another: its first page only keeps it alive.

    So the browser keeps the scripts as it compiled them, and the next page opens for half the processor time.
    """
    idle = _idle[browser, repr(sorted(options.items()))]
    context = idle.pop() if idle else _new_profile(browser, options)
    try:
        yield context
    finally:
        for left in context.pages[1:]:
            left.close()
        if context.pages:  # else the test has closed it
            idle.append(context)


def _new_profile(browser: Browser, options: dict[str, Any]) -> BrowserContext:
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE)
    context.add_init_script(WATCH_REQUESTS)
    context.new_page()
    return context


def is_local(address: str, url: str) -> bool:
    """Whether a request goes to the page's own server, or nowhere."""
    return address.startswith((url, "data:", "blob:"))


def show_tab(page: Page, name: str) -> None:
    """Bring the tab `name` (“2 Review”) to the front."""
    page.get_by_role("tab", name=name).click()


def await_drawn(page: Page) -> None:
    """Wait until the page has drawn what it asks its server for: ten frames without a question."""
    page.evaluate("() => { window.quietFrames = 0; }")
    page.wait_for_function("() => (window.quietFrames = window.asking ? 0 : window.quietFrames + 1) > 10")


def await_mode(page: Page, mode: str) -> None:
    """Wait until the recorder is `ready`, `recording`, in `review`, …"""
    page.wait_for_function("mode => document.querySelector('.rec')?.dataset.mode === mode", arg=mode)


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong on the page as it is now; where a dialog is open, in the dialog: the rest is inert."""
    from axe_playwright_python.sync_playwright import Axe

    where = "dialog:modal" if page.locator("dialog:modal").count() else None
    found = Axe().run(page, context=where, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}" for rule in found for node in rule["nodes"]]


def speech(words: str, voice: str = "en-gb", rate: int = MICROPHONE_RATE) -> NDArray[np.float32]:
    """`words` in a synthetic voice, (frames,) at `rate` Hz."""
    program = shutil.which("espeak-ng")
    if program is None:
        pytest.skip("no espeak-ng on this machine: install the package espeak-ng")
    command = [program, "-v", voice, "-s", "150", "--stdout", words]
    wave = subprocess.run(command, capture_output=True, check=True).stdout
    samples = np.frombuffer(wave[44:], dtype="<i2").astype(np.float32) / 32768  # espeak does not write the length
    return np.asarray(soxr.resample(samples, 22_050, rate), dtype=np.float32) * 0.7


def microphone_file(path: Path, samples: NDArray[np.float32], lead: float = 0.5, rest: float = 60.0) -> Path:
    """`samples` between `lead` and `rest` seconds of silence: at its end the last buffer repeats."""
    silence = [np.zeros(round(seconds * MICROPHONE_RATE), np.float32) for seconds in (lead, rest)]
    soundfile.write(path, np.concatenate([silence[0], samples, silence[1]]), MICROPHONE_RATE, subtype="PCM_16")
    return path

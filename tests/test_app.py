"""The shell of the page: what it is made of, what it tells, and what it does when the port is taken."""

from __future__ import annotations

import importlib.util
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from browsing import Served, await_drawn, free_port, opened, show_tab, violations
from playwright.sync_api import Browser, expect
from sounds import recording

from studio.data.manifest import Dataset
from studio.errors import ConfigError, DataError, DeviceError
from studio.ui import assets, sidebar
from studio.ui.app import launch
from studio.ui.theme import PAGE_COLOURS
from studio.web.server import listen
from studio.workspace import Workspace


@pytest.fixture
def root(studio: Served) -> Path:
    return studio.workspace


@pytest.fixture
def client(studio: Served) -> Iterator[httpx.Client]:
    studio.forget_everything()
    with studio.client() as client:
        yield client


TABS = ["1 Record", "2 Review", "3 Train", "4 Test", "5 Export"]


def test_the_page_has_its_five_steps_in_order(client: httpx.Client) -> None:
    components = client.get("/config").json()["components"]
    tabs = [part["props"]["label"] for part in components if part["type"] == "tabitem"]
    assert tabs == TABS


def test_an_error_of_the_studio_arrives_as_a_sentence_and_what_to_do(client: httpx.Client) -> None:
    answer = client.get("/studio/clips/nowhere/x")
    assert answer.status_code == 400
    assert answer.json()["code"] == "DataError"
    assert answer.json()["remedy"].startswith("Record or import clips")


def test_a_clip_can_be_heard_from_the_middle(client: httpx.Client, root: Path) -> None:
    clip = Dataset.create(root / "recordings" / "mine").add(recording(seconds=1.0), text="hello")
    whole = client.get(f"/studio/clips/mine/{clip.id}")
    assert whole.headers["content-type"] == "audio/wav"
    assert whole.headers["accept-ranges"] == "bytes"
    part = client.get(f"/studio/clips/mine/{clip.id}", headers={"Range": "bytes=1000-1999"})
    assert part.status_code == 206
    assert part.content == whole.content[1000:2000]


def test_a_relabelled_clip_says_so_on_disk_and_an_empty_label_changes_nothing(client: httpx.Client, root: Path) -> None:
    dataset = Dataset.create(root / "recordings" / "mine")
    clip = dataset.add(recording(), text="hello")
    assert client.post(f"/studio/clips/mine/{clip.id}", json={"text": "good morning"}).json()["text"] == "good morning"
    refused = client.post(f"/studio/clips/mine/{clip.id}", json={"text": "  "})
    assert refused.json()["what"] == "The label is empty."
    assert dataset.get(clip.id).text == "good morning"


def test_what_is_thrown_away_comes_back(client: httpx.Client, root: Path) -> None:
    dataset = Dataset.create(root / "recordings" / "mine")
    ids = [dataset.add(recording(seed), text=f"clip {seed}").id for seed in range(3)]
    assert client.post("/studio/trash/mine", json={"ids": ids[:2]}).json() == {"ids": ids[:2]}
    assert [clip.id for clip in dataset.utterances()] == ids[2:]
    assert client.post("/studio/restore/mine", json={"ids": ids[:1]}).json() == {"ids": ids[:1]}
    assert client.get(f"/studio/clips/mine/{ids[0]}").status_code == 200
    assert client.post("/studio/trash/mine", json={"ids": ["nothing"]}).status_code == 400


def test_the_sidebar_tells_seconds_splits_and_what_is_wrong(client: httpx.Client, root: Path) -> None:
    dataset = Dataset.create(root / "recordings" / "mine")
    dataset.add(recording(seconds=1.0), text="hello")
    with dataset.manifest.open("a") as stream:
        stream.write('{"id": "torn')
    told = client.get("/studio/overview/mine").json()
    assert told["clips"] == 1
    assert told["seconds"] == pytest.approx(1.0)
    assert sum(told["counts"].values()) == 1
    assert any("torn" in problem for problem in told["problems"])


def test_a_dataset_that_nobody_has_begun_is_empty_and_no_error(client: httpx.Client, root: Path) -> None:
    assert client.get("/studio/overview/my-voice").json()["clips"] == 0
    assert not (root / "recordings" / "my-voice").exists()


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 65])
def test_a_name_that_no_folder_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a name"):
        sidebar.make_dataset(Workspace(tmp_path), name)


def test_a_dataset_is_made_once(tmp_path: Path) -> None:
    assert sidebar.make_dataset(Workspace(tmp_path), " office ") == "office"
    assert Workspace(tmp_path).datasets() == ["office"]
    with pytest.raises(DataError, match="already"):
        sidebar.make_dataset(Workspace(tmp_path), "office")


@pytest.mark.thorough
def test_the_device_is_told_in_words_and_torch_stays_outside() -> None:
    code = "import sys; from studio.ui.sidebar import device; print(device(), 'torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert re.match(r"(CPU|Apple GPU|NVIDIA GPU).* False", told)


def test_a_taken_port_is_named_with_the_next_free_one() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(DeviceError, match=rf"Port {port} .*in use.*studio ui --port \d+") as caught:
            listen("127.0.0.1", port)
    offered = int(caught.value.remedy.rsplit(" ", 1)[1])
    listen("127.0.0.1", offered).close()


def test_the_page_does_not_open_to_other_computers_by_accident(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STUDIO_LOGIN", raising=False)
    with pytest.raises(ConfigError, match="other computers"):
        launch(Workspace(tmp_path), host="0.0.0.0", port=free_port(), open_browser=False)


def test_only_shipped_assets_are_served_each_as_what_it_is(client: httpx.Client) -> None:
    assert client.get("/studio/assets/studio.js").headers["content-type"].startswith("text/javascript")
    assert client.get("/studio/assets/icons.svg").headers["content-type"] == "image/svg+xml"
    for name in ("absent.js", "..%2fapp.py", "record/record.html", "%2e%2e%2fapp.py", "record/../../app.py", "record"):
        assert client.get(f"/studio/assets/{name}").status_code == 404


def test_every_module_that_a_script_imports_is_there() -> None:
    for script in assets.FOLDER.rglob("*.js"):
        for name in re.findall(r'(?:from|import)\s*\(?"(\.[^"]+)"', script.read_text(encoding="utf-8")):
            assert (script.parent / name).is_file(), f"{script.name} imports {name}"


def test_nothing_in_the_page_points_to_another_host(client: httpx.Client) -> None:
    ours = "\n".join(path.read_text(encoding="utf-8") for path in assets.FOLDER.rglob("*") if path.is_file())
    found = set(re.findall(r"https?://[\w.-]+", ours + client.get("/theme.css").text))
    # the name of SVG's language; the tunnel's hint; the example of a cluster's address
    assert found <= {"http://www.w3.org", "http://localhost", "http://head-node"}


def test_the_types_of_what_the_server_sends_are_those_of_its_models() -> None:
    specification = importlib.util.spec_from_file_location(
        "page_types", Path(__file__).resolve().parent.parent / ".ci" / "page_types.py"
    )
    assert specification
    assert specification.loader
    page_types = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(page_types)
    assert page_types.FILE.read_text(encoding="utf-8") == page_types.text(), "run `make types`"


def test_the_page_is_painted_in_its_own_colour_before_its_styles_arrive() -> None:
    assert re.findall(r"--st-page: (#\w+)", assets.read("studio.css")) == list(PAGE_COLOURS.values())


def test_every_picture_that_the_page_uses_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', assets.read("icons.svg")))
    found = (path for path in assets.FOLDER.rglob("*") if path.suffix in (".js", ".html"))
    text = "\n".join(path.read_text(encoding="utf-8") for path in found)
    used = set(re.findall(r"icons\.svg#([\w-]+)", text)) | set(re.findall(r'\bicon\("([\w-]+)"\)', text))
    assert used <= drawn


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.thorough)])
def test_the_page_opens_offline_without_a_fault(studio: Served, browser: Browser, scheme: str) -> None:
    studio.forget_everything()
    with opened(browser, studio.url, color_scheme=scheme) as page:
        assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
        places = set()
        for tab in TABS:
            show_tab(page, tab)
            await_drawn(page)
            assert violations(page) == [], tab
            places.add(page.evaluate("document.querySelector('#st-main').getBoundingClientRect().x"))
        assert len(places) == 1  # nothing jumps sideways from tab to tab
        other = "Dark" if scheme == "light" else "Light"
        page.get_by_label(other, exact=True).check()
        page.reload()
        page.locator(".rec-pill").first.wait_for()
        assert page.evaluate("document.body.classList.contains('dark')") == (other == "Dark")
        page.set_viewport_size({"width": 360, "height": 800})
        for tab in TABS:
            show_tab(page, tab)
            await_drawn(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, tab


@pytest.mark.thorough
@pytest.mark.browser
def test_a_list_of_the_sidebar_closes_when_tab_leaves_it(studio: Served, browser: Browser) -> None:
    with opened(browser, studio.url) as page:
        await_drawn(page)
        page.locator("#st-dataset input").focus()
        expect(page.locator("ul[role=listbox]")).to_have_count(1)
        for _ in range(3):
            page.keyboard.press("Tab")
        expect(page.locator("ul[role=listbox]")).to_have_count(0)
        page.locator("#st-model input").focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Shift+Tab")
        expect(page.locator("ul[role=listbox]")).to_have_count(0)


@pytest.mark.thorough
@pytest.mark.browser
def test_a_new_dataset_is_made_and_chosen_in_the_sidebar_and_remembered(
    studio: Served, browser: Browser, root: Path
) -> None:
    studio.forget_everything()
    with opened(browser, studio.url) as page:
        fold = page.locator("#st-new")
        assert fold.evaluate("fold => fold.scrollWidth - fold.clientWidth") == 0  # else some browsers show a bar
        page.get_by_text("New dataset").click()
        name = page.locator("#st-new input, #st-new textarea").first
        name.fill("../up")
        page.get_by_role("button", name="Create").click()
        page.get_by_text("cannot be a name").wait_for()
        name.fill("office")
        page.get_by_role("button", name="Create").click()
        page.wait_for_function("document.querySelector('#st-dataset input').value === 'office'")
        assert (root / "recordings" / "office" / "manifest.jsonl").is_file()
        page.reload()
        page.wait_for_function("document.querySelector('#st-dataset input')?.value === 'office'")


def test_the_command_line_says_in_a_sentence_that_the_port_is_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        words = [
            sys.executable,
            "-m",
            "studio",
            "--workspace",
            str(tmp_path),
            "ui",
            "--no-browser",
            "--port",
            port,
        ]
        told = subprocess.run(words, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "in use" in told.stderr
    assert "Traceback" not in told.stderr

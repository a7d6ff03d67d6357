"""The import and the data export dialog in Chromium: what a person drops is shown, comes in, and goes back out."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Served, opened, served, show_tab, violations
from playwright.sync_api import Browser, Page
from sounds import recording, saved

from studio.data.manifest import Dataset
from studio.workspace import Workspace

NAME = "my-voice"


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the person who started the studio named."""
    folder = tmp_path_factory.mktemp("offered")
    rows = [json.dumps({"audio_filepath": f"{n}.wav", "text": f"offered {n}"}) for n in range(3)]
    saved(folder / "nemo" / "train_manifest.json", "\n".join(rows).encode())
    for number in range(3):
        saved(folder / "nemo" / f"{number}.wav", recording(100 + number))
    (folder / "out").symlink_to("/etc")
    return folder


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, offered: Path) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("workspace"), STUDIO_IMPORT_FROM=str(offered)) as studio:
        yield studio


@pytest.fixture
def page(browser: Browser, studio: Served) -> Iterator[Page]:
    studio.forget_everything()
    with opened(browser, studio.url) as page:
        yield page


def labels(studio: Served) -> list[str]:
    return [clip.text for clip in Dataset(studio.workspace / "recordings" / NAME).utterances()]


@pytest.mark.thorough
def test_what_is_sent_and_refused_makes_no_dataset(studio: Served) -> None:
    studio.forget_everything()
    with studio.client() as client:
        sent = client.post("studio/import/fresh/files", files={"files": ("a.wav", b"RIFF")}, data={"paths": "a.wav"})
        choice = {"upload": sent.json()["upload"]}
        assert client.post("studio/import/fresh/preview", json=choice).json()["clips"] == 0
        client.post("studio/import/fresh/commit", json=choice)
        while (report := client.get("studio/import/fresh/report")).status_code != 200:
            time.sleep(0.1)
    assert (report.json()["added"], report.json()["skipped"]) == (0, 1)
    assert Workspace(studio.workspace).datasets() == []


def open_import(page: Page) -> None:
    page.get_by_role("button", name="Import files").click()
    page.locator(".im[open][data-step=choose]").first.wait_for()


def table(folder: Path, count: int = 4) -> list[Path]:
    lines = ["Klang;What was said;Who", *(f"{n}.wav;sentence {n};ada" for n in range(count)), "gone.wav;never;ada"]
    sounds = [saved(folder / f"{n}.wav", recording(n)) for n in range(count)]
    return [saved(folder / "list.csv", "\n".join(lines).encode()), *sounds]


@pytest.mark.thorough
@pytest.mark.browser
def test_a_table_is_mapped_comes_in_and_is_undone(page: Page, studio: Served, tmp_path: Path) -> None:
    open_import(page)
    assert violations(page) == []
    page.locator(".im-files").set_input_files(table(tmp_path))
    dialog = page.locator("#st-import dialog")
    page.locator(".im[data-step=preview]").wait_for()
    assert dialog.get_by_label("Recognised as").input_value() == "csv"
    assert dialog.get_by_label("What was said becomes").input_value() == "text"
    dialog.get_by_label("Klang becomes").select_option("")
    dialog.get_by_text("No column of list.csv names the sound files").wait_for()
    dialog.get_by_role("button", name="Nothing to import").wait_for()
    dialog.get_by_label("Klang becomes").select_option("audio")
    dialog.get_by_role("button", name="Import 4 clips").wait_for()
    dialog.get_by_label("Who becomes").select_option("speaker")
    dialog.get_by_role("cell", name="ada").first.wait_for()
    assert "1 row will be skipped" in (dialog.text_content() or "")
    assert "gone.wav" in (dialog.locator(".im-skips").text_content() or "")
    assert violations(page) == []
    dialog.get_by_role("button", name="Import 4 clips").click()
    dialog.get_by_text("4 clips added").wait_for()
    assert labels(studio) == [f"sentence {n}" for n in range(4)]
    assert violations(page) == []
    dialog.get_by_role("button", name="Undo the import").click()
    dialog.get_by_text("The import was undone").wait_for()
    assert labels(studio) == []
    assert not any((studio.workspace / "recordings" / NAME / ".uploads").glob("*"))


@pytest.mark.browser
@pytest.mark.thorough
def test_a_zip_comes_in_and_a_second_time_nothing_does(page: Page, studio: Served, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(2):
            archive.writestr(f"voice/{number}.wav", recording(number))
            archive.writestr(f"voice/{number}.txt", f"sentence {number}")
        archive.writestr("../evil.wav", recording(9))
    path = saved(tmp_path / "voice.zip", buffer.getvalue())
    for times in range(2):
        open_import(page)
        page.locator(".im-files").set_input_files(path)
        page.locator(".im[data-step=preview]").wait_for()
        assert "evil.wav" in (page.locator(".im-skips").text_content() or "")
        if times == 0:
            page.get_by_role("button", name="Import 2 clips").click()
            page.get_by_text("2 clips added").wait_for()
        else:
            page.get_by_role("button", name="Nothing to import").wait_for()
            assert "there already" in (page.locator(".im-tiles").text_content() or "")
        page.keyboard.press("Escape")
    assert labels(studio) == ["sentence 0", "sentence 1"]
    [action] = Dataset(studio.workspace / "recordings" / NAME).history()
    assert action.what == "2 clips imported from voice"


@pytest.mark.browser
@pytest.mark.thorough
def test_a_folder_that_was_named_at_the_start_is_offered_and_no_other(page: Page, studio: Served) -> None:
    open_import(page)
    page.get_by_label("Or from this computer").select_option("0/nemo")
    page.get_by_role("button", name="Preview it").click()
    page.get_by_role("button", name="Import 3 clips").click()
    page.get_by_text("3 clips added").wait_for()
    assert labels(studio) == ["offered 0", "offered 1", "offered 2"]
    with studio.client() as client:
        for place in ("0/out", "0/../..", "1", "/etc", "0//etc"):
            answer = client.post(f"studio/import/{NAME}/preview", json={"place": place})
            assert (answer.status_code, "not offered" in answer.json()["what"]) == (400, True)


@pytest.mark.browser
@pytest.mark.thorough
def test_what_goes_out_is_a_zip_that_comes_in_again(page: Page, studio: Served, tmp_path: Path) -> None:
    dataset = Dataset.create(studio.workspace / "recordings" / NAME)
    for number in range(3):
        dataset.add(recording(number), text=f"sentence {number}", split=("train", "train", "test")[number])
    dialog = page.locator("#st-export-data dialog")
    page.evaluate("studio.open('export-data', { selection: { query: 'split = validation' } })")
    dialog.get_by_role("button", name="Export", exact=True).click()
    dialog.get_by_text("No clip matches").wait_for()
    dialog.get_by_role("button", name="Export", exact=True).wait_for()  # to choose again, with the reason in sight
    page.keyboard.press("Escape")
    page.evaluate("studio.open('export-data', { selection: { query: 'split = train' } })")
    safe = dialog.get_by_role("checkbox", name="Safe to open in a spreadsheet")
    dialog.get_by_label("Format", exact=True).select_option("csv")
    assert safe.is_checked()
    assert violations(page) == []
    dialog.get_by_label("Format", exact=True).select_option("nemo")
    assert safe.is_hidden()
    assert violations(page) == []
    dialog.get_by_role("button", name="Export", exact=True).click()
    dialog.get_by_text("2 clips (").wait_for()
    assert violations(page) == []
    with page.expect_download() as waiting:
        dialog.get_by_role("link", name="Download as zip").click()
    path = tmp_path / "out.zip"
    waiting.value.save_as(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert sorted(name.split("/", 1)[1] for name in archive.namelist() if name.endswith(".json")) == [
            "train_manifest.json"
        ]
        assert sum(name.endswith(".wav") for name in archive.namelist()) == 2


@pytest.mark.browser
@pytest.mark.thorough
def test_a_dataset_is_renamed_with_undo_and_deleted_after_its_name_was_typed(page: Page, studio: Served) -> None:
    for name in (NAME, "other"):
        Dataset.create(studio.workspace / "recordings" / name).add(recording(1), text="yes", split="train")
    page.get_by_role("button", name="Rename or delete…").click()
    dialog = page.locator("#st-whole-dataset dialog")
    dialog.get_by_label("Name", exact=True).fill("office")
    dialog.get_by_role("button", name="Rename").click()
    dialog.get_by_text(f"{NAME} is now called office.").wait_for()
    page.wait_for_function("document.querySelector('#st-dataset input').value === 'office'")
    assert violations(page) == []
    dialog.get_by_role("button", name="Undo").click()
    dialog.get_by_text(f"office is now called {NAME}.").wait_for()
    dialog.get_by_text("Delete this dataset…").click()
    dialog.get_by_text("This deletes 1 clip (").wait_for()
    final = dialog.get_by_role("button", name="Delete for good")
    assert final.is_disabled()
    dialog.get_by_label(f"Type “{NAME}” to confirm").fill(NAME)
    assert violations(page) == []
    final.click()
    page.wait_for_function("document.querySelector('#st-dataset input').value === 'other'")
    assert [path.name for path in (studio.workspace / "recordings").iterdir()] == ["other"]


def test_uploads_stay_within_their_folder_whatever_they_are_called(one_studio: Served) -> None:
    one_studio.forget_everything()
    names = [
        "../../evil.wav",
        "/abs.wav",
        "a\\..\\b.wav",
        "C:\\x.wav",
        "..",
        "",
        "x" * 300 + ".wav",
        "deep/er/c.wav",
        "nul\0.wav",
    ]
    with one_studio.client() as client:
        files = [("files", ("file", recording(number))) for number in range(len(names))]
        answer = client.post(f"studio/import/{NAME}/files", files=files, data={"paths": names})
        token = answer.json()["upload"]
        found = client.post(f"studio/import/{NAME}/preview", json={"upload": token}).json()
        bad = client.post(f"studio/import/{NAME}/preview", json={"upload": "../.."})
    folder = one_studio.workspace / "recordings" / NAME / ".uploads" / token / "files"
    kept = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert kept == ["C/x.wav", "a/b.wav", "abs.wav", "deep/er/c.wav", "evil.wav", "nul.wav"]
    assert sum(group["count"] for group in found["reasons"] if "not a valid file name" in group["reason"]) == 3
    assert bad.status_code == 400
    assert list(one_studio.workspace.rglob("*evil*")) == [folder / "evil.wav"]


@pytest.mark.browser
@pytest.mark.thorough
def test_the_dialog_fits_a_phone(browser: Browser, studio: Served, tmp_path: Path) -> None:
    studio.forget_everything()
    with opened(browser, studio.url, viewport={"width": 390, "height": 800}) as page:
        open_import(page)
        page.locator(".im-files").set_input_files(table(tmp_path))
        page.locator(".im[data-step=preview]").wait_for()
        wide = page.evaluate("document.querySelector('#st-import dialog').scrollWidth")
        assert wide <= 390
        show = page.locator(".im-foot .primary[data-do=commit]")
        assert show.bounding_box() is not None
        page.keyboard.press("Escape")
        show_tab(page, "2 Review")

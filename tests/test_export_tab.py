"""The Export tab: what a run made is used elsewhere; a merge, as tools start it, outlives them and says how it went."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browsing import PATIENCE, Served, opened, served, show_tab, violations
from playwright.sync_api import Browser, Page, Route, expect
from tones import config, folder_of, tones, train

from studio.errors import BusyError, ConfigError, JobError
from studio.export.merged import MergeReport
from studio.runs import control, editing, tasks
from studio.runs.folder import RunFolder
from studio.runs.tasks import TaskState
from studio.ui import exporting, exporting_runs
from studio.ui.exporting import Merge, exports
from studio.ui.hearing import finished
from studio.workspace import Workspace

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module", autouse=True)
def root(studio: Served) -> Path:
    """A workspace with one finished run."""
    root = studio.workspace
    tones(root)
    train(root, "tones-0001", config())
    return root


@pytest.fixture
def workspace(root: Path, tmp_path: Path) -> Workspace:
    """A copy that a test may spoil."""
    return Workspace(shutil.copytree(root, tmp_path / "workspace"))


@pytest.fixture
def run(workspace: Workspace) -> RunFolder:
    return finished(workspace, "tones-0001")


def merged(workspace: Workspace, run: RunFolder) -> Merge:
    """The merge of `run`, started as the page does and over."""
    exporting.start_merge(workspace, run)
    deadline = time.monotonic() + 2 * PATIENCE / 1000
    while (merge := exports(run).merge).status == "working" and time.monotonic() < deadline:
        time.sleep(0.1)
    return merge


def test_the_adapter_is_offered_with_its_place_its_size_and_the_lines_that_use_it(run: RunFolder) -> None:
    adapter = exports(run).adapter
    assert adapter.path == str(run.adapter)
    assert adapter.size == sum(path.stat().st_size for path in run.adapter.iterdir())
    assert WEIGHTS in adapter.files
    assert f"PeftModel.from_pretrained(model, {str(run.adapter)!r})" in adapter.snippet
    compile(adapter.snippet, "snippet", "exec")


def test_an_adapter_without_its_base_says_so_in_place_of_the_lines(run: RunFolder) -> None:
    (run.adapter / "base.json").unlink()
    adapter = exports(run).adapter
    assert adapter.snippet == ""
    assert "does not say which model" in adapter.trouble


def test_the_zip_holds_the_adapter_and_nothing_that_a_link_points_to(run: RunFolder, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (run.adapter / "link").symlink_to(secret)
    archive = exporting.zipped(run.adapter, "mine")
    with zipfile.ZipFile(archive) as content:
        files = (WEIGHTS, "adapter_config.json", "base.json", "README.md")
        assert set(content.namelist()) == {f"mine/{name}" for name in files}
        assert content.read(f"mine/{WEIGHTS}") == (run.adapter / WEIGHTS).read_bytes()
    archive.unlink()


def test_a_run_without_an_adapter_has_nothing_to_export(workspace: Workspace) -> None:
    folder_of(workspace.root, "begun").config.write_text("{}")
    with pytest.raises(JobError, match="no adapter"):
        finished(workspace, "begun")


@pytest.mark.thorough
def test_a_merge_ends_in_a_folder_that_was_compared_and_a_retrained_run_makes_it_stale(
    workspace: Workspace, run: RunFolder
) -> None:
    assert exports(run).merge == Merge(status="none")
    merge = merged(workspace, run)
    assert (merge.status, merge.clips) == ("done", 4)
    assert merge.max_difference < 1e-4
    assert merge.target is not None
    assert merge.target.path == str(run.merged)
    assert repr(str(run.merged)) in merge.target.snippet
    later = (run.merged / "config.json").stat().st_mtime + 1
    os.utime(run.adapter / WEIGHTS, (later, later))
    assert exports(run).merge.status == "stale"


@pytest.mark.thorough
def test_a_merge_that_fails_says_why_and_keeps_the_older_one(workspace: Workspace, run: RunFolder) -> None:
    assert merged(workspace, run).status == "done"
    (run.adapter / "base.json").write_text(json.dumps({"source": "no-such-model"}))
    merge = merged(workspace, run)
    assert merge.status == "failed"
    assert "no-such-model" in merge.trouble
    assert "Traceback" not in merge.trouble
    assert MergeReport.read(run.merged) is not None


@pytest.mark.thorough
def test_a_second_press_does_not_start_a_second_merge(workspace: Workspace, run: RunFolder) -> None:
    exporting.start_merge(workspace, run)
    job = RunFolder(run.path / "merging")
    first = job.job.stat().st_mtime_ns, control.state(job).started_at
    exporting.start_merge(workspace, run)
    assert control.state(job).started_at == first[1]
    assert exports(run).merge.status == "working"
    control.stop(job, "discard")
    while not control.state(job).is_over:
        time.sleep(0.05)


def exported(run: RunFolder) -> exporting_runs.RunExports:
    """What there is of `run` once its exports are over."""
    deadline = time.monotonic() + 2 * PATIENCE / 1000
    while any(not control.state(job).is_over for job in run.export_jobs) and time.monotonic() < deadline:
        time.sleep(0.1)
    return exporting_runs.exports_of(run)


def statuses(found: exporting_runs.RunExports) -> dict[str, str]:
    return {task.name: task.status for task in found.tasks}


def test_an_export_is_a_job_that_ends_as_a_row_of_figures_and_a_retrained_run_makes_it_stale(
    workspace: Workspace, run: RunFolder
) -> None:
    before = exporting_runs.exports_of(run)
    (choice,) = before.targets
    assert (choice.name, choice.install) == ("merged", "")
    assert [(kept.name, kept.share) for kept in choice.precisions] == [("fp32", 1.0), ("fp16", 0.5), ("bf16", 0.5)]
    assert (before.finished, before.tasks) == ([], [])
    exporting_runs.start_export(workspace, run, "merged", "fp16")
    after = exported(run)
    assert statuses(after) == {"merged-fp16": "finished"}
    (row,) = after.finished
    assert (row.target, row.precision, row.path) == ("merged", "fp16", str(run.exports / "merged-fp16"))
    assert (row.clips, row.others, row.is_stale) == (4, [], False)
    assert row.errors.startswith("too few clips")
    assert [use.program for use in row.uses] == ["Python, with plain transformers"]
    later = (run.exports / "merged-fp16" / "export.json").stat().st_mtime + 1
    os.utime(run.adapter / WEIGHTS, (later, later))
    assert exporting_runs.exports_of(run).finished[0].is_stale


def test_an_export_that_cannot_be_is_refused_before_a_job_begins(workspace: Workspace, run: RunFolder) -> None:
    with pytest.raises(ConfigError, match="does not take echo models"):
        exporting_runs.start_export(workspace, run, "ggml", "f16")
    assert exporting_runs.exports_of(run).tasks == []


def test_the_targets_are_those_of_the_family_each_with_the_line_that_installs_what_it_needs(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = json.loads((run.adapter / "base.json").read_text())
    (run.adapter / "base.json").write_text(json.dumps(note | {"family": "whisper"}))
    monkeypatch.setattr("studio.export.targets.find_spec", lambda module: None)
    installs = {target.name: target.install for target in exporting_runs.exports_of(run).targets}
    assert installs["merged"] == ""
    assert installs["ctranslate2"] == "pip install 'speech-studio[ct2]'"
    assert installs["ggml"] == "pip install 'speech-studio[ggml]'"


def test_an_export_that_cannot_be_checked_is_a_failed_job_and_leaves_no_row(
    workspace: Workspace, run: RunFolder
) -> None:
    shutil.rmtree(workspace.dataset("tones") / "clips")
    exporting_runs.start_export(workspace, run, "merged", "fp32")
    after = exported(run)
    assert (statuses(after), after.finished) == ({"merged-fp32": "failed"}, [])


@pytest.mark.thorough
def test_a_cancelled_export_leaves_no_row_and_says_that_it_was_stopped(workspace: Workspace, run: RunFolder) -> None:
    exporting_runs.start_export(workspace, run, "merged", "bf16")
    tasks.cancel(run.exporting("merged", "bf16"))
    after = exported(run)
    assert (statuses(after), after.finished) == ({"merged-bf16": "stopped"}, [])
    assert not run.exports.exists() or list(run.exports.iterdir()) == []


@contextmanager
def another_export(run: RunFolder) -> Iterator[None]:
    """Within the block an export of `run` seems to be writing."""
    run.exports.mkdir(exist_ok=True)
    handle = os.open(run.exports, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def until_waiting(run: RunFolder, *precisions: str) -> None:
    """Return once the exports to `merged` in `precisions` wait for another to end."""
    logs = [run.exporting("merged", precision).events for precision in precisions]
    deadline = time.monotonic() + 2 * PATIENCE / 1000
    while not all(log.is_file() and '"waiting"' in log.read_text() for log in logs) and time.monotonic() < deadline:
        time.sleep(0.1)


@pytest.mark.thorough
def test_exports_of_a_run_wait_for_each_other_and_one_that_waits_can_be_cancelled(
    workspace: Workspace, run: RunFolder
) -> None:
    with another_export(run):
        for precision in ("fp16", "bf16"):
            exporting_runs.start_export(workspace, run, "merged", precision)
        until_waiting(run, "fp16", "bf16")
        assert statuses(exporting_runs.exports_of(run)) == {"merged-fp16": "running", "merged-bf16": "running"}
        with pytest.raises(BusyError, match=r"The export to merged, fp16 is still going\."):
            exporting_runs.start_export(workspace, run, "merged", "fp16")
        with pytest.raises(JobError, match="still going"):
            editing.rename(workspace, run.name, "other")
        tasks.cancel(run.exporting("merged", "bf16"))
        while not control.state(run.exporting("merged", "bf16")).is_over:
            time.sleep(0.1)
        assert list(run.exports.iterdir()) == []
    after = exported(run)
    assert statuses(after) == {"merged-bf16": "stopped"}  # the last that was started
    assert [(row.target, row.precision) for row in after.finished] == [("merged", "fp16")]


# The page


@pytest.fixture
def page(browser: Browser, studio: Served) -> Iterator[Page]:
    with opened(browser, studio.url, permissions=["clipboard-read", "clipboard-write"]) as page:
        show_tab(page, "5 Export")
        expect(page.locator(".ex-adapter .ex-code")).to_be_visible()
        yield page


@pytest.mark.browser
@pytest.mark.thorough
def test_the_lines_that_use_the_adapter_can_be_copied_whole(page: Page, root: Path) -> None:
    page.get_by_role("button", name="Copy the Python lines").first.click()
    expect(page.locator(".ex-adapter .ex-bar .ex-copy")).to_have_text("Copied")
    adapter = RunFolder(root / "outputs" / "tones-0001").adapter
    assert page.evaluate("navigator.clipboard.readText()") == exporting.adapter_snippet(adapter)


@pytest.mark.browser
@pytest.mark.thorough
def test_the_adapter_can_be_downloaded(page: Page, tmp_path: Path) -> None:
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as zip").click()
    assert download.value.suggested_filename == "tones-0001-adapter.zip"
    download.value.save_as(tmp_path / "adapter.zip")
    assert f"tones-0001-adapter/{WEIGHTS}" in zipfile.ZipFile(tmp_path / "adapter.zip").namelist()


@pytest.mark.browser
@pytest.mark.thorough
def test_a_model_is_merged_in_one_place_which_names_the_verb_and_where_it_wrote(page: Page, root: Path) -> None:
    expect(page.get_by_role("heading", name="Merged model")).to_have_count(0)
    expect(page.locator(".ex-command")).to_contain_text("merge tones-0001")
    expect(page.locator(".ex-merged")).to_be_hidden()
    folder = RunFolder(root / "outputs" / "tones-0001").merged
    assert merged(Workspace(root), finished(Workspace(root), "tones-0001")).status == "done"
    page.reload()
    page.locator(".rec-pill").first.wait_for()
    show_tab(page, "5 Export")
    expect(page.locator(".ex-merged .ex-path")).to_have_text(str(folder))
    expect(page.locator(".ex-stale")).to_be_hidden()


@pytest.mark.browser
@pytest.mark.thorough
def test_a_program_is_chosen_and_the_finished_export_is_a_row_with_its_figures_and_how_to_use_it(page: Page) -> None:
    places = page.locator(".ex-places")
    places.get_by_role("radio", name="Python, with plain transformers").check()
    places.get_by_label("Precision").select_option("bf16")
    places.get_by_role("button", name="Export").click()
    row = places.get_by_role("row", name="Python, with plain transformers bf16")
    expect(row).to_contain_text("the same on 4 clips", timeout=2 * PATIENCE)
    expect(row).to_contain_text("first logits")
    expect(row).to_contain_text("too few clips")
    expect(places.get_by_role("button", name="Export")).to_be_enabled()
    card = places.get_by_role("article").filter(has_text="Use it in Python, with plain transformers")
    expect(card).to_contain_text("exports/merged-bf16")
    card.get_by_role("button", name="Copy the lines").click()
    assert "exports/merged-bf16" in page.evaluate("navigator.clipboard.readText()")


@pytest.mark.browser
@pytest.mark.thorough
def test_an_export_waits_for_another_of_the_run_and_each_has_its_own_cancel(page: Page, root: Path) -> None:
    run = RunFolder(root / "outputs" / "tones-0001")
    places, going = page.locator(".ex-places"), page.locator(".ex-going")
    with another_export(run):
        for precision in ("fp16", "fp32"):
            places.get_by_label("Precision").select_option(precision)
            places.get_by_role("button", name="Export", exact=True).click()
            expect(places.get_by_role("button", name="Export", exact=True)).to_be_disabled()
        expect(going.get_by_text("Waiting for another export of this run")).to_have_count(2)
        page.reload()
        page.locator(".rec-pill").first.wait_for()
        show_tab(page, "5 Export")
        expect(going.get_by_role("button", name="Cancel")).to_have_count(2)
        going.locator('[data-task="merged-fp16"]').get_by_role("button", name="Cancel").click()
        expect(going).to_contain_text("Cancelled. Nothing was left behind.")
    row = places.get_by_role("row", name="Python, with plain transformers fp32")
    expect(row).to_contain_text("the same on 4 clips", timeout=2 * PATIENCE)


@pytest.mark.browser
@pytest.mark.thorough
def test_a_refused_export_is_told_with_its_stage_after_a_reload_too(page: Page, root: Path) -> None:
    run = RunFolder(root / "outputs" / "tones-0001")
    page.route("**/targets/merged/*", lambda route: refuse(run, route))
    page.get_by_role("radio", name="Python, with plain transformers").check()
    page.get_by_role("button", name="Export", exact=True).click()
    said = page.locator(".ex-going").get_by_role("status")
    expect(said).to_contain_text("refused by the check “first logits”")
    expect(said).to_contain_text("Choose a higher precision.")
    page.reload()
    page.locator(".rec-pill").first.wait_for()
    show_tab(page, "5 Export")
    expect(said).to_contain_text("refused by the check “first logits”")
    expect(page.get_by_role("button", name="Export", exact=True)).to_be_enabled()


def refuse(run: RunFolder, route: Route) -> None:
    """Start an export that ends as the gate ends one whose first logits are wrong, in place of the one asked for."""
    script = "from studio.runs.tasks import reporting; from studio.export.gate import _refused\n"
    script += "with reporting(): raise _refused('first logits', 'its PSNR against PyTorch is 3.0 dB, 60 dB at least')"
    job = run.exporting("merged", "fp32")
    control.start(job, [sys.executable, "-c", script], {"what": "Exporting to merged, fp32"})
    route.fulfill(json=TaskState.of(job).model_dump())


@pytest.mark.browser
@pytest.mark.thorough
def test_a_target_whose_packages_are_missing_shows_the_line_that_installs_them(page: Page) -> None:
    def without(route: Route) -> None:
        found = route.fetch().json()
        found["targets"][0]["install"] = "pip install 'speech-studio[ct2]'"
        route.fulfill(json=found)

    page.route("**/export/*/targets", without)
    page.reload()
    page.locator(".rec-pill").first.wait_for()
    show_tab(page, "5 Export")
    expect(page.locator(".ex-missing")).to_contain_text("pip install 'speech-studio[ct2]'")
    expect(page.get_by_role("button", name="Export", exact=True)).to_be_disabled()


@pytest.mark.browser
@pytest.mark.thorough
def test_before_any_run_the_tab_says_what_will_stand_there(browser: Browser, tmp_path: Path) -> None:
    with served(tmp_path) as studio, opened(browser, studio.url) as page:
        show_tab(page, "5 Export")
        expect(page.locator(".ex-empty")).to_contain_text("press Start in the Train tab")
        expect(page.locator(".ex-adapter")).to_be_hidden()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.thorough
def test_axe_finds_nothing_wrong_with_the_tab(browser: Browser, studio: Served, scheme: str) -> None:
    with opened(browser, studio.url, color_scheme=scheme) as page:
        show_tab(page, "5 Export")
        expect(page.locator(".ex-adapter .ex-code")).to_be_visible()
        assert violations(page) == []

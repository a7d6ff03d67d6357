"""An export is done only when its runtime was compared with PyTorch; otherwise nothing is left behind."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from exports import RUN, run_on
from numpy.typing import NDArray
from typer.testing import CliRunner

from studio.cli import app
from studio.errors import BusyError, CancelledError, ConfigError, DataError, DiskError, ModelError
from studio.export import gate
from studio.export.exporting import export_run
from studio.export.gate import REPORT, ExportReport
from studio.export.reference import FIRST_LOGITS, Reference
from studio.export.safetensors import Safetensors
from studio.export.targets import TARGETS
from studio.models.echo import speak
from studio.runs.folder import RunFolder
from studio.workspace import Workspace

ECHOES = tuple(np.pad(speak(text), 4000) for text in ("call 7589", "room 29"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A run of the fake, which is exported in a moment."""
    return run_on("echo", tmp_path, "all", ECHOES)


def exports_of(workspace: Workspace) -> list[str]:
    """What lies in the folder of the run's exports, hidden or not."""
    folder = RunFolder(workspace.run(RUN)).exports
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the exported model does wrong: a number that is added to a stage, or the text that it writes."""
    faults: dict[str, Any] = {}

    class Wrong(Reference):
        def stages(self, samples: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
            return {name: values + faults.get(name, 0.0) for name, values in super().stages(samples).items()}

        def transcribe(self, samples: NDArray[np.float32]) -> str:
            return str(faults.get("text", super().transcribe(samples)))

    monkeypatch.setattr(Safetensors, "open", lambda self, folder, reference: Wrong.of(folder))
    return faults


def test_an_export_says_how_near_it_is_to_pytorch_by_four_figures(workspace: Workspace) -> None:
    report = export_run(workspace, RUN, "merged")
    folder = RunFolder(workspace.run(RUN)).exports / "merged-fp32"
    assert report.folder == folder
    assert [stage.name for stage in report.stages] == [FIRST_LOGITS]
    assert report.stages[0].max_difference == 0.0
    assert (report.clips, report.others) == (2, [])
    assert report.wer is not None
    assert (report.wer.change, report.wer.verdict) == (0.0, "too few clips")
    files = [path for path in folder.iterdir() if path.name not in (REPORT, "README.md")]
    assert report.size == sum(path.stat().st_size for path in files)
    assert report.speed.threads >= 1
    assert report.speed.sound == pytest.approx(sum(len(sound) for sound in ECHOES) / 16_000, abs=0.01)
    assert ExportReport.read(folder) == report
    assert exports_of(workspace) == ["merged-fp32"]
    assert "the same on 2 clips" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("fault", "check"),
    [({FIRST_LOGITS: 50.0}, FIRST_LOGITS), ({FIRST_LOGITS: float("nan")}, FIRST_LOGITS), ({"text": "no"}, "texts")],
    ids=["far", "nan", "text"],
)
def test_a_check_that_fails_refuses_the_export_by_name_and_leaves_nothing(
    fault: dict[str, Any], check: str, workspace: Workspace, wrong: dict[str, Any]
) -> None:
    wrong |= fault
    with pytest.raises(ModelError, match=f"refused by the check “{check}”"):
        export_run(workspace, RUN, "merged")
    assert exports_of(workspace) == []


def test_a_shorter_precision_may_write_some_texts_differently_and_lists_each(
    workspace: Workspace, wrong: dict[str, Any]
) -> None:
    wrong["text"] = "something else"
    report = export_run(workspace, RUN, "merged", "bf16")
    assert [(each.exported, each.pytorch == each.exported) for each in report.others] == [("something else", False)] * 2
    assert "2 of 2 clips written differently" in report.as_text()
    assert all(each.pytorch in report.as_text() for each in report.others)


def test_more_errors_than_chance_explains_refuse_an_export_of_any_precision(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    sounds = [np.pad(speak("order number 1296803"), 4000)] * 12
    workspace = run_on("echo", tmp_path, "all", sounds)
    wrong["text"] = "six entirely wrong words are here"
    with pytest.raises(ModelError, match="refused by the check “errors”: it is worse"):
        export_run(workspace, RUN, "merged", "bf16")
    assert exports_of(workspace) == []


def test_the_model_card_carries_the_figures_and_each_text_that_differs(
    workspace: Workspace, wrong: dict[str, Any]
) -> None:
    wrong["text"] = "something else"
    report = export_run(workspace, RUN, "merged", "bf16")
    card = (report.folder / "README.md").read_text(encoding="utf-8")
    assert all(f"| {name.capitalize()} | {figure} |" in card for name, figure in report.rows().items())
    assert card.count("→ “something else”") == 2
    assert "## Use it in Python, with plain transformers" in card


def test_a_refused_export_leaves_the_earlier_one(workspace: Workspace, wrong: dict[str, Any]) -> None:
    first = export_run(workspace, RUN, "merged")
    wrong["text"] = "no"
    with pytest.raises(ModelError):
        export_run(workspace, RUN, "merged")
    assert ExportReport.read(first.folder) == first
    assert exports_of(workspace) == ["merged-fp32"]


def test_a_target_whose_packages_are_missing_says_the_line_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = run_on(tiny_models.whisper(tmp_path / "base"), tmp_path, "voice")
    monkeypatch.setattr("studio.export.targets.find_spec", lambda module: None)
    for target in TARGETS.values():
        if target.extra and "whisper" in target.families:
            with pytest.raises(ConfigError, match=rf"pip install 'speech-studio\[{target.extra}\]'"):
                export_run(workspace, RUN, target.name)
    assert exports_of(workspace) == []


@pytest.mark.parametrize(
    ("target", "precision", "reason"),
    [
        ("ctranslate2", None, "ctranslate2 does not take echo models. Targets that do: merged"),
        ("merged", "int4", "merged has no precision “int4”. Choose one of: fp32, fp16, bf16"),
        ("merge", None, "no export target “merge”. Did you mean “merged”"),
        ("toaster", None, "no export target “toaster”. Targets: merged"),
    ],
)
def test_what_a_target_cannot_do_is_a_sentence_that_says_what_can(
    target: str, precision: str | None, reason: str, workspace: Workspace
) -> None:
    with pytest.raises(ConfigError, match=reason):
        export_run(workspace, RUN, target, precision)


def test_a_folder_full_of_something_else_is_left_alone(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="not an export"):
        export_run(workspace, RUN, "merged", out=tmp_path / "thesis")
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]


def test_too_little_disk_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = run_on(tiny_models.moonshine(tmp_path / "base"), tmp_path, "voice")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(10**9, 10**9, 1_000_000))
    with pytest.raises(DiskError, match=r"needs about 2 MB in .*, which has 1 MB free"):
        export_run(workspace, RUN, "merged")
    assert exports_of(workspace) == []


def test_a_run_whose_held_out_clips_are_gone_cannot_be_checked_and_is_not_exported(workspace: Workspace) -> None:
    shutil.rmtree(workspace.dataset("me") / "clips")
    with pytest.raises(DataError, match="no held-out clips"):
        export_run(workspace, RUN, "merged")


@pytest.mark.parametrize("phase", ["loading", "exporting", "checking"])
def test_a_cancelled_export_leaves_nothing(phase: str, workspace: Workspace) -> None:
    def stop(name: str, done: int, total: int) -> None:
        if name == phase:
            raise CancelledError

    with pytest.raises(CancelledError):
        export_run(workspace, RUN, "merged", on_phase=stop)
    assert exports_of(workspace) == []


@pytest.mark.thorough
def test_two_exports_do_not_write_into_one_place_and_a_killed_one_is_swept_away(workspace: Workspace) -> None:
    exports = RunFolder(workspace.run(RUN)).exports
    command = [sys.executable, "-m", "studio", "--workspace", str(workspace.root), "export", RUN, "--to", "merged"]
    halted = "import os, signal; from studio.models import folders; swap = folders._swap\n"
    halted += "folders._swap = lambda *given: (print('now', flush=True), signal.pause())\n"
    halted += f"import sys; sys.argv = {command[2:]!r}; from studio.cli import main; main()"
    with subprocess.Popen([sys.executable, "-c", halted], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        with pytest.raises(BusyError, match="Another export"):
            export_run(workspace, RUN, "merged")
        process.send_signal(signal.SIGKILL)
    (left,) = exports.iterdir()
    assert left.name.startswith(".merged-fp32.")
    export_run(workspace, RUN, "merged")
    assert exports_of(workspace) == ["merged-fp32"]


def test_an_export_that_may_wait_does_so_until_the_other_has_ended(workspace: Workspace) -> None:
    exports = RunFolder(workspace.run(RUN)).exports
    exports.mkdir()
    other, seen = os.open(exports, os.O_RDONLY), list[str]()
    fcntl.flock(other, fcntl.LOCK_EX)

    def end_the_other(phase: str, done: int, total: int) -> None:
        seen.append(phase)
        if phase == "waiting":
            assert exports_of(workspace) == []
            fcntl.flock(other, fcntl.LOCK_UN)

    export_run(workspace, RUN, "merged", on_phase=end_the_other, wait=True)
    os.close(other)
    assert seen[0] == "waiting"
    assert exports_of(workspace) == ["merged-fp32"]


def test_the_verb_says_the_figures_and_writes_where_it_is_told(workspace: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["--workspace", str(workspace.root), "export", RUN, "--to", "merged", "--out", str(out)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"Exported to merged, fp32: {out}\n")
    again = CliRunner().invoke(app, [*command, "--json"])
    assert json.loads(again.output)["folder"] == str(out)


def test_every_target_names_an_exporter_that_is_there() -> None:
    for name, target in TARGETS.items():
        assert target.name == name
        assert target.install or callable(target.exporter().write)


def test_psnr_is_the_peak_over_the_root_mean_square_error_in_decibels() -> None:
    expected = np.array([10.0, 0.0], np.float32)
    stage = gate._stage("x", expected, np.array([9.0, 1.0], np.float32))
    assert stage.psnr == pytest.approx(20.0)
    assert (stage.max_difference, stage.relative_difference) == (1.0, pytest.approx(0.1))

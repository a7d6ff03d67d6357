"""An export is whole or not there: whatever ends it, and wherever."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sounds import recording, saved
from speech_data import dataset_in
from verbs import call

from studio.data.formats.plan import ImportPlan
from studio.data.import_export.exporting import export_data
from studio.data.import_export.importing import import_data
from studio.data.manifest import Dataset
from studio.errors import CancelledError, DataError
from studio.runs import tasks
from studio.runs.tasks import TaskState
from studio.ui import exporting_data
from studio.web import faults
from studio.workspace import Workspace

KILLS = 300


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return dataset_in(tmp_path_factory.mktemp("recordings") / "voice", tuple(f"sentence {n}" for n in range(40)))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_there_already_is_refused_and_left_alone(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    saved(tmp_path / "taken.zip", b"mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name, format in (("empty", "nemo"), ("taken.zip", "pairs"), ("taken", "pairs"), ("link", "csv")):
        with pytest.raises(DataError, match="there already"):
            export_data(dataset, format, tmp_path / name)
    assert (tmp_path / "taken.zip").read_bytes() == b"mine"
    assert names_in(tmp_path) == ["empty", "link", "taken.zip"]


@pytest.mark.parametrize("format", ["nemo", "parquet", "pairs", "lhotse", "kaldi"])
def test_a_cancelled_export_leaves_nothing_behind(format: str, dataset: Dataset, tmp_path: Path) -> None:
    def tell(phase: str, done: int, total: int) -> None:
        if done == 20:
            raise CancelledError

    with pytest.raises(CancelledError):
        export_data(dataset, format, tmp_path / "out", tell=tell)
    assert names_in(tmp_path) == []


def test_only_the_clips_that_were_asked_for_go_out_in_the_order_of_the_dataset(
    dataset: Dataset, tmp_path: Path
) -> None:
    report = export_data(dataset, "ljspeech", tmp_path / "out", ["c7", "c3", "gone"])
    assert report.clips == 2
    lines = (tmp_path / "out" / "metadata.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split("|")[0] for line in lines] == ["c3", "c7"]
    with pytest.raises(DataError, match="No clip can be written"):
        export_data(dataset, "ljspeech", tmp_path / "none", ["gone"])
    assert not (tmp_path / "none").exists()


def test_an_export_is_said_to_be_done_where_its_report_cannot_be_kept(tmp_path: Path) -> None:
    dataset = dataset_in(tmp_path / "recordings" / "voice", ("yes", "no"))
    saved(dataset.folder / ".tasks", b"in the way, as a disk is that is only for reading")
    ended = call(tmp_path, "export-data", "voice", str(tmp_path / "out"), "--format", "csv")
    assert ended.code == 0
    assert f"2 clips (0.0 min, 0.0 MB) written to {tmp_path / 'out'}." in ended.said
    assert "The page will not show this report: Could not write" in ended.said
    assert Dataset.open(dataset.folder).utterances()


def test_a_clip_whose_sound_is_gone_is_left_out_with_its_reason(tmp_path: Path) -> None:
    dataset = dataset_in(tmp_path / "voice", ("yes", "no"))
    (dataset.folder / "clips" / "c0.wav").unlink()
    report = export_data(dataset, "csv", tmp_path / "out")
    assert (report.clips, report.skipped) == (1, 1)
    assert "missing" in report.reasons[0].reason


def test_the_page_asks_for_escaped_cells_where_a_format_has_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Dataset.create(tmp_path / "recordings" / "voice")
    going = TaskState(name="export-data", what="", status="running", started_at=None, ended_at=None)
    asked: list[list[str]] = []
    monkeypatch.setattr(tasks, "start", lambda *given: asked.append(given[3]) or going)
    app = FastAPI(exception_handlers=faults.handlers())
    app.include_router(exporting_data.router(Workspace(tmp_path)))
    client = TestClient(app)
    escapes = {row["name"]: row["escapes"] for row in client.get("/studio/export-data/voice").json()}
    with_cells = {name: default for name, default in escapes.items() if default is not None}
    assert with_cells == {"csv": True, "audiofolder": False, "speech-to-text-finetune": False}
    for escape, flags in ((True, ["--escape"]), (False, ["--no-escape"]), (None, [])):
        client.post("/studio/export-data/voice", json={"format": "csv", "escape": escape})
        assert [word for word in asked[-1] if word in ("--escape", "--no-escape")] == flags


def test_escaped_cells_come_in_again_as_they_were(tmp_path: Path) -> None:
    dataset = dataset_in(tmp_path / "voice", ("=1+1", "@home", "yes"))
    for format in ("csv", "audiofolder", "speech-to-text-finetune"):
        export_data(dataset, format, tmp_path / format, escape=True)
        sheets = "".join(path.read_text() for path in (tmp_path / format).rglob("*.csv"))
        assert "'=1+1" in sheets
        back = Dataset(tmp_path / f"back-{format}")
        import_data(back, ImportPlan([tmp_path / format]))
        assert {clip.text for clip in back.utterances()} == {"=1+1", "@home", "yes"}


def test_ids_that_cannot_be_file_names_do_not_leave_the_folder(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "voice")
    lines = []
    for number, id in enumerate(("../../evil", "/abs", "a b", "x" * 300, "ok", ".hidden")):
        saved(dataset.folder / "clips" / f"{number}.wav", recording(number))
        lines.append(f'{{"id": "{id}", "audio_filepath": "clips/{number}.wav", "text": "t{number}", "duration": 0.5}}')
    dataset.manifest.write_text("\n".join(lines) + "\n")
    for format in ("ljspeech", "audiofolder", "pairs", "kaldi"):
        assert export_data(dataset, format, tmp_path / "out" / format).clips == 6
    assert names_in(tmp_path) == ["out", "voice"]


KILLING = """
import os, random, shutil, signal, sys, time
from pathlib import Path
from studio.data.import_export.exporting import export_data
from studio.data.formats.plan import ImportPlan
from studio.data.import_export.previewing import preview
from studio.data.manifest import Dataset
dataset, scratch, kills = Dataset(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3])
chance, seen, lasts = random.Random(7), {"whole": 0, "absent": 0}, {}
for format in ("nemo", "kaldi", "pairs", "audiofolder"):
    began = time.monotonic()
    export_data(dataset, format, scratch / "first" / format)
    lasts[format] = time.monotonic() - began
for number in range(kills):
    format = ("nemo", "kaldi", "pairs", "audiofolder")[number % 4]
    out = scratch / (f"{format}.zip" if format == "pairs" else format)
    child = os.fork()
    if child == 0:
        export_data(dataset, format, out)
        os._exit(0)
    while not (out.exists() or any(scratch.glob(f".{out.name}.part-{child}-*"))):
        time.sleep(0.0001)
    time.sleep(chance.random() * lasts[format] * 1.5)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if out.exists():
        seen["whole"] += 1
        assert preview(ImportPlan([out])).clips == 40, out
        out.unlink() if out.is_file() else shutil.rmtree(out)
    else:
        seen["absent"] += 1
for format in ("nemo", "kaldi", "pairs", "audiofolder"):
    export_data(dataset, format, scratch / format)
print(seen["whole"], seen["absent"])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes as POSIX does")
@pytest.mark.thorough
def test_an_export_that_is_killed_anywhere_is_whole_or_not_there(dataset: Dataset, tmp_path: Path) -> None:
    """300 exports, each killed at a random moment; what a killed one left is swept up by the next."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", KILLING, str(dataset.folder), str(tmp_path), str(KILLS)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    whole, absent = map(int, done.stdout.split())
    assert whole > 10
    assert absent > 10
    assert [name for name in names_in(tmp_path) if name.startswith(".")] == []

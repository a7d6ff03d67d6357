"""Fixtures that every room's tests share."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")  # many small tests share two cores
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ["HF_HUB_CACHE"] = str(Path(tempfile.gettempdir()) / "studio-tests" / "hub")  # no model of this computer's

import pytest
from hypothesis import settings

from studio.runs import ready

if TYPE_CHECKING:  # a test without a page loads no browser's driver
    import numpy as np
    from browsing import Browser, Served
    from numpy.typing import NDArray

    from studio.export.reference import Reference
    from studio.workspace import Workspace

RERUNS = 2  # of a browser's test; each is printed, and what fails three times fails

# A busy machine is no fault of what is tested; 50 examples, half of hypothesis's default, keep the run short.
settings.register_profile("studio", deadline=None, max_examples=50)
settings.load_profile("studio")

PROJECT = Path(__file__).resolve().parent.parent


def pytest_collection_finish() -> None:
    """All that is imported by now stays: looking through it for garbage took a tenth of the processor time."""
    gc.set_threshold(100_000, 50, 50)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes begin first: else one process ends with them while the others have nothing to do.

    Those with a browser, which waits as often as it computes, follow evenly spread among the others, so that at any
    time some process has something to compute; they are done a little before the others.
    """
    slow, browser = ({item.path for item in items if item.get_closest_marker(name)} for name in ("slow", "browser"))
    others = [path for path in dict.fromkeys(item.path for item in items) if path not in slow]
    places: dict[Path, float] = dict.fromkeys(slow, 0.0)
    for share, files in ((0.8, [path for path in others if path in browser]), (1.0, others)):
        for number, path in enumerate(files, 1):
            places.setdefault(path, share * number / len(files))
    items.sort(key=lambda item: places[item.path])
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=RERUNS))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Each rerun with its reason; a machine with nothing else to do has none."""
    for report in terminalreporter.getreports("rerun"):
        crash = getattr(report.longrepr, "reprcrash", None)
        reason = crash.message if crash else str(report.longrepr)
        terminalreporter.write_line(f"RERUN {report.nodeid} ({report.when}): {reason.strip().splitlines()[0]}")


@pytest.fixture(autouse=True)
def no_trainer_waits_for_the_next_test() -> Iterator[None]:
    """A page within a test's own process prepares one; the next test's would find it there."""
    yield
    ready.shared().close()


@pytest.fixture(scope="session")
def speech_folder() -> Path:
    """Real human clips with transcripts; never part of the project."""
    folder = Path(os.environ.get("STUDIO_SPEECH") or PROJECT.parent / "shared" / "speech")
    if not (folder / "metadata.jsonl").is_file():
        pytest.skip("real speech is absent: set STUDIO_SPEECH to a folder with metadata.jsonl")
    return folder


@pytest.fixture(scope="session")
def moonshine_tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Moonshine tiny as its makers published it; never part of the project."""
    return _unpacked("moonshine-tiny", tmp_path_factory)


@pytest.fixture(scope="session")
def whisper_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OpenAI's Whisper base: the folder that STUDIO_WHISPER names, else fetched; never part of the project."""
    if named := os.environ.get("STUDIO_WHISPER"):
        return Path(named)
    try:
        return _unpacked("whisper-base", tmp_path_factory)
    except subprocess.CalledProcessError:
        pytest.skip("Whisper base cannot be fetched now: set STUDIO_WHISPER to a folder with it")


def _unpacked(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    unpack = PROJECT.parent / "shared" / "models" / "unpack.py"
    if not unpack.is_file():
        pytest.skip("the real models are absent: they belong in shared/models next to the project")
    folder = tmp_path_factory.mktemp("real") / name
    folder.mkdir()
    subprocess.run([sys.executable, str(unpack), name, str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture
def librosa_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """`librosa.load`, for the lines of a card: at its first use librosa compiles for half a minute.

    A thorough test waits for it.
    """
    if request.node.get_closest_marker("thorough"):
        return
    from studio import audio

    def load(path: str, sr: int, duration: float | None = None) -> tuple[NDArray[np.float32], int]:
        samples = audio.read(Path(path), sr).samples
        return (samples if duration is None else samples[: round(duration * sr)]), sr

    library = types.ModuleType("librosa")
    library.load = load  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "librosa", library)


@pytest.fixture(scope="module")
def quickened() -> Iterator[None]:
    """All frozen layers are multiplied by oneDNN, as on AMD's processors with AVX-512."""
    from studio.models.kernels import linear

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear, "gains", lambda: True)
        yield


@pytest.fixture(scope="module")
def merged(workspace: Workspace) -> Path:
    """For the tests of exports: the run in the `workspace` of their file as a model folder of PyTorch."""
    from exports import RUN

    from studio.export.exporting import export_run

    return export_run(workspace, RUN, "merged").folder


@pytest.fixture(scope="module")
def reference(merged: Path) -> Reference:
    """The same model, loaded."""
    from studio.export.reference import Reference

    return Reference.of(merged)


@pytest.fixture(scope="session")
def spoken(speech_folder: Path) -> list[NDArray[np.float32]]:
    """What a reader says in three clips, at 16 kHz."""
    from studio import audio

    rows = map(json.loads, (speech_folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines())
    chosen = [row["file_name"] for row in rows if (row["set"], row["split"]) == ("kathleen", "test")][:3]
    return [audio.read(speech_folder / name, 16_000).samples for name in chosen]


@pytest.fixture(scope="session")
def cases() -> Path:
    """Inputs of public bug reports, with what is right; never part of the project."""
    folder = PROJECT.parent / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip("the cases are absent: they belong in shared/cases next to the project")
    return folder


@pytest.fixture(scope="session")
def one_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A studio in a process of its own: starting one takes ten seconds of the processor."""
    from browsing import served

    with served(tmp_path_factory.mktemp("workspace")) as studio:
        yield studio


@pytest.fixture(scope="module")
def studio(one_studio: Served) -> Served:
    """The studio of all files that need nothing special of it, empty at the file's first test."""
    one_studio.forget_everything()
    return one_studio


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium with a microphone that is silent."""
    from browsing import chromium

    with chromium() as browser:
        yield browser

"""A disk that is full: every route answers with a sentence and leaves the disk as it was. On a small tmpfs."""

from __future__ import annotations

import io
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import served
from fastapi import FastAPI
from fastapi.testclient import TestClient
from finished import finished
from sounds import recording
from tones import tones

from studio.data.manifest import Dataset
from studio.ui import shell
from studio.web import faults
from studio.workspace import Workspace

REFERENCES = [f"order {number}" for number in range(12)]
MIB = 1 << 20


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of three megabytes."""
    disk = tmp_path / "small"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"needs a tmpfs, which only root can mount: {made.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def client(small: Path) -> Iterator[TestClient]:
    """The page's routes on a workspace there."""
    tones(small, 8)
    finished(small, "tones-0001", REFERENCES, ["x"] * 12, REFERENCES, dataset="tones")
    adapter = small / "outputs" / "tones-0001" / "lora_adapter"
    adapter.mkdir(exist_ok=True)
    (adapter / "adapter_model.safetensors").write_bytes(b"x")
    app = FastAPI(exception_handlers=faults.handlers())
    for router in shell.routers(Workspace(small)):
        app.include_router(router)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def fill(disk: Path) -> None:
    """Take what is left of `disk`."""
    with (disk / "filler").open("ab", buffering=0) as filler:
        for size in (1 << 16, 1):
            try:
                while filler.write(b"x" * size):
                    pass
            except OSError:
                continue


def held(disk: Path) -> dict[str, int]:
    """Bytes of every file that holds any, but for those of tests and locks."""
    sizes = {str(path.relative_to(disk)): path.stat().st_size for path in disk.rglob("*") if path.is_file()}
    return {name: size for name, size in sizes.items() if size}


def zip_of(size: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/clip.wav", bytes(size))
    return packed.getvalue()


def requests(clip: str, other: str) -> list[tuple[str, dict[str, Any]]]:
    """One of every kind that writes, each as the page sends it."""
    everything = {"ids": [clip]}
    sound = ("a.wav", recording(seconds=2.0, rate=48_000))
    return [
        ("record/tones", {"files": {"audio": sound}, "data": {"text": "new"}}),
        ("record/another", {"files": {"audio": sound}, "data": {"text": "new"}}),
        ("prompts/tones", {"json": {"script": "phrases"}}),
        ("needs/tones", {"json": {"terms": "Kubernetes\n" * 400, "count": 5}}),
        (f"clips/tones/{clip}", {"json": {"text": "another " * 240}}),
        ("change/tones", {"json": {"selection": everything, "changes": {"text": "another " * 240}}}),
        ("import/tones/files", {"files": {"files": ("file", bytes(MIB))}, "data": {"paths": "a.wav"}}),
        ("import/tones/files", {"files": {"files": ("file", zip_of(4 * MIB))}, "data": {"paths": "a.zip"}}),
        (
            "longfile",
            {"files": {"sound": ("long.wav", recording(seconds=20.0, rate=48_000))}, "data": {"model": "echo"}},
        ),
        ("listen/keep", {"files": {"sound": sound}, "data": {"text": "kept", "dataset": "tones"}}),
        ("export-data/tones", {"json": {"format": "nemo"}}),
        ("check/tones", {"json": {}}),
        ("labels/tones/prelabel", {"json": {"selection": everything, "model": "echo"}}),
        ("export/tones-0001/merge", {}),
        ("train/start", {"json": {"dataset": "tones", "model": "echo", "device": "cpu"}}),
        ("trash/tones", {"json": {"ids": [other]}}),
    ]


def test_every_route_says_so_and_leaves_the_disk_as_it_was(small: Path, client: TestClient) -> None:
    clips = Dataset.open(small / "recordings" / "tones").utterances()
    fill(small)
    lines, told = len(clips), dict[str, int]()
    for path, sent in requests(clips[0].id, clips[1].id):
        before = held(small)
        answer = client.post(f"/studio/{path}", **sent)
        told[path] = answer.status_code
        assert answer.status_code in (200, 507), f"{path}: {answer.text[:300]}"
        if answer.status_code == 507:
            assert "full" in answer.json()["what"], path
            assert held(small) == before, path
    assert {told[path] for path in ("record/tones", "record/another", "import/tones/files", "longfile")} == {507}
    dataset = Dataset.open(small / "recordings" / "tones")
    assert len(dataset.utterances()) == lines - (told["trash/tones"] == 200)
    assert dataset.problems() == []


@pytest.mark.thorough
def test_gradios_own_upload_is_closed_and_keeps_nothing(tmp_path: Path, small: Path) -> None:
    """By it a file that a full disk refused left its fragment, which kept the disk full."""
    with served(tmp_path / "workspace", TMPDIR=str(small)) as studio, studio.client() as client:
        for size in (1, 8 << 20):
            answer = client.post("/gradio_api/upload", files={"files": ("../../x.bin", bytes(size))})
            assert (answer.status_code, "cannot be uploaded" in answer.json()["what"]) == (404, True)
        [folder] = small.glob("studio-*")
        assert folder.stat().st_mode & 0o077 == 0
        assert [path for path in small.rglob("*") if path.is_file() and path.stat().st_size] == []

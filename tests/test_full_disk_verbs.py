"""A full disk is a sentence, whatever was to be written, and leaves nothing half written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tones import config, tones, train, wav
from verbs import call

from studio.runs import control, listing, queue
from studio.workspace import Workspace, is_disk_full

SIZE = "160m"  # a checkpoint leaves 50 MB free


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small file system with a dataset, a finished run, and sound files to import."""
    root = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(root)], capture_output=True)
    if sys.platform != "linux" or mounted.returncode:
        pytest.skip("a small file system cannot be mounted here: that takes Linux and root")
    try:
        tones(root, 10)
        train(root, "trained", config(max_steps=2))
        unmeasured = root / "recordings" / "unmeasured"
        shutil.copytree(root / "recordings" / "tones", unmeasured)
        rows = [json.loads(line) for line in (unmeasured / "manifest.jsonl").read_text().splitlines()]
        lines = [json.dumps({name: value for name, value in row.items() if name != "quality"}) for row in rows]
        (unmeasured / "manifest.jsonl").write_text("\n".join(lines) + "\n")
        (root / "more").mkdir()
        for number in range(3):
            (root / "more" / f"{number}.wav").write_bytes(wav(f"order {number} 4711"))
            (root / "more" / f"{number}.txt").write_text("order")
        yield root
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)


@contextmanager
def full(root: Path) -> Iterator[None]:
    """Within the block not one byte more can be written."""
    filler = root / "filler"
    with filler.open("wb", buffering=0) as stream:
        with suppress(OSError):  # a run may be writing meanwhile
            os.posix_fallocate(stream.fileno(), 0, shutil.disk_usage(root).free - (1 << 20))
        stream.seek(0, os.SEEK_END)
        with suppress(OSError):
            while stream.write(b"x" * 4096):
                pass
    try:
        yield
    finally:
        filler.unlink()


def files(root: Path) -> dict[str, int]:
    """What is on the disk, but for locks, which are empty, and for what may be deleted at any time."""
    found = (path for path in root.rglob("*") if path.is_file() and ".cache" not in path.parts)
    return {str(path.relative_to(root)): path.stat().st_size for path in found if path.stat().st_size}


@pytest.mark.parametrize(
    "words",
    [
        "train tones --model echo --max-steps 2",
        "train tones --model echo --max-steps 2 --name mine",
        "train tones --model echo --max-steps 2 --queue",
        "check unmeasured",
        "export-data tones {root}/out --format pairs",
        "export-data tones {root}/out --format parquet",
        "import tones {root}/more",
        "import new {root}/more",
        "label tones --prelabel echo",
        "label tones --suspects echo",
        "label tones --numbers digits --apply",
        "split tones --shares 50/25/25",
        "prompts tones",
        "merge trained",
        "merge trained --out {root}/merged",
        "report trained --html {root}/report.html",
        "transcribe {root}/more/0.wav --model echo --output {root}/heard.json",
        "train tones --model echo --on sky --dry-run",
    ],
)
def test_a_full_disk_is_a_sentence_and_leaves_no_half_written_file(words: str, disk: Path) -> None:
    before = files(disk)
    with full(disk):
        ended = call(disk, *words.format(root=disk).split())
    assert ended.code == 1, ended.said
    assert "disk is full" in ended.said
    assert "[Errno" not in ended.said
    assert files(disk) == before


@pytest.mark.thorough
def test_a_run_whose_disk_fills_up_ends_with_1_and_can_be_resumed(disk: Path) -> None:
    workspace = Workspace(disk)
    environment = {**os.environ, "STUDIO_WORKSPACE": str(disk)}
    words = ["train", "tones", "--model", "echo", "--name", "fills", "--max-steps", "100000", "--patience", "100000"]
    client = subprocess.Popen(
        [sys.executable, "-m", "studio", *words, "--eval-every", "5"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
    )  # fmt: skip
    folder = workspace.run("fills")
    try:
        for line in client.stdout or ():
            if line.startswith("step"):
                break
        with full(disk):
            said, _ = client.communicate(timeout=240)
    finally:
        client.kill()
    assert client.returncode == 1, said
    assert "The disk is" in said  # full, or nearly so where a checkpoint was due
    assert "Traceback" not in said
    assert control.active(workspace) is None
    assert not (folder / "DONE").exists()
    assert control.state(listing.existing(workspace, "fills")).status in ("failed", "interrupted")


def test_nothing_waits_in_the_queue_that_could_not_be_written(disk: Path) -> None:
    assert queue.waiting(Workspace(disk)) == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        OSError("100000 requested and 8176 written"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_known_in_the_words_of_numpy_torch_and_safetensors(error: Exception) -> None:
    assert is_disk_full(error)
    assert not is_disk_full(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))

"""A dataset under kill -9, a full disk, and two writers at once."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sounds import recording

from studio.data.manifest import Dataset
from studio.errors import DiskError

ADD_FOREVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from sounds import recording
from studio.data.manifest import Dataset
dataset = Dataset(Path(sys.argv[1]))
for seed in range(int(sys.argv[2]), int(sys.argv[2]) + 10_000):
    clip = dataset.add(recording(seed), text=f"sentence {seed}")
    print(clip.id, flush=True)
    if "edit" in sys.argv:
        dataset.edit(clip.id, speaker="ada")
        dataset.restore([dataset.trash([clip.id])[0].id])
"""
TESTS = Path(__file__).parent
STEPS = ("write_atomically", "write_wav", "append_durably")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.create(tmp_path / "voice")


def writer(dataset: Dataset, first: int, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ADD_FOREVER, str(dataset.folder), str(first), str(TESTS), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=TESTS.parent)


def next_id(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def killed(process: subprocess.Popen[str]) -> list[str]:
    """The ids that it confirmed since it was last asked."""
    process.send_signal(signal.SIGKILL)
    return process.communicate()[0].split()


def sound(dataset: Dataset) -> bool:
    """Is every clip there whole, with a line, and every line with a clip?"""
    lengths = {dataset.clip_path(clip).stat().st_size for clip in dataset.utterances()}
    return dataset.problems() == [] and len(lengths) == 1


def test_kill_9_at_any_moment_loses_nothing_that_was_confirmed(dataset: Dataset) -> None:
    confirmed: list[str] = []
    for attempt in range(6):
        process = writer(dataset, 1000 * attempt, "edit")
        confirmed.append(next_id(process))
        time.sleep(0.013 * attempt)
        confirmed += killed(process)
    last = dataset.add(recording(77), text="after the crash")
    assert {*confirmed, last.id} <= {clip.id for clip in dataset.utterances() + dataset.trashed()}
    assert sound(dataset)
    assert [path.name for path in (dataset.folder / "clips").glob(".*")] == []


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_9_between_two_writes_leaves_a_whole_clip_or_none(dataset: Dataset, step: str, when: str) -> None:
    die = "os.kill(os.getpid(), signal.SIGKILL)"
    script = f"""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(TESTS)!r})
import studio.data.manifest as room
from sounds import recording
real = room.{step}
def fatal(*args):
    {die if when == "before" else "real(*args)"}
    {die}
room.{step} = fatal
room.Dataset(Path({str(dataset.folder)!r})).add(recording(), text="yes")
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=TESTS.parent, check=False)
    assert done.returncode == -signal.SIGKILL
    dataset.add(recording(1), text="no")
    saved_whole = step == "append_durably" or (step, when) == ("write_wav", "after")
    assert [clip.text for clip in dataset.utterances()] == (["yes", "no"] if saved_whole else ["no"])
    assert sound(dataset)
    assert list(dataset.pending.iterdir()) == []


def test_two_programs_that_add_at_once_lose_nothing(dataset: Dataset) -> None:
    processes = [writer(dataset, first, *words) for first, words in ((0, ()), (5000, ("edit",)))]
    confirmed = [next_id(process) for _ in range(15) for process in processes]
    confirmed += [id for process in processes for id in killed(process)]
    dataset.add(recording(77), text="the last")
    kept = [clip.id for clip in dataset.utterances() + dataset.trashed()]
    assert len(kept) == len(set(kept))
    assert set(confirmed) <= set(kept)
    assert sound(dataset)


def test_another_program_that_holds_the_lock_too_long_is_a_sentence(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    import filelock

    monkeypatch.setattr("studio.data.store.writing.LOCK_SECONDS", 0.05)
    with filelock.FileLock(dataset.folder / ".lock"), pytest.raises(DiskError, match="Another program"):
        dataset.add(recording(), text="yes")


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_disk_that_fills_up_leaves_no_half_clip_and_no_half_line(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    clip = dataset.add(recording(0), text="yes")
    before = {path: path.read_bytes() for path in dataset.folder.rglob("*") if path.is_file()}
    calls = 0
    real = os.fsync

    def full(handle: int) -> None:
        nonlocal calls
        calls += stat.S_ISREG(os.fstat(handle).st_mode)
        if calls == nth:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match="The disk is full"):
        dataset.add(recording(1), text="no")
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in dataset.folder.rglob("*") if path.is_file()} == before
    assert dataset.utterances() == [clip]
    assert dataset.problems() == []


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 kB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs needs root on Linux")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_really_full_disk_keeps_what_was_saved_and_goes_on_when_there_is_space(tiny_disk: Path) -> None:
    dataset = Dataset.create(tiny_disk / "voice")
    added = []
    with pytest.raises(DiskError, match="The disk is full"):  # noqa: PT012 - which clip is the last is the disk's choice
        for seed in range(100):
            added.append(dataset.add(recording(seed, seconds=1.0), text=f"sentence {seed}"))
    assert 3 < len(added) < 10
    filler = tiny_disk / "filler"
    with filler.open("wb", buffering=0) as stream, pytest.raises(OSError, match="No space"):  # noqa: PT012
        while True:
            stream.write(b"x" * 512)
    for refused in (
        lambda: dataset.add(recording(1), text="no"),
        lambda: dataset.edit(added[0].id, speaker="ada " * 5000),
        lambda: dataset.trash([added[0].id] * 2 + [clip.id for clip in added] * 9),
    ):
        with pytest.raises(DiskError, match="The disk is full"):
            refused()
    assert dataset.utterances() == added
    assert sound(dataset)
    filler.unlink()
    dataset.trash([added[0].id])
    assert dataset.utterances() == added[1:]
    dataset.add(recording(1), text="yes")
    assert sound(dataset) or len(dataset.utterances()) == len(added)

"""The dataset's lock, and what whoever holds it puts in order first: what the last crash left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from studio.data.store import lines, operations
from studio.data.store.files import Store
from studio.data.utterance import Utterance
from studio.errors import DiskError
from studio.workspace import append_durably, check_plain, disk_errors, write_atomically

LOCK_SECONDS = 30.0  # a writer holds the lock for some milliseconds


@contextmanager
def writing(store: Store) -> Iterator[None]:
    """Hold the dataset's lock. Raises DiskError where another program does not let go of it."""
    lock = filelock.FileLock(store.folder / ".lock", timeout=LOCK_SECONDS)
    with disk_errors(store.folder):
        try:
            lock.acquire()
        except filelock.Timeout:
            raise DiskError(
                f"Another program has been writing to {store.folder} for {LOCK_SECONDS:.0f} s.",
                "Wait until it is done, or end it, and try again; nothing was lost.",
            ) from None
    try:
        _put_torn_line_aside(store.manifest)
        _put_torn_line_aside(store.trash_list)
        _take_up_pending(store)
        _sweep(store)
        operations.settle(store)
        yield
    finally:
        lock.release()


def _put_torn_line_aside(path: Path) -> None:
    """Move a half last line to `<name>.torn.jsonl`; give a whole one the newline that it lacks."""
    if _ends_whole(path):
        return
    before, newline, tail = lines.read_bytes(path).rpartition(b"\n")
    if isinstance(lines.parse(tail), str):
        append_durably(path.with_suffix(".torn.jsonl"), tail.decode("utf-8", "backslashreplace"))
        write_atomically(path, before + newline)
    else:
        append_durably(path, "")


def _ends_whole(path: Path) -> bool:
    check_plain(path)
    with disk_errors(path, "read"):
        try:
            with path.open("rb") as stream:
                if not stream.seek(0, os.SEEK_END):
                    return True
                stream.seek(-1, os.SEEK_END)
                return stream.read(1) == b"\n"
        except FileNotFoundError:
            return True


def _take_up_pending(store: Store) -> None:
    """Give each clip that was saved whole its line; sweep up what was not."""
    for note in sorted(store.pending.glob("*.json")):
        clip = lines.parse(note.read_bytes())
        if isinstance(clip, Utterance) and clip.audio_filepath == f"clips/{note.stem}.wav":
            for scrap in (store.folder / "clips").glob(f".{note.stem}.wav.*"):
                scrap.unlink()
            if store.look().get(clip.id) is None and store.clip_path(clip).is_file():
                append_durably(store.manifest, clip.to_line())
        note.unlink()


def _sweep(store: Store) -> None:
    """Throw away what intakes left behind that were killed: one at work holds the lock in its folder."""
    if not store.incoming.is_dir():
        return
    with disk_errors(store.incoming):
        for folder in store.incoming.iterdir():
            lock = filelock.FileLock(folder / ".lock", timeout=0)
            try:
                lock.acquire()
            except filelock.Timeout:
                continue
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()

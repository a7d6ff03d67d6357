"""Folders that appear whole or not at all."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.workspace import disk_errors, sync_folder


@contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """Yield an empty folder next to `folder` that takes its place when the block ends well, and vanishes otherwise.

    An older `folder` is replaced at the end, so a crash leaves the old one or the new one. Raises DiskError.
    """
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            yield temporary
            _open_to_others(temporary)
            _swap(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        sync_folder(folder.parent)


def _open_to_others(folder: Path) -> None:
    """Give `folder` and its files the modes that the umask allows: mkdtemp and safetensors allow the owner alone."""
    probe = folder / ".mode"
    probe.touch()
    mode = stat.S_IMODE(probe.stat().st_mode)  # asking for the umask would change it for other threads
    probe.unlink()
    for path in (folder, *folder.rglob("*")):
        path.chmod(mode | (mode & 0o444) >> 2 if path.is_dir() else mode)


def _swap(new: Path, folder: Path) -> None:
    if not folder.exists():
        new.rename(folder)
        return
    old = folder.with_name(f"{new.name}.old")
    folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)

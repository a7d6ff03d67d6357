"""Write a dataset, or a part of it, in the format of another tool: whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from studio.data import formats
from studio.data.formats.base import Format, SkipGroup, Target
from studio.data.formats.clip import ExportClip
from studio.data.formats.lists import Index
from studio.data.manifest import Dataset, Utterance
from studio.errors import DataError, DiskError, StudioError
from studio.text import counted
from studio.workspace import disk_errors, sync_folder

Tell = Callable[[Any, int, int], None]


class ExportReport(BaseModel):
    """What was written, and what was not, each with its reason."""

    model_config = ConfigDict(frozen=True)

    path: str
    format: str
    clips: int
    minutes: float
    size: int  # bytes
    skipped: int
    reasons: list[SkipGroup]

    def sentence(self) -> str:
        """The report in one line."""
        skipped = f" {self.skipped} left out." if self.skipped else ""
        size = f"{self.minutes:.1f} min, {self.size / 1e6:.1f} MB"
        return f"{counted(self.clips, 'clip')} ({size}) written to {self.path}.{skipped}"


def export_data(
    dataset: Dataset,
    format: str,
    out: Path,
    ids: Collection[str] | None = None,
    *,
    portable: bool = False,
    escape: bool | None = None,
    tell: Tell = lambda *_: None,
) -> ExportReport:
    """Write the clips `ids` of `dataset` (all without) to the new folder or file `out`.

    Lists of tools that look from their own working directory (Kaldi, lhotse) name their sound files absolutely; with
    `portable` they do not, for a folder that goes to another machine. `escape` puts an apostrophe before cells that a
    spreadsheet would compute, by default in the format csv alone; an import takes it off again. Clips are read from
    the manifest one at a time: memory stays flat. Raises DataError where `out` is there already, or the format can
    hold none of the clips, and DiskError; nothing is then left behind.
    """
    chosen = formats.find(format)
    home = placed(chosen, out)
    with _begun(home, chosen.single_file) as folder:
        target = Target(folder, home.name, None if portable else home.absolute(), escape=escape)
        outgoing = _Outgoing(dataset, ids, target, tell)
        chosen.write(outgoing.clips(), target)
        written = outgoing.count - (target.skipped.total - outgoing.missing)
        if written <= 0:
            why = target.skipped.groups()[0].reason if target.skipped.total else "There are no such clips."
            raise DataError(f"No clip can be written as {chosen.title}.", why)
        size = _size(folder)
    return ExportReport(
        path=str(home),
        format=chosen.name,
        clips=written,
        minutes=round(outgoing.seconds / 60, 2),
        size=size,
        skipped=target.skipped.total,
        reasons=target.skipped.groups(),
    )


def placed(chosen: Format, out: Path) -> Path:
    """Where the export will lie: a format that is one file gets its suffix. Raises DataError where something is."""
    home = out.with_name(f"{out.name}.zip") if chosen.single_file and out.suffix.lower() != ".zip" else out
    if home.exists() or home.is_symlink():
        raise DataError(f"{home} is there already.", "Choose a new name, or remove it first.")
    return home


@contextmanager
def _begun(home: Path, is_file: bool) -> Iterator[Path]:
    """A temporary name next to `home`, renamed to it when the block ends well, removed otherwise. Raises DiskError."""
    folder = home.parent / f".{home.name}.part-{os.getpid()}-{secrets.token_hex(4)}"
    with disk_errors(home):
        home.parent.mkdir(parents=True, exist_ok=True)
        _sweep(home)
        if not is_file:
            folder.mkdir()
    try:
        yield folder
        with disk_errors(home):
            folder.rename(home)
            sync_folder(home.parent)
    except DiskError as error:
        _remove(folder)
        raise DiskError(error.what.replace(str(folder), str(home)), error.remedy) from error
    except BaseException:
        _remove(folder)
        raise


def _sweep(home: Path) -> None:
    """Remove what exports to the same place left behind whose process was killed."""
    for scrap in home.parent.glob(f".{home.name}.part-*"):
        process = scrap.name.removeprefix(f".{home.name}.part-").partition("-")[0]
        if process.isdecimal() and not psutil.pid_exists(int(process)):
            _remove(scrap)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


class _Outgoing:
    """The clips that go out, counted as a format takes them."""

    def __init__(self, dataset: Dataset, ids: Collection[str] | None, target: Target, tell: Tell) -> None:
        self.dataset, self.target, self.tell = dataset, target, tell
        self.ids = None if ids is None else frozenset(ids)
        self.count = self.missing = 0
        self.seconds = 0.0

    def clips(self) -> Iterator[ExportClip]:
        total = len(self.ids) if self.ids is not None else _line_count(self.dataset.manifest)
        for clip in self._wanted():
            self.tell("exporting", self.count, max(total, self.count))
            try:
                if not clip.text:
                    raise DataError("It has no label yet.", "Write what is said in it, or let a model do so.")
                path = self.dataset.clip_path(clip)
                if not path.is_file():
                    raise DataError("Its sound file is missing.", "Put it back, or delete the clip.")
            except StudioError as error:
                self.missing += 1
                self.target.skip(ExportClip(clip, self.dataset.folder), error.what, error.remedy)
                continue
            self.count += 1
            before = self.target.skipped.total
            yield ExportClip(clip, path)
            self.seconds += clip.duration if self.target.skipped.total == before else 0.0
        self.tell("exporting", max(total, self.count), max(total, self.count))

    def _wanted(self) -> Iterator[Utterance]:
        with closing(Index()) as seen:
            for clip in _utterances(self.dataset.manifest):
                if (self.ids is None or clip.id in self.ids) and seen.add(clip.id, ""):
                    yield clip


def _utterances(manifest: Path) -> Iterator[Utterance]:
    """The clips of a manifest that can be used, one line in memory at a time. Raises DiskError."""
    with disk_errors(manifest, "read"), manifest.open("rb") as stream:
        for number, line in enumerate(stream):
            content = line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line
            with suppress(ValidationError):  # problems() speaks of it
                yield Utterance.model_validate_json(content)


def _line_count(manifest: Path) -> int:
    with disk_errors(manifest, "read"), manifest.open("rb") as stream:
        return sum(1 for line in stream if line.strip())


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if path.is_file():
        return path.stat().st_size
    with os.scandir(path) as found:  # Path.rglob would hold every path
        return sum(_size(Path(each.path)) if each.is_dir() else each.stat().st_size for each in found)

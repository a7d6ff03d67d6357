"""A manifest as it is now, parsed: kept in memory until the file, or a folder of its clips, changes.

Every look at a dataset asks for it anew, so it has to cost nothing while nothing changes: the manifest is known by its
inode, size and time of change, the clips by the times of their folders. What changed is parsed; the rest is kept.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from studio.config import Kind
from studio.data.splits.grouping import SplitIndex
from studio.data.store import lines
from studio.data.utterance import Example, Utterance
from studio.errors import DataError
from studio.workspace import check_plain, disk_errors, inside, write_atomically

KEPT = 4  # datasets held in memory: 10,000 clips take about 30 MB
_YOUNG = 20_000_000  # ns; the clock of a file system ticks every 1-10 ms: a change right after a look leaves no trace

Signature = tuple[int, int, int]
"""Inode, size and time of change (ns) of a file; zeros where there is none."""

_kept: OrderedDict[Path, Snapshot] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class ClipFiles:
    """The plain files that lay in a dataset's clip folders, named as manifests name them."""

    files: frozenset[str]
    stamps: Mapping[str, int]  # folder, relative -> time of its last change, ns
    is_settled: bool  # a change since would have moved a stamp

    @classmethod
    def of(cls, folder: Path, names: Iterable[str]) -> ClipFiles:
        """What lies in the folders `names` of the dataset in `folder`; links are looked at one by one elsewhere."""
        began = time.time_ns()
        stamps = {name: _changed_at(folder / name) for name in names}
        files = (f"{name}/{entry}" for name in names for entry in _plain_files(folder, name))
        return cls(frozenset(files), stamps, all(began - stamp > _YOUNG for stamp in stamps.values()))

    def is_current(self, folder: Path) -> bool:
        """Whether nothing came to these folders, or went, since."""
        return self.is_settled and all(_changed_at(folder / name) == stamp for name, stamp in self.stamps.items())


@dataclass(slots=True)
class Snapshot:
    """The lines of a manifest and the clips in them; never changed once made."""

    signature: Signature
    lines: list[bytes]
    parsed: list[Example | str]  # of each line: its clip or pair, or what is wrong with it
    clip_files: ClipFiles
    clips: list[Example] = field(default_factory=list)  # those that can be used, in order
    numbers: list[int] = field(default_factory=list)  # of each clip, its line from 0
    places: dict[str, int] = field(default_factory=dict)  # id -> place among the clips
    faults: list[str] = field(default_factory=list)  # a sentence on each line that cannot be used
    sides: SplitIndex | None = None  # made when first needed, by whoever holds the dataset's lock

    is_torn: bool = False  # the last line ends in the middle

    def get(self, id: str) -> Example | None:
        """The clip `id`, or None."""
        place = self.places.get(id)
        return None if place is None else self.clips[place]

    def index(self) -> SplitIndex:
        """The split of each sentence; computed when first asked for."""
        if self.sides is None:
            with many_objects():
                self.sides = SplitIndex.of(self.clips)
        return self.sides

    def shifted(self, gone: Iterable[Example], come: Iterable[Example]) -> SplitIndex | None:
        """The index, where there is one yet, with clips counted out and in."""
        return None if self.sides is None else self.sides.shifted(gone, come)


def look(folder: Path, kind: Kind = "speech") -> Snapshot:
    """The manifest in `folder`, of a dataset of this `kind`, as it is now. Raises DiskError."""
    manifest = folder / "manifest.jsonl"
    with _lock:
        old = _kept.get(folder)
    if old is not None and signature_of(manifest) == old.signature:
        return old if old.clip_files.is_current(folder) else _keep(folder, _again(folder, old))
    signature, content = _read(manifest)
    rows = lines.split_lines(content)
    made = _built(folder, signature, rows, _parsed(rows, old, kind), old)
    made.is_torn = bool(rows) and not content.endswith(b"\n") and isinstance(made.parsed[-1], str)
    return _keep(folder, made)


def signature_of(path: Path) -> Signature:
    """What a file is known by. Raises DiskError."""
    with disk_errors(path, "read"):
        try:
            found = path.stat()
        except FileNotFoundError:
            return 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns


def edited(folder: Path, old: Snapshot, new: Mapping[str, Example], sides: SplitIndex | None = None) -> None:
    """Replace the lines of the clips `new`, by id, in one atomic write; other lines stay as they are, byte for byte.

    Raises DiskError, and then nothing has changed.
    """
    rows, parsed, clips = old.lines.copy(), old.parsed.copy(), old.clips.copy()
    for id, clip in new.items():
        place = old.places[id]
        number = old.numbers[place]
        rows[number], parsed[number], clips[place] = clip.to_line().encode(), clip, clip
    signature = _write(folder, rows)
    if all(_file(clip) == _file(old.clips[old.places[id]]) for id, clip in new.items()):
        shape = (old.numbers, old.places, old.faults)
        _keep(folder, Snapshot(signature, rows, parsed, old.clip_files, clips, *shape, sides=sides))
    else:
        _keep(folder, _built(folder, signature, rows, parsed, old, sides))


def removed(folder: Path, old: Snapshot, ids: Collection[str], sides: SplitIndex | None) -> None:
    """Take the lines of the clips `ids` out, in one atomic write. Raises DiskError."""
    gone = {old.numbers[old.places[id]] for id in ids}
    left = [number for number in range(len(old.lines)) if number not in gone]
    _rewrite(folder, old, [old.lines[number] for number in left], [old.parsed[number] for number in left], sides)


def inserted(folder: Path, old: Snapshot, new: Sequence[tuple[str | None, Example]], sides: SplitIndex | None) -> None:
    """Put in the lines of clips, each after the clip whose id is given, in one atomic write.

    "" means the beginning; where there is no such clip, or None is given, the end. Raises DiskError.
    """
    after: dict[int, list[Example]] = {}  # number of a line -> what comes after it
    line_of: dict[str, int] = {"": -1}
    last = len(old.lines) - 1
    for before, clip in new:
        place = old.places.get(before) if before else None
        number = last if before is None else old.numbers[place] if place is not None else line_of.get(before, last)
        line_of[clip.id] = number
        after.setdefault(number, []).append(clip)
    rows: list[bytes] = []
    parsed: list[Example | str] = []
    for number in range(-1, len(old.lines)):
        if number >= 0:
            rows.append(old.lines[number])
            parsed.append(old.parsed[number])
        rows += [clip.to_line().encode() for clip in after.get(number, ())]
        parsed += after.get(number, ())
    _rewrite(folder, old, rows, parsed, sides)


def appended(folder: Path, old: Snapshot, clip: Example) -> None:
    """Take up that `clip`'s line is now at the end of the manifest."""
    line = clip.to_line().encode()
    signature = signature_of(folder / "manifest.jsonl")
    if signature[0] == old.signature[0] and signature[1] == old.signature[1] + len(line) + 1:
        rows, parsed, sides = [*old.lines, line], [*old.parsed, clip], old.shifted((), [clip])
        _keep(folder, _built(folder, signature, rows, parsed, old, sides))


def extended(folder: Path, content: Iterable[bytes]) -> None:
    """Put the lines `content` at the end of the manifest, in one atomic write. Raises DiskError.

    They are not parsed here, and pass one by one: an import of any size leaves nothing in memory.
    """
    manifest = folder / "manifest.jsonl"
    write_atomically(manifest, chain(lines.each(manifest), content))


def _rewrite(
    folder: Path, old: Snapshot, rows: list[bytes], parsed: list[Example | str], sides: SplitIndex | None
) -> None:
    _keep(folder, _built(folder, _write(folder, rows), rows, parsed, old, sides))


def _write(folder: Path, rows: list[bytes]) -> Signature:
    manifest = folder / "manifest.jsonl"
    write_atomically(manifest, (line + b"\n" for line in rows))
    return signature_of(manifest)


def _keep(folder: Path, snapshot: Snapshot) -> Snapshot:
    with _lock:
        _kept[folder] = snapshot
        _kept.move_to_end(folder)
        if len(_kept) > KEPT:
            _kept.popitem(last=False)
    return snapshot


def _read(manifest: Path) -> tuple[Signature, bytes]:
    """The content, and the signature of just this content: it may be replaced or grow while it is read."""
    check_plain(manifest)
    with disk_errors(manifest, "read"):
        try:
            with manifest.open("rb") as stream:
                found = os.fstat(stream.fileno())
                content = stream.read(found.st_size)
        except FileNotFoundError:
            return (0, 0, 0), b""
    return (found.st_ino, found.st_size, found.st_mtime_ns), content.removeprefix(lines.BYTE_ORDER_MARK)


def _parsed(rows: list[bytes], old: Snapshot | None, kind: Kind) -> list[Example | str]:
    """Each line parsed, those that `old` has already without work."""
    known = dict(zip(old.lines, old.parsed, strict=True)) if old else {}
    with many_objects():
        return [known.get(line) or lines.parse(line, kind) for line in rows]


@contextmanager
def many_objects() -> Iterator[None]:
    """Make many objects that stay, without Python's looking through all of them time and again for garbage."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _again(folder: Path, old: Snapshot) -> Snapshot:
    """The same lines, looked at with the files that lie there now."""
    made = _built(folder, old.signature, old.lines, old.parsed, None)
    made.is_torn = old.is_torn
    return made


def _built(
    folder: Path,
    signature: Signature,
    rows: list[bytes],
    parsed: list[Example | str],
    old: Snapshot | None,
    sides: SplitIndex | None = None,
) -> Snapshot:
    parents = {file.rpartition("/")[0] for row in parsed if isinstance(row, Example) and (file := _file(row))}
    parents |= {"clips"}
    is_known = old is not None and parents <= old.clip_files.stamps.keys() and old.clip_files.is_current(folder)
    clip_files = old.clip_files if old is not None and is_known else ClipFiles.of(folder, sorted(parents))
    made = Snapshot(signature, rows, parsed, clip_files, sides=sides)
    there = clip_files.files | {""}  # what needs no file is there
    for number, row in enumerate(parsed):
        if isinstance(row, Example) and row.id not in made.places and _file(row) in there:
            fault = ""
        elif not rows[number].strip():
            continue
        else:
            fault = row if isinstance(row, str) else _fault(row, made, folder)
        if isinstance(row, Example) and not fault:
            made.places[row.id] = len(made.clips)
            made.clips.append(row)
            made.numbers.append(number)
        else:
            made.faults.append(f"Line {number + 1} of manifest.jsonl is left out: {fault}")
    return made


def _fault(clip: Example, made: Snapshot, folder: Path) -> str:
    """Why `clip` cannot be used, where it is not a plain file in a known folder; empty where it can."""
    if clip.id in made.places:
        return f"the id {clip.id} appears twice. Give one of them another id, or delete its line."
    assert isinstance(clip, Utterance)  # another kind has no file that could be missing
    try:
        path = inside(folder, clip.audio_filepath)
    except DataError as error:
        return str(error)
    if not path.is_file():
        return f"the clip {clip.audio_filepath} is missing. Put it back, or delete the line."
    return ""


def _file(example: Example) -> str:
    """The file that belongs to it, relative to the dataset folder; empty for a typing pair, which has none."""
    return example.audio_filepath if isinstance(example, Utterance) else ""


def _plain_files(folder: Path, name: str) -> list[str]:
    """Names of the plain files in the folder `name`; none where it lies outside the dataset, or cannot be read."""
    try:
        with os.scandir(inside(folder, name)) as entries:
            return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    except (OSError, DataError):
        return []


def _changed_at(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0

"""What every format speaks: rows that come in, clips that go out, and what was left out with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from studio.data.formats.clip import ExportClip
from studio.data.formats.files import Files
from studio.data.formats.names import Names
from studio.data.utterance import Split
from studio.errors import printable

Words = list[tuple[str, tuple[float, float]]]
"""Each word with its [start, end] in seconds from the start of its clip."""

EXAMPLES = 3  # of each reason
LISTED = 1_000  # reasons kept one by one; beyond them a group's count grows alone


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One clip that might come in: where its samples are, and what is said in them."""

    name: str  # for people: “train.tsv line 7 (a.mp3)”
    audio: Path | bytes  # a file within the folder that is imported, or its content
    text: str | None = ""  # None: a sound file alone, which may wait for its label
    start: float = 0.0  # seconds into the file
    duration: float | None = None  # seconds; to the end of the file without
    declared: float | None = None  # seconds that the row claims for the whole file: a guess before it is opened
    prompt: str = ""
    speaker: str = ""
    session: str = ""
    split: Split | None = None
    words: Words | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)  # keys of other programs, kept as they are

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", printable(self.name))

    @property
    def is_part(self) -> bool:
        """Whether only a part of the file is meant."""
        return self.start > 0 or self.duration is not None


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that cannot come in (or a clip that cannot go out): which, why, and what to do."""

    name: str
    what: str
    remedy: str = ""

    def __post_init__(self) -> None:
        for name in ("name", "what", "remedy"):
            object.__setattr__(self, name, printable(getattr(self, name)))


@dataclass(slots=True)
class SkipGroup:
    """Rows left out for the same reason."""

    reason: str  # of the first of them
    count: int = 0
    examples: list[str] = field(default_factory=list)  # names, EXAMPLES at most


class Reasons:
    """What was left out, grouped: memory stays flat however many rows are bad."""

    def __init__(self) -> None:
        self.total = 0
        self.listed: list[tuple[str, str]] = []  # (name, reason), the first LISTED
        self._groups: dict[str, SkipGroup] = {}

    def add(self, refused: Refused) -> None:
        """Count a refusal to those of its kind: reasons that differ in figures and names alone are one."""
        self.total += 1
        reason = f"{refused.what} {refused.remedy}".strip()
        if len(self.listed) < LISTED:
            self.listed.append((refused.name, reason))
        kind = re.sub(r"“[^”]*”|\S*[\d/\\]\S*|\S+\.\w{2,5}\b", "…", reason)
        group = self._groups.get(kind)
        if group is None:
            kind = kind if len(self._groups) < LISTED else "others"
            group = self._groups.setdefault(kind, SkipGroup(reason if kind != "others" else "Other reasons."))
        group.count += 1
        if len(group.examples) < EXAMPLES:
            group.examples.append(refused.name)

    def groups(self) -> list[SkipGroup]:
        """The reasons, the most frequent first."""
        return sorted(self._groups.values(), key=lambda group: -group.count)


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a folder or file is to be read, beyond what it says itself."""

    mapping: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # field -> column
    delimiter: str = ""  # of a table; guessed without
    audio: Path | None = None  # where the sound files are, if not next to the manifest
    names: Names = field(default_factory=Names, compare=False)  # the splits that names state

    def files(self, path: Path) -> Files:
        """Looks up the sound files that `path`, a manifest or a folder, names."""
        folder = path if path.is_dir() else path.parent
        return Files((folder, self.audio) if self.audio else (folder,))


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, and the field that it becomes."""

    name: str
    field: str  # a name in studio.data.formats.fields.ALIASES; empty: kept under its own name
    example: str = ""


@dataclass(slots=True)
class Target:
    """Where a format writes."""

    folder: Path  # begun, and renamed to `home` when all is written
    name: str  # of the folder, when it is done
    home: Path | None  # where it will lie; None while that is not known
    skipped: Reasons = field(default_factory=Reasons)
    escape: bool | None = None  # cells that spreadsheets would compute; None: as the format is meant

    def escapes(self, format: Base) -> bool:
        """Whether an apostrophe goes before such cells: what other tools read is left as it is, unless asked for."""
        return format.is_for_people if self.escape is None else self.escape

    def skip(self, clip: ExportClip, what: str, remedy: str = "") -> None:
        """Leave a clip out that this format cannot hold."""
        self.skipped.add(Refused(clip.utterance.id, what, remedy))

    def address(self, relative: str) -> str:
        """`relative` for tools that look from their own working directory: absolute where the place is known."""
        return str(self.home / relative) if self.home else relative


class Format(Protocol):
    """One way in which speech data lies on disk."""

    name: str  # on the command line
    title: str  # for people
    holds: str  # one sentence: what it keeps of a clip besides sound and label
    single_file: bool  # it is written as one file instead of a folder
    has_cells: bool  # it writes tables of text, whose cells can be escaped
    is_for_people: bool  # who may open it in a spreadsheet: cells are escaped unless asked otherwise
    has_lists: bool  # lists name the sound files: there may be others in the same folder

    def recognise(self, path: Path) -> float:
        """How sure it is that `path` is of this format: 0..1. Never raises for what is in the file."""
        ...

    def rows(self, path: Path, reading: ReadOptions) -> Iterator[ImportRow | Refused]:
        """The rows of `path`, one at a time. Raises DataError or DiskError where it cannot be read at all."""
        ...

    def columns(self, path: Path, reading: ReadOptions) -> list[Column]:
        """What each column becomes; none where the format has no columns to choose."""
        ...

    def count(self, path: Path, reading: ReadOptions) -> int:
        """How many rows there are. Raises DataError or DiskError as `rows` does."""
        ...

    def write(self, clips: Iterable[ExportClip], target: Target) -> None:
        """Write `clips`, one at a time. Raises StudioError."""
        ...


class Base:
    """What most formats have in common."""

    single_file = False
    has_cells = False  # it writes tables of text, whose cells can be escaped
    is_for_people = False  # who may open it in a spreadsheet
    has_lists = True

    def rows(self, path: Path, reading: ReadOptions) -> Iterator[ImportRow | Refused]:
        """See Format."""
        raise NotImplementedError

    def columns(self, path: Path, reading: ReadOptions) -> list[Column]:
        """Fields are what they are: nothing to choose."""
        return []

    def count(self, path: Path, reading: ReadOptions) -> int:
        """By reading them once."""
        return sum(1 for _ in self.rows(path, reading))

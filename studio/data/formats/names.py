"""Splits that the names of folders and lists state: a name that *is* a split word counts, a word within it does not.

`train/`, `dev.tsv`, `test_manifest.json`, `cuts_validation.jsonl.gz` and `train-00000-of-00002.parquet` state a split,
where one of the names next to them states train; `kitchen test/` and `dev-board mic` never do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from studio.data.formats.files import SOUNDS, kind_of
from studio.data.utterance import Split

WORDS: Mapping[str, Split] = MappingProxyType(
    {"train": "train", "training": "train", "validation": "validation", "valid": "validation", "dev": "validation",
     "val": "validation", "eval": "validation", "development": "validation", "test": "test", "testing": "test",
     "unused": "unused", "other": "unused"}
)  # fmt: skip
_MOST = 1_000  # folders remembered


def stated(name: str) -> Split | None:
    """The split that the name of a folder, or of a list without its suffix, states, if any."""
    word = re.sub(r"-\d+-of-\d+$", "", name.casefold())
    return WORDS.get(word.removesuffix("_manifest").removeprefix("cuts_"))


def meant(value: str) -> Split | None:
    """The split that a cell of a column for splits means (“dev”, “test-clean”), if any."""
    found = re.fullmatch(r"([a-z]+)(?:[-_.\d].*)?", value.strip().casefold())
    return WORDS.get(found[1]) if found else None


@dataclass(slots=True)
class Names:
    """Looks up the splits that names state, and remembers which it found."""

    followed: dict[str, Split] = field(default_factory=dict)
    _found: dict[Path, Split | None] = field(default_factory=dict)
    _sides: dict[tuple[Path, bool], frozenset[Split]] = field(default_factory=dict)

    def split_of(self, path: Path, root: Path) -> Split | None:
        """The split of `path`, a list or a sound file below `root`, which is what is imported.

        A sound file is known by its folders alone; `root` itself counts where train and another split are next to it.
        """
        place = path.parent if kind_of(path.name) in SOUNDS else path
        if place not in self._found:
            if len(self._found) > _MOST:
                self._found.clear()
            self._found[place] = self._split_of(place, root if root.is_dir() else root.parent)
        return self._found[place]

    def _split_of(self, place: Path, root: Path) -> Split | None:
        if not place.is_relative_to(root):
            root = root.resolve()  # as `Files` gives the sounds
        if not place.is_relative_to(root):
            return None
        for each in (place, *place.parents):
            is_folder = each != place or each.is_dir()
            split = stated(each.name if is_folder else _bare(each.name))
            sides = self._next_to(each, is_folder) if split else frozenset()
            if split and "train" in sides and (each != root or len(sides) > 1):
                self.followed[each.name] = split
                return split
            if each == root:
                break
        return None

    def _next_to(self, path: Path, is_folder: bool) -> frozenset[Split]:
        """The splits that the names of folders next to the folder `path` state, or of files next to a file."""
        key = path.parent, is_folder
        if key not in self._sides:
            sides: set[Split | None] = set()
            with suppress(OSError), os.scandir(path.parent) as entries:
                if is_folder:
                    sides = {stated(entry.name) for entry in entries if stated(entry.name) and entry.is_dir()}
                else:
                    sides = {stated(_bare(each.name)) for each in entries if kind_of(each.name) not in SOUNDS}
            if len(self._sides) > _MOST:
                self._sides.clear()
            self._sides[key] = frozenset(split for split in sides if split)
        return self._sides[key]


def _bare(name: str) -> str:
    return name.partition(".")[0]

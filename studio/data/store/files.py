"""A dataset's files, and what they hold; what is done to them is in `operations`, `writing` and `manifest`."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from studio.config import Kind
from studio.data.store import lines, snapshot
from studio.data.store.journal import Journal
from studio.data.store.snapshot import KEPT, Signature, Snapshot, signature_of
from studio.data.utterance import Example, Utterance
from studio.errors import DataError
from studio.workspace import inside

_HOLDS: Mapping[Kind, str] = MappingProxyType({"speech": "recordings", "typing": "typing pairs"})
_trash: OrderedDict[Path, tuple[Signature, dict[str, Example]]] = OrderedDict()


class Store:
    """The folder of a dataset, looked into but not written to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = folder / "manifest.jsonl"
        self.kind_file = folder / "dataset.json"  # there in a typing dataset; datasets of speech need none
        self.trash_list = folder / "trash.jsonl"
        self.pending = folder / "pending"
        self.incoming = folder / "incoming"
        self.journal = Journal(folder)

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def kind(self) -> Kind:
        """What the dataset holds. Raises DataError where its folder says something else, DiskError."""
        content = lines.read_bytes(self.kind_file)
        try:
            kind: Kind = json.loads(content)["kind"] if content else "speech"
        except (ValueError, TypeError, KeyError):
            kind = "speech"
        if not isinstance(kind, str) or kind not in lines.CLASSES:
            what = f"{self.kind_file} does not say which kind of dataset this is."
            raise DataError(what, 'Write {"kind": "typing"} into it; delete it if the dataset holds recordings.')
        return kind

    def must_be(self, kind: Kind) -> None:
        """Raise DataError where this is a dataset of the other kind."""
        if kind != self.kind:
            holds, wanted = (_HOLDS[self.kind], _HOLDS[kind])
            what = f"The dataset “{self.name}” holds {holds}, not {wanted}."
            raise DataError(what, f"Choose a dataset of {kind}, or begin a new one: a dataset has one kind.")

    def look(self) -> Snapshot:
        """The manifest as it is now, parsed. Raises DiskError."""
        return snapshot.look(self.folder, self.kind)

    def clip_path(self, utterance: Utterance) -> Path:
        """Where the clip lies. Raises DataError where its path points outside the dataset folder."""
        return inside(self.folder, utterance.audio_filepath)

    def trash_path(self, utterance: Utterance) -> Path:
        """Where the clip lies while it is in the trash. Raises DataError."""
        return self.folder / "trash" / self.clip_path(utterance).relative_to(self.folder.resolve())

    def trashed(self) -> list[Example]:
        """What was thrown away and can be restored, the latest last. Raises DiskError."""
        kept = self.look().places
        return [clip for clip in self._thrown_away().values() if clip.id not in kept]  # in both: it was cut short

    def _thrown_away(self) -> dict[str, Example]:
        signature = signature_of(self.trash_list)
        found = _trash.get(self.folder)
        if found is None or found[0] != signature:
            content = lines.split_lines(lines.read_bytes(self.trash_list))
            rows = (lines.parse(line, self.kind) for line in content)
            found = signature, {row.id: row for row in rows if isinstance(row, Example)}
            _trash[self.folder] = found
            while len(_trash) > KEPT:
                _trash.popitem(last=False)
        return found[1]

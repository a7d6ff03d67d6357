"""A dataset's files, and what they hold; what is done to them is in `operations`, `writing` and `manifest`."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from studio.data.store import lines, snapshot
from studio.data.store.journal import Journal
from studio.data.store.snapshot import KEPT, Signature, Snapshot, signature_of
from studio.data.utterance import Utterance
from studio.workspace import inside

_trash: OrderedDict[Path, tuple[Signature, dict[str, Utterance]]] = OrderedDict()


class Store:
    """The folder of a dataset, looked into but not written to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = folder / "manifest.jsonl"
        self.trash_list = folder / "trash.jsonl"
        self.pending = folder / "pending"
        self.incoming = folder / "incoming"
        self.journal = Journal(folder)

    @property
    def name(self) -> str:
        return self.folder.name

    def look(self) -> Snapshot:
        """The manifest as it is now, parsed. Raises DiskError."""
        return snapshot.look(self.folder)

    def clip_path(self, utterance: Utterance) -> Path:
        """Where the clip lies. Raises DataError where its path points outside the dataset folder."""
        return inside(self.folder, utterance.audio_filepath)

    def trash_path(self, utterance: Utterance) -> Path:
        """Where the clip lies while it is in the trash. Raises DataError."""
        return self.folder / "trash" / self.clip_path(utterance).relative_to(self.folder.resolve())

    def trashed(self) -> list[Utterance]:
        """What was thrown away and can be restored, the latest last. Raises DiskError."""
        kept = self.look().places
        return [clip for clip in self._thrown_away().values() if clip.id not in kept]  # in both: it was cut short

    def _thrown_away(self) -> dict[str, Utterance]:
        signature = signature_of(self.trash_list)
        found = _trash.get(self.folder)
        if found is None or found[0] != signature:
            rows = map(lines.parse, lines.split_lines(lines.read_bytes(self.trash_list)))
            found = signature, {row.id: row for row in rows if isinstance(row, Utterance)}
            _trash[self.folder] = found
            while len(_trash) > KEPT:
                _trash.popitem(last=False)
        return found[1]

"""NeMo manifest: one JSON object a line, `{"audio_filepath", "text", "duration", "offset"}`.

Also what Speech Studio itself keeps (`manifest.jsonl`). Paths are relative to the manifest, as NeMo reads them.
https://docs.nvidia.com/nemo-framework/user-guide/latest/nemotoolkit/asr/datasets.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from studio.data.formats import fields, lists
from studio.data.formats.base import Base, Column, ImportRow, ReadOptions, Refused, Target
from studio.data.formats.clip import ExportClip
from studio.data.formats.files import place, stem
from studio.data.formats.sheets import Sheets
from studio.errors import DataError

_SUFFIXES = (".jsonl", ".json", ".ndjson")


class Nemo(Base):
    """NeMo and Speech Studio manifests; the same reader serves every list of JSON lines."""

    name, title = "nemo", "NeMo manifest"
    holds = "Keeps speaker, split, prompt, word times and every other key."
    default = "audio_filepath"  # the key that marks this format

    def recognise(self, path: Path) -> float:
        """Whether a line of the file, or of a manifest in the folder, names its sound as NeMo does."""
        found = self.manifests(path)
        first = next((lists.parse_json(line) for line in lists.sample(found[0], 1)), None) if found else None
        return 0.95 if isinstance(first, dict) and self.default in first else 0.0

    def manifests(self, path: Path) -> list[Path]:
        """The lists in `path`: itself, or those in the folder."""
        if path.is_file():
            return [path] if path.suffix.lower() in _SUFFIXES else []
        own = path / "manifest.jsonl"
        found = sorted(file for file in path.glob("*manifest*") if file.suffix.lower() in _SUFFIXES and file.is_file())
        return [own] if own.is_file() else found

    def rows(self, path: Path, reading: ReadOptions) -> Iterator[ImportRow | Refused]:
        """The rows of every list."""
        for manifest in self.manifests(path):
            split, names = reading.names.split_of(manifest, path), reading.files(manifest)
            seen: dict[tuple[str, ...], dict[str, str]] = {}  # rows may hold different keys
            for name, record in lists.json_lines(manifest):
                if isinstance(record, Refused):
                    yield record
                    continue
                keys = tuple(record)
                try:
                    meant = seen.get(keys) or seen.setdefault(keys, fields.guess(keys, _present(reading, keys)))
                except DataError as error:
                    yield Refused(name, error.what, error.remedy)
                    continue
                yield fields.to_row(name, record, meant, names, split=split)
                if len(seen) > 100:
                    seen.clear()

    def columns(self, path: Path, reading: ReadOptions) -> list[Column]:
        """The keys of the first line."""
        for manifest in self.manifests(path):
            for _, record in lists.json_lines(manifest):
                if isinstance(record, dict):
                    return fields.shown(list(record), fields.guess(list(record), reading.mapping), record)
        return []

    def write(self, clips: Iterable[ExportClip], target: Target) -> None:
        """`audio/*.wav` and one manifest for each split."""
        with Sheets(target.folder) as sheets:
            for clip in clips:
                audio = place(clip, target.folder / "audio", stem(clip))
                record = {"audio_filepath": f"audio/{audio}", **fields.record_of(clip.utterance)}
                sheets.line(f"{clip.utterance.split}_manifest.json", lists.dumps(record))


def _present(reading: ReadOptions, keys: tuple[str, ...]) -> dict[str, str]:
    """What the person chose, as far as this line has it: lines need not all have every key."""
    return {field: key for field, key in reading.mapping.items() if key in keys or not key}

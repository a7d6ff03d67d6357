"""What is wrong in a dataset folder, said in sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from studio.data import lines
from studio.data.splits import sentence
from studio.data.utterance import Utterance

if TYPE_CHECKING:
    from studio.data.manifest import Dataset


def problems(dataset: Dataset) -> list[str]:
    """Unusable lines, half lines, clips without a line, sentences on two sides. Raises DiskError."""
    content = lines.read_bytes(dataset.manifest)
    usable, found = lines.sort_out(lines.split_lines(content), dataset.folder)
    torn = bool(tail := content.rpartition(b"\n")[2]) and isinstance(lines.parse(tail), str)
    if torn:
        found[-1] = (
            "The last line of manifest.jsonl is torn, by a crash or a full disk. The next recording or edit "
            "moves it to manifest.torn.jsonl; the clip it belonged to may have to be recorded again."
        )
    return [*found, *_kept_aside(dataset.folder), *_orphans(dataset), *_on_two_sides(usable)]


def _kept_aside(folder: Path) -> Iterator[str]:
    for name in ("manifest.torn.jsonl", "trash.torn.jsonl"):
        if (folder / name).is_file():
            yield f"{name} holds half lines that a crash left. Look whether a label is in it, then delete it."


def _orphans(dataset: Dataset) -> Iterator[str]:
    """Clips that no line names, used or not; what lies in the trash or is just being saved is none."""
    every = [*dataset.lines(), *lines.split_lines(lines.read_bytes(dataset.trash_list))]
    named = {row.audio_filepath for line in every if isinstance(row := lines.parse(line), Utterance)}
    pending = {f"{note.stem}.wav" for note in dataset.pending.glob("*.json")}
    for path in sorted((dataset.folder / "clips").glob("[!.]*.wav")):
        if f"clips/{path.name}" not in named and path.name not in pending:
            yield f"clips/{path.name} has no line in manifest.jsonl. Import it with its label, or delete it."
    for name in sorted(pending):
        yield f"clips/{name} was cut short while it was saved. The next recording or edit takes it up."


def _on_two_sides(clips: list[Utterance]) -> Iterator[str]:
    """A sentence that trains and measures makes the measure too good."""
    sides: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        if clip.split != "unused":
            for key in sentence(clip):
                sides[key].add(clip.split)
    for key, splits in sides.items():
        if len(splits) > 1:
            yield f"“{key}” stands in {' and '.join(sorted(splits))}. Put its clips into one split."

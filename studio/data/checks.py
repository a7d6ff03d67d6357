"""What is wrong in a dataset folder, said in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from studio.data import word_times
from studio.data.store import lines
from studio.data.store.files import Store
from studio.data.store.snapshot import Snapshot
from studio.data.utterance import Utterance


def problems(store: Store) -> list[str]:
    """Unusable lines, half lines, clips without a line, sentences on two sides, word times that do not fit.

    Raises DiskError.
    """
    now = store.look()
    found = list(now.faults)
    if now.is_torn:
        found[-1] = (
            "The last line of manifest.jsonl is incomplete, after a crash or a full disk. The next recording or edit "
            "moves it to manifest.torn.jsonl; the clip it belonged to may have to be recorded again."
        )
    return [
        *found,
        *_kept_aside(store.folder),
        *_orphans(store, now),
        *_on_two_sides(now, lines.CLASSES[store.kind].noun),
        *_misfit_words(store.name, now),
    ]


def _kept_aside(folder: Path) -> Iterator[str]:
    for name in ("manifest.torn.jsonl", "trash.torn.jsonl"):
        if (folder / name).is_file():
            yield f"{name} holds incomplete lines from a crash. Check whether it has a label you need, then delete it."


def _orphans(store: Store, now: Snapshot) -> Iterator[str]:
    """Clips that no line names, used or not; what lies in the trash or is just being saved is none."""
    named = {row.audio_filepath for row in now.parsed if isinstance(row, Utterance)}
    pending = {f"clips/{note.stem}.wav" for note in store.pending.glob("*.json")}
    lying = {
        name for name in now.clip_files.files if name.startswith("clips/") and _is_sound(name.removeprefix("clips/"))
    }
    left = lying - named - pending
    trashed = store.trashed() if left else []
    thrown = {clip.audio_filepath for clip in trashed if isinstance(clip, Utterance)}
    for name in sorted(left - thrown):
        yield f"{name} has no line in manifest.jsonl. Import it with its label, or delete it."
    for name in sorted(pending):
        yield f"{name} was cut short while it was saved. The next recording or edit takes it up."


def _on_two_sides(now: Snapshot, noun: str) -> Iterator[str]:
    """A sentence that trains and measures makes the measure too good."""
    for key, splits in now.index().doubled().items():
        yield f"“{key}” is in {' and '.join(splits)}. Put its {noun}s into one split."


def _misfit_words(name: str, now: Snapshot) -> Iterator[str]:
    """Word times that cannot be those of their clip: whatever uses word times passes over them."""
    for clip in now.clips:
        if (
            isinstance(clip, Utterance)
            and clip.words
            and (wrong := word_times.fault(clip.words, clip.text, clip.duration))
        ):
            yield f"{clip.audio_filepath}: {wrong} Align the words again: `studio align {name}`."


def _is_sound(name: str) -> bool:
    return name[0] != "." and Path(name).suffix.lower() in {".wav", ".flac", ".mp3", ".ogg", ".opus"}

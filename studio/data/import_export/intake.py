"""Many clips at once, of which nothing is seen until all are there: an import that is cut short has not happened.

Clips and their lines wait in `incoming/<name>/`, and come into the dataset by one action of its journal.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import filelock

from studio.audio import Waveform, read, wav_bytes
from studio.audio.recording import Recording, fingerprint
from studio.data import word_times
from studio.data.splits.import_assignment import is_torn, placed
from studio.data.store import lines, operations, snapshot
from studio.data.store.files import Store
from studio.data.store.journal import JournalEntry
from studio.data.store.writing import writing
from studio.data.utterance import Origin, Split, Utterance, checked_label, clips_of
from studio.errors import DataError, StudioError
from studio.text import counted
from studio.workspace import disk_errors

FEW = 64  # files up to which each is flushed by itself; beyond, the whole system is, once: that takes a second or two
_OURS = frozenset(Utterance.model_fields) - {"created_at", "words_from"}  # what the keys of others cannot set


class Intake:
    """A block in which clips are added: `with dataset.intake("312 clips from metadata.csv") as intake`."""

    def __init__(self, store: Store, what: str) -> None:
        self.what = what  # for the history; may be set until the block ends
        self.action = ""  # its id in the history, when the block has ended
        self.moved = 0  # clips that went to another split than they were added with, since their sentence is there
        self._store = store
        self._folder = store.incoming / secrets.token_hex(4)
        self._lock = filelock.FileLock(self._folder / ".lock")
        self._first = secrets.randbits(32)  # what the ids of these clips count on from
        self._chosen = bytearray()  # of each line, whether its split was chosen here
        self._known: set[bytes] = set()  # fingerprints
        self._new: set[bytes] = set()

    def __enter__(self) -> Self:
        self._store.must_be("speech")
        with disk_errors(self._store.folder):
            self._store.folder.mkdir(parents=True, exist_ok=True)
        with writing(self._store), disk_errors(self._folder):  # who sweeps holds it too
            (self._folder / "clips").mkdir(parents=True)
            self._lock.acquire()
            self._lines: BinaryIO = (self._folder / "lines.jsonl").open("wb")
            self._seen = self._store.look()
        self._known = set(_samples(self._store, clips_of(self._seen.clips)))
        self._sides = self._seen.index().shifted((), ())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            with disk_errors(self._folder):
                self._lines.close()
            if kind is None and self._chosen:
                self._commit()
        finally:
            self._lock.release()
            shutil.rmtree(self._folder, ignore_errors=True)
            leave_no_empty_dataset(self._store)

    def __contains__(self, audio_sha256: str) -> bool:
        """Whether these samples are in the dataset, or were added already."""
        return bytes.fromhex(audio_sha256) in self._known or self.has_added(audio_sha256)

    def has_added(self, audio_sha256: str) -> bool:
        """Whether these samples were added in this block."""
        return bytes.fromhex(audio_sha256) in self._new

    def add(
        self,
        audio: bytes | Path | Recording,
        *,
        text: str | None,
        prompt: str = "",
        speaker: str = "",
        session: str = "",
        source: Origin = "import",
        split: Split | None = None,
        words: list[tuple[str, tuple[float, float]]] | None = None,
        extra: Mapping[str, Any] | None = None,
        link: Path | None = None,
    ) -> Utterance:
        """Take a recording in, as `Dataset.add` does; `extra` are keys of another program, kept as they are.

        Without `text` the clip has no label yet, and is set aside until it gets one. A `split` holds unless the
        sentence is elsewhere: then it is that of the clips that are there already, or else, of those that come
        in, what measures wins. An entry of `words` that holds several becomes one per word. `link`: the file of
        `audio`, which the clip shares where the disk can do that. Raises DataError (empty label, words that do not fit
        it, the same samples are there already), AudioError or DiskError: this clip alone is left out then.
        """
        label = "" if text is None else checked_label(text)
        recording = audio if isinstance(audio, Recording) else Recording.of(audio)
        if recording.sha256 in self:
            raise DataError("The same recording is there already.")
        spoken = word_times.one_by_one(words) if words and label else None
        others = dict(extra or {}) | ({} if spoken else {"words_from": ""})
        id = self._new_id()
        clip = lines.checked(
            Utterance,
            **{key: value for key, value in others.items() if key not in _OURS},
            id=id,
            audio_filepath=f"clips/{id}{_suffix(link) if link else '.wav'}",
            text=label,
            prompt=" ".join(prompt.split()),
            speaker=speaker.strip(),
            session=session.strip(),
            split=(split or self._sides.split_for(label, source, prompt)) if label else "unused",
            source=source,
            words=word_times.checked(spoken, label, recording.wave.duration) if spoken else None,
            **recording.fields(),
        )
        return self._stage(clip, recording.wave, link, split is None)

    def _stage(self, clip: Utterance, wave: Waveform, original: Path | None, is_chosen: bool) -> Utterance:
        path = self._folder / clip.audio_filepath
        with disk_errors(path):
            if original is None or not _linked(original, path):
                path.write_bytes(wav_bytes(wave.samples, wave.sample_rate))
            self._lines.write(clip.to_line().encode() + b"\n")
        self._chosen.append(is_chosen)
        self._new.add(bytes.fromhex(clip.audio_sha256))
        self._sides.add(clip)
        return clip

    def _new_id(self) -> str:
        """As the ids of single clips, but counted: those of a hundred thousand need not be remembered."""
        number = (self._first + len(self._chosen)) % (1 << 32)
        return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{number:08x}"

    def _commit(self) -> None:
        self._flush()
        with writing(self._store):
            rows = self._settled(self._store.look())
            paths = {clip.id: clip.audio_filepath for clip in _clips(rows)}
            entry = JournalEntry.new("add", self.what or f"{counted(len(paths), 'clip')} imported", paths)
            operations.add(self._store, entry, lambda: self._arrive(rows))
        self.action = entry.id

    def _arrive(self, rows: Path) -> None:
        folder = self._store.folder
        with disk_errors(folder):
            (folder / "clips").mkdir(exist_ok=True)
        operations.move((self._folder / clip.audio_filepath, folder / clip.audio_filepath) for clip in _clips(rows))
        snapshot.extended(folder, lines.each(rows))

    def _settled(self, now: snapshot.Snapshot) -> Path:
        """The lines that come in, each sentence on one side, whatever came into the dataset meanwhile."""
        rows, sides = self._folder / "lines.jsonl", self._sides
        if now is not self._seen:
            sides = now.index().shifted((), _clips(rows))
        if not is_torn(sides, now.index()):
            return rows
        settled = self._folder / "settled.jsonl"
        with disk_errors(settled), settled.open("wb") as stream:
            clips = placed(lambda: _clips(rows), sides, now.index())
            for before, after, is_chosen in zip(_clips(rows), clips, self._chosen, strict=True):
                self.moved += before.split != after.split and not is_chosen
                stream.write(after.to_line().encode() + b"\n")
        return settled

    def _flush(self) -> None:
        """Make the sounds durable, which were written without waiting for the disk. Raises DiskError."""
        if len(self._chosen) > FEW and hasattr(os, "sync"):
            os.sync()
            return
        for clip in _clips(self._folder / "lines.jsonl"):
            path = self._folder / clip.audio_filepath
            with disk_errors(path), path.open("rb+" if os.name == "nt" else "rb") as stream:
                os.fsync(stream.fileno())


def leave_no_empty_dataset(store: Store) -> None:
    """Remove a folder in which nothing was begun: a dataset begins with its first line, which did not come in."""
    held = {path.name for path in store.folder.iterdir()}
    if held <= {".lock", store.incoming.name}:
        with suppress(OSError):  # another import is going on in it
            store.incoming.rmdir()
            (store.folder / ".lock").unlink()
            store.folder.rmdir()


def _clips(rows: Path) -> Iterator[Utterance]:
    """The clips of lines that were written here, one in memory at a time."""
    return map(Utterance.model_validate_json, lines.each(rows))


def _samples(store: Store, clips: list[Utterance]) -> Iterator[bytes]:
    """The fingerprints of `clips`; a manifest of another program has none yet, so its clips are read."""
    for clip in clips:
        try:
            yield bytes.fromhex(clip.audio_sha256 or fingerprint(read(store.clip_path(clip))))
        except (StudioError, ValueError):
            continue  # `problems` speaks of it


def _suffix(sound: Path) -> str:
    """What a linked file is called at its end: of odd names nothing stays."""
    kind = sound.suffix.lower()
    return kind if re.fullmatch(r"\.[a-z0-9]{2,5}", kind) else ".wav"


def _linked(original: Path, path: Path) -> bool:
    try:
        path.hardlink_to(original.resolve())
    except OSError:
        path.unlink(missing_ok=True)
        return False  # another disk, or one that cannot
    return True

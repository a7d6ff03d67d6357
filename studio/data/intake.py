"""Many clips at once, of which nothing is seen until all are there: an import that is cut short has not happened.

Clips and their lines wait in `incoming/<name>/`, and come into the dataset by one action of its journal.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import filelock

from studio.audio import Waveform, read, wav_bytes
from studio.data import deeds, lines, quality, snapshot
from studio.data.grouping import Sides
from studio.data.journal import Entry
from studio.data.store import Store
from studio.data.utterance import Origin, Split, Utterance, checked_label
from studio.data.writing import writing
from studio.errors import DataError, StudioError
from studio.workspace import disk_errors

FEW = 64  # files up to which each is flushed by itself; beyond, the whole system is, once: that takes a second or two
_OURS = frozenset(Utterance.model_fields) - {"created_at"}  # what the keys of another program cannot set


class Intake:
    """A block in which clips are added: `with dataset.intake("312 clips from metadata.csv") as intake`."""

    def __init__(self, store: Store, what: str) -> None:
        self.what = what  # for the history; may be set until the block ends
        self._store = store
        self._folder = store.incoming / secrets.token_hex(4)
        self._lock = filelock.FileLock(self._folder / ".lock")
        self._paths: dict[str, str] = {}  # id -> audio_filepath
        self._chosen = bytearray()  # of each line, whether its split was chosen here
        self._samples: set[str] = set()
        self._sides: Sides | None = None

    def __enter__(self) -> Self:
        with writing(self._store), disk_errors(self._folder):  # who sweeps holds it too
            (self._folder / "clips").mkdir(parents=True)
            self._lock.acquire()
            self._lines: BinaryIO = (self._folder / "lines.jsonl").open("wb")
            self._seen = self._store.look()
        self._samples = set(_samples(self._store, self._seen.clips))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            with disk_errors(self._folder):
                self._lines.close()
            if kind is None and self._paths:
                self._commit()
        finally:
            self._lock.release()
            shutil.rmtree(self._folder, ignore_errors=True)

    def __contains__(self, audio_sha256: object) -> bool:
        """Whether these samples are in the dataset, or were added already."""
        return audio_sha256 in self._samples

    def add(
        self,
        audio: bytes | Path | Waveform,
        *,
        text: str,
        prompt: str = "",
        speaker: str = "",
        session: str = "",
        source: Origin = "import",
        split: Split | None = None,
        words: list[tuple[str, tuple[float, float]]] | None = None,
        extra: Mapping[str, Any] | None = None,
        link: bool = False,
    ) -> Utterance:
        """Take a recording in, as `Dataset.add` does; `extra` are keys of another program, kept as they are.

        `link`: the clip shares its file with `audio` where the disk can do that. Raises DataError (empty label, the
        same samples are there already), AudioError or DiskError: this clip alone is left out then.
        """
        sound = wav_bytes(audio.samples, audio.sample_rate) if isinstance(audio, Waveform) else audio
        label = checked_label(text)
        quality.checked_recording(sound)
        wave = read(sound)
        samples = quality.fingerprint(wave)
        if samples in self:
            raise DataError("The same recording is there already.")
        id = self._new_id()
        clip = lines.checked(
            **{key: value for key, value in (extra or {}).items() if key not in _OURS},
            id=id,
            audio_filepath=f"clips/{id}{sound.suffix.lower() if link and isinstance(sound, Path) else '.wav'}",
            text=label,
            duration=round(wave.duration, 4),
            prompt=" ".join(prompt.split()),
            speaker=speaker.strip(),
            session=session.strip(),
            split=split or self._side(label, source, prompt),
            source=source,
            words=words,
            quality=quality.remembered(wave),
            audio_sha256=samples,
        )
        return self._stage(clip, wave, sound if link and isinstance(sound, Path) else None, split is None)

    def _side(self, label: str, source: Origin, prompt: str) -> Split:
        self._sides = self._sides or self._seen.index().shifted((), ())
        return self._sides.split_for(label, source, prompt)

    def _stage(self, clip: Utterance, wave: Waveform, original: Path | None, is_chosen: bool) -> Utterance:
        path = self._folder / clip.audio_filepath
        with disk_errors(path):
            if original is None or not _linked(original, path):
                path.write_bytes(wav_bytes(wave.samples, wave.sample_rate))
            self._lines.write(clip.to_line().encode() + b"\n")
        self._paths[clip.id] = clip.audio_filepath
        self._chosen.append(is_chosen)
        self._samples.add(clip.audio_sha256)
        if self._sides:
            self._sides.add(clip)
        return clip

    def _new_id(self) -> str:
        while True:
            id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
            if id not in self._paths and self._seen.get(id) is None:
                return id

    def _commit(self) -> None:
        _flush([self._folder / name for name in self._paths.values()])
        with writing(self._store):
            content = lines.read_bytes(self._folder / "lines.jsonl")
            now = self._store.look()
            if now is not self._seen and any(self._chosen):
                content = self._chosen_anew(content, now)
            what = self.what or f"{len(self._paths):,} clips imported"
            deeds.add(self._store, Entry.new("add", what, self._paths), lambda: self._arrive(content))

    def _arrive(self, content: bytes) -> None:
        folder = self._store.folder
        deeds.move((self._folder / name, folder / name) for name in self._paths.values())
        snapshot.extended(folder, content)

    def _chosen_anew(self, content: bytes, now: snapshot.Snapshot) -> bytes:
        """The lines, with splits that agree with what came into the dataset meanwhile."""
        sides = now.index().shifted((), ())
        rows: list[str] = []
        for line, is_chosen in zip(lines.split_lines(content), self._chosen, strict=True):
            clip = Utterance.model_validate_json(line)
            if is_chosen:
                split = sides.split_for(clip.text, clip.source, clip.prompt)
                clip = lines.checked(**clip.model_dump() | {"split": split})
            sides.add(clip)
            rows.append(clip.to_line() + "\n")
        return "".join(rows).encode()


def _samples(store: Store, clips: list[Utterance]) -> Iterator[str]:
    """The fingerprints of `clips`; a manifest of another program has none yet, so its clips are read."""
    for clip in clips:
        try:
            yield clip.audio_sha256 or quality.fingerprint(read(store.clip_path(clip)))
        except StudioError:
            continue  # `problems` speaks of it


def _linked(original: Path, path: Path) -> bool:
    try:
        path.hardlink_to(original.resolve())
    except OSError:
        path.unlink(missing_ok=True)
        return False  # another disk, or one that cannot
    return True


def _flush(paths: list[Path]) -> None:
    """Make files durable that were written without waiting for the disk. Raises DiskError."""
    if len(paths) > FEW and hasattr(os, "sync"):
        os.sync()
        return
    for path in paths:
        with disk_errors(path), path.open("rb+" if os.name == "nt" else "rb") as stream:
            os.fsync(stream.fileno())

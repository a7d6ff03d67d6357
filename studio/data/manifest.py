"""A dataset on disk: `manifest.jsonl`, one utterance a line, and the clips it names.

    recordings/<dataset>/
        manifest.jsonl          appended durably, edited by atomic rewrite under a lock
        clips/<id>.wav          mono, 16 bits, at the rate of the device
        prompts.txt             see studio.data.prompts
        pending/<id>.json       the line of a clip being saved; the next write takes up what a crash left
        trash.jsonl, trash/     what was thrown away and can be restored
        manifest.torn.jsonl     half lines that a crash left, kept aside

Nothing is ever silently dropped: a line that cannot be used stays where it is, and `problems()` says why.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock
from pydantic import ValidationError

from studio.audio import Waveform, read, write_wav
from studio.data import lines, quality
from studio.data.splits import sentence, split_after_edit, split_for
from studio.data.utterance import Origin, Split, Utterance, checked_label
from studio.errors import DataError, DiskError, StudioError
from studio.workspace import append_durably, disk_errors, inside, sync_folder, write_atomically

__all__ = ["Dataset", "Utterance"]

LOCK_SECONDS = 30.0  # a writer holds the lock for some milliseconds
EDITABLE = frozenset({"text", "prompt", "speaker", "split", "words", "quality"})


class Dataset:
    """The clips and labels in one folder. Several processes may read and write it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = folder / "manifest.jsonl"
        self.trash_list = folder / "trash.jsonl"
        self.pending = folder / "pending"

    @classmethod
    def create(cls, folder: Path) -> Dataset:
        """The dataset in `folder`, begun where there is none yet. Raises DiskError."""
        dataset = cls(folder)
        with disk_errors(folder):
            (folder / "clips").mkdir(parents=True, exist_ok=True)
            dataset.manifest.touch()
        return dataset

    @classmethod
    def open(cls, folder: Path) -> Dataset:
        """The dataset in `folder`. Raises DataError where there is none."""
        dataset = cls(folder)
        if not dataset.manifest.is_file():
            raise DataError(f"There is no dataset in {folder}.", "Record or import clips, or check the name.")
        return dataset

    @property
    def name(self) -> str:
        return self.folder.name

    def utterances(self) -> list[Utterance]:
        """Every clip that can be used, in the order of the manifest. Raises DiskError."""
        return lines.sort_out(self.lines(), self.folder)[0]

    def lines(self) -> list[bytes]:
        """The raw lines of the manifest. Raises DiskError."""
        return lines.split_lines(lines.read_bytes(self.manifest))

    def get(self, id: str) -> Utterance:
        """The clip `id`. Raises DataError."""
        return self._found(self.utterances(), [id])[0]

    def problems(self) -> list[str]:
        """What is wrong in this folder, each a sentence with what to do; none in a sound dataset."""
        from studio.data.checks import problems

        return problems(self)

    def clip_path(self, utterance: Utterance) -> Path:
        """Where the clip lies. Raises DataError where its path points outside the dataset folder."""
        return inside(self.folder, utterance.audio_filepath)

    def seconds(self) -> float:
        """Seconds of audio in all."""
        return sum(clip.duration for clip in self.utterances())

    def counts(self) -> dict[Split, int]:
        """Clips in each split."""
        counted = Counter(clip.split for clip in self.utterances())
        return {split: counted[split] for split in ("train", "validation", "test", "unused")}

    def trashed(self) -> list[Utterance]:
        """What was thrown away and can be restored, the latest last."""
        kept = {clip.id for clip in self.utterances()}
        rows = map(lines.parse, lines.split_lines(lines.read_bytes(self.trash_list)))
        gone = {row.id: row for row in rows if isinstance(row, Utterance)}
        return [clip for clip in gone.values() if clip.id not in kept]  # in both: trashing was cut short

    def add(
        self,
        audio: bytes | Path,
        *,
        text: str,
        prompt: str = "",
        speaker: str = "",
        source: Origin = "microphone",
        split: Split | None = None,
    ) -> Utterance:
        """Save a recording and its label; when this returns, both survive a power cut.

        The clip keeps the device's own rate, as mono 16-bit WAV. Without `split`, `split_for` chooses one.
        Raises DataError (empty label), AudioError (no recording that can be used) or DiskError; nothing is
        then left behind, and `audio` is as it was.
        """
        label = checked_label(text)
        info = quality.checked_recording(audio)
        wave = read(audio)
        with self._writing():
            id = _new_id()
            clip = _checked(
                id=id,
                audio_filepath=f"clips/{id}.wav",
                text=label,
                duration=round(wave.duration, 4),
                prompt=" ".join(prompt.split()),
                speaker=speaker.strip(),
                split=split or split_for(label, self.utterances(), source, prompt=prompt),
                source=source,
                created_at=datetime.now(UTC).isoformat(timespec="seconds"),
                quality=quality.card(info),
                audio_sha256=quality.fingerprint(wave),
            )
            self._save(clip, wave)
        return clip

    def edit(self, id: str, /, **changes: Any) -> Utterance:
        """Change the `EDITABLE` fields of a clip. Raises DataError or DiskError.

        A new label that is a sentence of another split takes the clip there: no sentence stands on two sides.
        """
        if unknown := changes.keys() - EDITABLE:
            fields = ", ".join(sorted(unknown))
            raise DataError(f"The {fields} of a clip cannot be changed.", "Record it again.")
        if "text" in changes:
            changes["text"] = checked_label(changes["text"])
        return self._change({id: changes})[0]

    def assign(self, splits: Mapping[str, Split]) -> list[Utterance]:
        """Put clips, by id, into splits, all in one write. Raises DataError or DiskError."""
        return self._change({id: {"split": split} for id, split in splits.items()})

    def trash(self, ids: Iterable[str]) -> list[Utterance]:
        """Take clips out of the dataset; `restore` brings them back. Raises DataError or DiskError."""
        with self._writing():
            clips = self.utterances()
            gone = self._found(clips, ids)
            if gone:
                append_durably(self.trash_list, _joined(gone))
                self._rewrite({clip.id: None for clip in gone})
            names = {clip.id for clip in gone}
            still_used = {clip.audio_filepath for clip in clips if clip.id not in names}
            free = [clip for clip in gone if clip.audio_filepath not in still_used]
            _move([(self.clip_path(clip), self._trash_path(clip)) for clip in free])
        return gone

    def restore(self, ids: Iterable[str]) -> list[Utterance]:
        """Bring clips back from the trash. Raises DataError or DiskError."""
        with self._writing():
            trashed = self.trashed()
            back = self._found(trashed, ids)
            moves = [(self._trash_path(clip), self.clip_path(clip)) for clip in back]
            _move([(source, target) for source, target in moves if not target.exists()])
            if back:
                append_durably(self.manifest, _joined(back))
                names = {clip.id for clip in back}
                left = [clip for clip in trashed if clip.id not in names]
                write_atomically(self.trash_list, _joined(left) + "\n" if left else "")
        return back

    def _found(self, clips: Iterable[Utterance], ids: Iterable[str]) -> list[Utterance]:
        by_id = {clip.id: clip for clip in clips}
        wanted = list(dict.fromkeys(ids))
        if missing := [id for id in wanted if id not in by_id]:
            what = f"There is no clip “{missing[0][:80]}” in {self.name}."
            raise DataError(what, "Reload the list of clips.")
        return [by_id[id] for id in wanted]

    def _trash_path(self, clip: Utterance) -> Path:
        return self.folder / "trash" / self.clip_path(clip).relative_to(self.folder.resolve())

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the dataset's lock, with what the last crash left put in order first."""
        lock = filelock.FileLock(self.folder / ".lock", timeout=LOCK_SECONDS)
        with disk_errors(self.folder):
            try:
                lock.acquire()
            except filelock.Timeout:
                raise DiskError(
                    f"Another program has been writing to {self.folder} for {LOCK_SECONDS:.0f} s.",
                    "Wait until it is done, or end it, and try again; nothing was lost.",
                ) from None
        try:
            self._put_torn_line_aside(self.manifest)
            self._put_torn_line_aside(self.trash_list)
            self._take_up_pending()
            yield
        finally:
            lock.release()

    def _save(self, clip: Utterance, wave: Waveform) -> None:
        """Write a note, the clip, its line: `_take_up_pending` ends what a crash cuts short."""
        path, note = self.clip_path(clip), self.pending / f"{clip.id}.json"
        try:
            write_atomically(note, clip.to_line())
            write_wav(path, wave.samples, wave.sample_rate)
            append_durably(self.manifest, clip.to_line())
        except StudioError:
            path.unlink(missing_ok=True)
            note.unlink(missing_ok=True)
            raise
        note.unlink()

    def _take_up_pending(self) -> None:
        """Give each clip that was saved whole its line; sweep up what was not."""
        for note in sorted(self.pending.glob("*.json")):
            clip = lines.parse(note.read_bytes())
            if isinstance(clip, Utterance) and clip.audio_filepath == f"clips/{note.stem}.wav":
                for scrap in (self.folder / "clips").glob(f".{note.stem}.wav.*"):
                    scrap.unlink()
                known = {other.id for other in self.utterances()}
                if clip.id not in known and self.clip_path(clip).is_file():
                    append_durably(self.manifest, clip.to_line())
            note.unlink()

    def _put_torn_line_aside(self, path: Path) -> None:
        """Move a half last line to `<name>.torn.jsonl`; give a whole one the newline that it lacks."""
        before, newline, tail = lines.read_bytes(path).rpartition(b"\n")
        if not tail:
            return
        if isinstance(lines.parse(tail), str):
            append_durably(path.with_suffix(".torn.jsonl"), tail.decode("utf-8", "backslashreplace"))
            write_atomically(path, before + newline)
        else:
            append_durably(path, "")

    def _change(self, changes: Mapping[str, Mapping[str, Any]]) -> list[Utterance]:
        with self._writing():
            clips = self.utterances()
            changed = [_changed(clip, changes[clip.id], clips) for clip in self._found(clips, changes)]
            self._rewrite({clip.id: clip for clip in changed})
        return changed

    def _rewrite(self, new: Mapping[str, Utterance | None]) -> None:
        """Replace lines by id (None removes); every other line stays as it was, byte for byte."""
        waiting = dict(new)
        kept: list[bytes] = []
        for line in self.lines():
            clip = lines.parse(line)
            if isinstance(clip, Utterance) and clip.id in waiting:
                replacement = waiting.pop(clip.id)
                kept += [replacement.to_line().encode()] if replacement else []
            else:
                kept.append(line)
        write_atomically(self.manifest, b"".join(line + b"\n" for line in kept))


def _joined(clips: Iterable[Utterance]) -> str:
    return "\n".join(clip.to_line() for clip in clips)


def _checked(**fields: Any) -> Utterance:
    try:
        return Utterance(**fields)
    except ValidationError as error:
        what = f"The clip was not saved: {lines.first_fault(error)}."
        raise DataError(what, "Correct it and save again.") from error


def _changed(clip: Utterance, changes: Mapping[str, Any], clips: Iterable[Utterance]) -> Utterance:
    new = _checked(**{**clip.model_dump(), **changes})
    if "split" in changes or sentence(new) == sentence(clip):
        return new
    return _checked(**{**new.model_dump(), "split": split_after_edit(new, clips)})


def _move(pairs: Iterable[tuple[Path, Path]]) -> None:
    """Rename each source to its target, durably. Raises DiskError."""
    folders: set[Path] = set()
    for source, target in pairs:
        with disk_errors(source, "move"):
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
        folders |= {source.parent, target.parent}
    for folder in folders:  # once for all: a thousand clips are thrown away in the time of one
        sync_folder(folder)


def _new_id() -> str:
    """Unique, and sorted by time: `20260131-142501-9f3a2c1b`."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"

"""A dataset on disk: `manifest.jsonl`, one clip a line and the sounds it names, or one typing pair a line.

    recordings/<dataset>/
        dataset.json            {"kind": "typing"} where it holds typing pairs; without it, it holds recorded clips
        manifest.jsonl          appended durably, edited by atomic rewrite under a lock
        journal.jsonl           what was done, so that it can be undone: see studio.data.store.journal
        clips/<id>.wav          mono, 16 bits, at the rate of the device
        originals/              recordings that were trimmed or replaced
        prompts.txt, own.txt    see studio.data.prompts
        pending/<id>.json       the line of a clip being saved; the next write takes up what a crash left
        incoming/<name>/        clips being imported: see studio.data.import_export.intake
        trash.jsonl, trash/     what was thrown away and can be restored
        manifest.torn.jsonl     half lines that a crash left, kept aside

Nothing is ever silently dropped: a line that cannot be used stays where it is, and `problems()` says why.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.audio import Waveform, write_wav
from studio.audio.recording import Recording
from studio.config import Kind
from studio.data import checks
from studio.data.import_export.intake import Intake
from studio.data.pair import Pair, checked_meant, checked_typed
from studio.data.store import changes as changing
from studio.data.store import conflicts, lines, operations, snapshot
from studio.data.store.files import Store
from studio.data.store.journal import Action
from studio.data.store.snapshot import many_objects
from studio.data.store.writing import writing
from studio.data.utterance import Example, Origin, Split, Utterance, checked_label, clips_of
from studio.data.view.query import Selection
from studio.data.view.table import Table
from studio.errors import ConflictError, DataError, StudioError
from studio.text import counted
from studio.workspace import append_durably, check_plain, disk_errors, write_atomically

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Dataset", "Example", "Pair", "Utterance"]

Remade = Callable[[Utterance], tuple[Utterance, Waveform]]


class Dataset(Store):
    """The clips and labels, or the typing pairs, in one folder. Several processes may read and write it at once."""

    @classmethod
    def create(cls, folder: Path, kind: Kind | None = None) -> Dataset:
        """The dataset in `folder`, begun where there is none yet: of `kind`, of speech where none is given.

        Raises DataError where there is one of another kind, DiskError.
        """
        dataset = cls(folder)
        with disk_errors(folder):
            check_plain(dataset.manifest)
            if kind == "typing" and not dataset.manifest.exists():
                write_atomically(dataset.kind_file, json.dumps({"kind": kind}) + "\n")
            if kind is not None:
                dataset.must_be(kind)
            if dataset.kind == "speech":
                (folder / "clips").mkdir(parents=True, exist_ok=True)
            dataset.manifest.touch()
        return dataset

    @classmethod
    def open(cls, folder: Path) -> Dataset:
        """The dataset in `folder`. Raises DataError where there is none, DiskError where it cannot be read."""
        dataset = cls(folder)
        check_plain(dataset.manifest)
        if not dataset.manifest.is_file():
            raise DataError(
                f"There is no dataset “{folder.name}” in {folder.parent}.", "Record or import clips, or check the name."
            )
        return dataset

    def examples(self) -> list[Example]:
        """Every clip or pair that can be used, in the order of the manifest. Raises DiskError."""
        return self.look().clips.copy()

    def utterances(self) -> list[Utterance]:
        """Every clip, in the order of the manifest. Raises DataError in a dataset of typing, DiskError."""
        self.must_be("speech")
        return clips_of(self.look().clips)

    def pairs(self) -> list[Pair]:
        """Every pair, in the order of the manifest. Raises DataError in a dataset of speech, DiskError."""
        self.must_be("typing")
        return [pair for pair in self.look().clips if isinstance(pair, Pair)]

    def in_splits(self, *splits: Split) -> list[Example]:
        """The clips or pairs of `splits`, in the order of the manifest. Raises DiskError."""
        return [clip for clip in self.look().clips if clip.split in splits]

    def select(self, selection: Selection) -> list[Example]:
        """The clips that `selection` means now, in the order of the manifest. Raises as `resolve`, and DiskError."""
        if selection.query == "":
            return self.examples()
        ids = set(self.resolve(selection))
        return [clip for clip in self.look().clips if clip.id in ids]

    def select_clips(self, selection: Selection) -> list[Utterance]:
        """As `select`. Raises DataError where the dataset holds pairs."""
        self.must_be("speech")
        return clips_of(self.select(selection))

    def get(self, id: str) -> Example:
        """The clip or pair `id`. Raises DataError."""
        return self._found([id])[0]

    def clip(self, id: str) -> Utterance:
        """The clip `id`. Raises DataError, also where the dataset holds pairs."""
        self.must_be("speech")
        return clips_of(self._found([id]))[0]

    def get_trashed(self, id: str) -> Example:
        """The clip `id`, which is in the trash. Raises DataError."""
        if found := next((clip for clip in self.trashed() if clip.id == id), None):
            return found
        raise DataError(f"There is no clip “{id[:80]}” in the trash of {self.name}.", "Reload the list of clips.")

    def resolve(self, selection: Selection) -> list[str]:
        """The ids that `selection` means now. Raises DataError; ConflictError where other clips match than it says."""
        if selection.query is None:
            return [clip.id for clip in self._found(selection.ids or [])]
        ids = Table.of(self).ids(selection.query)
        if selection.expected not in (None, len(ids)):
            what = f"{counted(len(ids), 'clip matches', 'clips match')} now, not {selection.expected:,}."
            raise ConflictError(what, "Look at the list again, then repeat what you were about to do.")
        return ids

    def problems(self) -> list[str]:
        """What is wrong in this folder, each a sentence with what to do; none in a sound dataset."""
        return checks.problems(self)

    def seconds(self) -> float:
        """Seconds of audio in all."""
        return sum(clip.duration for clip in self.look().clips)

    def counts(self) -> dict[Split, int]:
        """Clips in each split."""
        counted = Counter(clip.split for clip in self.look().clips)
        return {split: counted[split] for split in ("train", "validation", "test", "unused")}

    def to_pandas(self) -> DataFrame:
        """A row a clip: label, split, speaker, seconds, quality, what a model wrote. Raises DiskError."""
        from studio.data.view.frame import clips_frame

        return clips_frame(self)

    def add(
        self,
        audio: bytes | Path | Recording,
        *,
        text: str | None,
        prompt: str = "",
        speaker: str = "",
        source: Origin = "microphone",
        split: Split | None = None,
    ) -> Utterance:
        """Save a recording and its label; when this returns, both survive a power cut.

        The clip keeps the device's own rate, as mono 16-bit WAV. Without `split`, `split_for` chooses one. Without
        `text` the clip is unreviewed: it neither trains nor measures until it gets its label.
        Raises DataError (empty label), AudioError (no recording that can be used) or DiskError; nothing is
        then left behind, and `audio` is as it was.
        """
        self.must_be("speech")
        label = "" if text is None else checked_label(text)
        recording = audio if isinstance(audio, Recording) else Recording.of(audio)
        sound = recording.fields()  # measured before the lock: others save meanwhile
        with writing(self):
            now = self.look()
            id, at = _new_id(), datetime.now(UTC)
            clip = lines.checked(
                Utterance,
                id=id,
                audio_filepath=f"clips/{id}.wav",
                text=label,
                prompt=" ".join(prompt.split()),
                speaker=speaker.strip(),
                session=at.isoformat(timespec="hours")[:13],
                split=(split or now.index().split_for(label, source, prompt)) if label else "unused",
                source=source,
                created_at=at.isoformat(timespec="seconds"),
                **sound,
            )
            self._save(clip, recording.wave)
            snapshot.appended(self.folder, now, clip)
        return clip

    def add_pair(
        self,
        typed: str,
        text: str,
        *,
        prompt: str = "",
        speaker: str = "",
        source: Origin = "keyboard",
        split: Split | None = None,
        duration: float = 0.0,
        key_times: list[float] | None = None,
        backspaces: int = 0,
    ) -> Pair:
        """Save what was typed and what was meant; when this returns, the pair survives a power cut.

        `duration` is the seconds from the first key to the last, 0 where that is not known. Without `split`,
        `split_for` chooses one. Raises DataError (an empty or far too long side, a dataset of speech) or DiskError.
        """
        self.must_be("typing")
        sides = {"typed": checked_typed(typed), "text": checked_meant(text)}
        with writing(self):
            now, at = self.look(), datetime.now(UTC)
            pair = lines.checked(
                Pair,
                **sides,
                id=_new_id(),
                prompt=" ".join(prompt.split()),
                speaker=speaker.strip(),
                session=at.isoformat(timespec="hours")[:13],
                split=split or now.index().split_for(sides["text"], source, prompt),
                source=source,
                created_at=at.isoformat(timespec="seconds"),
                duration=round(duration, 3),
                key_times=key_times,
                backspaces=backspaces,
            )
            append_durably(self.manifest, pair.to_line())
            snapshot.appended(self.folder, now, pair)
        return pair

    def intake(self, what: str = "") -> Intake:
        """A block in which many clips are added, of which nothing is seen until it ends; `what` is for the history."""
        return Intake(self, what)

    def edit(self, id: str, /, was: Mapping[str, Any] | None = None, **changes: Any) -> Example:
        """Change the `editable` fields of a clip or pair. Raises DataError or DiskError.

        `was` holds fields as the person saw them: ConflictError, which carries the clip as it is now, where it was
        changed meanwhile. A new label that is a sentence of another split takes the clip there: no sentence is
        on two sides.
        """
        return self.change({id: changes}, was={id: was} if was is not None else None)[0]

    def change(
        self,
        changes: Mapping[str, Mapping[str, Any]],
        what: str = "",
        was: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> list[Example]:
        """Change clips, by id, as `edit` does: all in one atomic write, and one action of the history.

        Raises DataError, ConflictError or DiskError, and then nothing has changed.
        """
        wanted = {id: changing.checked(fields, self.kind) for id, fields in changes.items()}
        with writing(self), many_objects():
            old = self._found(wanted)
            for clip in old:
                conflicts.seen(clip, (was or {}).get(clip.id, {}), wanted[clip.id])
            new, sides = changing.changed(self.look(), old, wanted)
            operations.edit(self, what or changing.described(old, new, wanted), new, sides)
        return new

    def assign(self, splits: Mapping[str, Split], what: str = "") -> list[Example]:
        """Put clips, by id, into splits, all in one write. Raises DataError or DiskError."""
        return self.change({id: {"split": split} for id, split in splits.items()}, what)

    def replace_audio(self, id: str, wave: Waveform, what: str = "") -> Utterance:
        """Give the clip `id` another sound, under a new file name; the old one stays in `originals/`.

        Raises DataError, AudioError (no recording that can be kept) or DiskError.
        """
        described = what or f"New recording of “{self.get(id).text}”"
        return self.remake(
            [id], lambda clip: (clip.model_copy(update={"words": None, "words_from": ""}), wave), described
        )[0]

    def remake(self, ids: Iterable[str], remade: Remade, what: str) -> list[Utterance]:
        """Give clips other sounds, all in one action; the old ones stay in `originals/`.

        `remade(clip)` is the clip with what else changes in it, and its new sound; it is asked twice, so that the
        sounds of a whole dataset never lie in memory. Raises DataError, AudioError (no recording that can be kept)
        or DiskError.
        """
        with writing(self):
            self.must_be("speech")
            old = {clip.id: clip for clip in clips_of(self._found(ids))}
            new = [changing.with_sound(*remade(clip)) for clip in old.values()]
            if new:
                operations.edit(self, what, new, None, lambda id: remade(old[id])[1])
        return new

    def trash(self, ids: Iterable[str]) -> list[Example]:
        """Take clips out of the dataset; `restore` brings them back. Raises DataError or DiskError."""
        with writing(self):
            if gone := self._found(ids):
                operations.trash(self, f"{changing.in_words(gone)} deleted", [clip.id for clip in gone])
        return gone

    def restore(self, ids: Iterable[str]) -> list[Example]:
        """Bring clips back from the trash. Raises DataError or DiskError."""
        with writing(self):
            trashed = {clip.id: clip for clip in self.trashed()}
            if back := [trashed[id] if id in trashed else self._missing(id) for id in dict.fromkeys(ids)]:
                operations.restore(self, f"{changing.in_words(back)} brought back", back)
        return back

    def undo(self, id: str | None = None) -> Action | None:
        """Undo the latest action that is not undone, or the action `id`; None where there is none.

        Raises ConflictError, naming the clip, where something was changed since; DataError; DiskError.
        """
        with writing(self), many_objects():
            return operations.undo(self, id)

    def redo(self) -> Action | None:
        """Do again what was undone last; None where something new was done since. Raises ConflictError, DiskError."""
        with writing(self), many_objects():
            return operations.redo(self)

    def history(self, limit: int = 50) -> list[Action]:
        """What was done, the latest first. Raises DiskError."""
        return operations.history(self)[:limit]

    def _found(self, ids: Iterable[str]) -> list[Example]:
        now = self.look()
        return [now.get(id) or self._missing(id) for id in dict.fromkeys(ids)]

    def _missing(self, id: str) -> Example:
        if thrown := next((clip for clip in self.trashed() if clip.id == id), None):
            raise DataError(f"“{thrown.text}” is in the trash.", "Bring it back first, or reload the list of clips.")
        noun = lines.CLASSES[self.kind].noun
        raise DataError(f"There is no {noun} “{id[:80]}” in {self.name}.", f"Reload the list of {noun}s.")

    def _save(self, clip: Utterance, wave: Waveform) -> None:
        """Write a note, the clip, its line: `studio.data.store.writing` ends what a crash cuts short."""
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


def _new_id() -> str:
    """Unique, and sorted by time: `20260131-142501-9f3a2c1b`."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"

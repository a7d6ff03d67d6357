"""What is done to a dataset, undone and done again: a line in the journal, then one atomic write of the manifest.

Files move so that every line of the manifest has its sound at every moment: a sound comes before its line, and leaves
after it. `settle` ends what a crash cut short. Every function here is called by one who holds the dataset's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from studio.audio import Waveform, write_wav
from studio.data.splits.grouping import SplitIndex
from studio.data.store import lines, snapshot
from studio.data.store.changes import stands_elsewhere
from studio.data.store.conflicts import check, happened
from studio.data.store.files import Store
from studio.data.store.journal import Action, JournalEntry, redo_line, undo_line
from studio.data.store.snapshot import Signature, Snapshot, signature_of
from studio.data.utterance import Example, Utterance, clips_of
from studio.errors import ConflictError, DataError, StudioError
from studio.workspace import append_durably, disk_errors, sync_folder, write_atomically

_settled: dict[Path, Signature] = {}  # folder -> the journal whose last line is known to have happened, or not


def edit(
    store: Store,
    what: str,
    new: Sequence[Example],
    sides: SplitIndex | None,
    sound: Callable[[str], Waveform] | None = None,
) -> None:
    """Replace the lines of the clips `new`, by id; `sound(id)` is the sound of a clip that gets another one.

    Quality is measured, not decided: a change of it alone is not an action that could be undone. Raises DiskError.
    """
    old = store.look()
    rows = {clip.id: changed for clip in new if any(changed := _difference(old.clips[old.places[clip.id]], clip))}
    made = {clip.id: clip for clip in new if clip.id in rows}
    if rows and all(after.keys() == {"quality"} for _, after in rows.values()):
        snapshot.edited(store.folder, old, made, old.sides)
    elif rows:
        entry = JournalEntry.new("edit", what, rows)
        _write_down(store, entry, entry.line, lambda: _edit(store, entry, made, sides, sound))


def trash(store: Store, what: str, ids: Iterable[str]) -> None:
    """Take the clips `ids` out of the manifest, and their sounds into the trash. Raises DiskError."""
    old = store.look()
    places = sorted(old.places[id] for id in ids)
    rows = {old.clips[place].id: old.clips[place - 1].id if place else "" for place in places}
    _do(store, JournalEntry.new("trash", what, rows))


def restore(store: Store, what: str, clips: Iterable[Example]) -> None:
    """Bring `clips` back from the trash, to the end of the manifest. Raises DiskError."""
    rows = {clip.id: clip.audio_filepath if isinstance(clip, Utterance) else "" for clip in clips}
    _do(store, JournalEntry.new("restore", what, rows))


def undo(store: Store, id: str | None) -> Action | None:
    """Undo the action `id`, or the latest that is not undone. Raises ConflictError, DataError or DiskError."""
    log = store.journal.read()
    gone = set(log.undone)
    entry = (
        log.entries.get(id)
        if id
        else next(
            (each for each in reversed(log.entries.values()) if each.id not in gone and not _is_lost(store, each)), None
        )
    )
    if id and entry is None:
        raise DataError("This action is too long ago to be undone.", "Change the clips again by hand.")
    if entry is None:
        return None
    if entry.id in gone:
        raise ConflictError(f"“{entry.what}” was undone already.", "Reload the history.")
    return _turn(store, entry, False)


def _is_lost(store: Store, entry: JournalEntry) -> bool:
    """Whether it threw clips away that have left the trash for good since: then it cannot be undone any more."""
    if entry.kind != "trash":
        return False
    kept = store.look().places.keys() | {clip.id for clip in store.trashed()}
    return not entry.rows.keys() <= kept


def redo(store: Store) -> Action | None:
    """Do again what was undone last, unless something new was done since. Raises ConflictError or DiskError."""
    log = store.journal.read()
    return _turn(store, log.entries[log.can_redo[-1]], True) if log.can_redo else None


def history(store: Store) -> list[Action]:
    """Every action that is remembered, the latest first. Raises DiskError."""
    log = store.journal.read()
    undone, entries = set(log.undone), list(log.entries.values())
    if log.last and not happened(store.look(), log.last):  # being written now, or cut short
        if log.last.is_new:
            entries.remove(log.last.entry)
        else:
            undone ^= {log.last.entry.id}
    return [entry.shown(entry.id in undone) for entry in reversed(entries)]


def settle(store: Store) -> None:
    """End, or take back, what a crash cut short. Raises DiskError."""
    journal = store.journal
    if _settled.get(store.folder) == signature_of(journal.path):
        return
    journal.cut_torn()
    if last := journal.read().last:
        if not (is_done := happened(store.look(), last)):
            journal.withdraw()
        _tidy(store, last.entry, is_swept=last.is_new and not is_done)
    _settled[store.folder] = signature_of(journal.path)


def add(store: Store, entry: JournalEntry, arrive: Callable[[], None]) -> None:
    """Write `entry` down and let new clips `arrive`. Raises DiskError, and then nothing has changed."""
    _write_down(store, entry, entry.line, arrive)


def move(pairs: Iterable[tuple[Path, Path]]) -> None:
    """Rename each source to its target, durably. Raises DiskError."""
    folders: set[Path] = set()
    for source, target in pairs:
        with disk_errors(source, "move"):
            if target.parent not in folders:
                target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
        folders |= {source.parent, target.parent}
    for folder in folders:  # once for all: a thousand clips are thrown away in the time of one
        sync_folder(folder)


def _do(store: Store, entry: JournalEntry) -> None:
    _write_down(store, entry, entry.line, lambda: _carry_out(store, entry, True))


def _turn(store: Store, entry: JournalEntry, again: bool) -> Action:
    """Undo `entry`, or do it again, where its clips are as it left them."""
    check(store, entry, again)
    line = redo_line(entry) if again else undo_line(entry)
    _write_down(store, entry, line, lambda: _carry_out(store, entry, again))
    return entry.shown(undone=not again)


def _write_down(store: Store, entry: JournalEntry, line: bytes, act: Callable[[], None]) -> None:
    """The line, then the act; where the disk refuses the act, neither has happened."""
    store.journal.append(line)
    try:
        act()
    except StudioError:
        last = store.journal.read().last
        if last and not happened(store.look(), last):
            store.journal.withdraw()
            _tidy(store, entry, is_swept=last.is_new)
        raise
    _settled[store.folder] = signature_of(store.journal.path)


def _carry_out(store: Store, entry: JournalEntry, forward: bool) -> None:
    if entry.kind == "edit":
        _edit(store, entry, _remade(store.look(), entry.rows, int(forward)))
    elif (entry.kind == "trash") == forward:
        _remove(store, list(entry.rows))
    else:
        _bring_back(store, entry)


def _edit(
    store: Store,
    entry: JournalEntry,
    new: Mapping[str, Example],
    sides: SplitIndex | None = None,
    sound: Callable[[str], Waveform] | None = None,
) -> None:
    old = store.look()
    sides = sides or _shifted(old, new)
    changed = (clip for id, clip in new.items() if "audio_filepath" in entry.rows[id][0])
    coming = {clip.id: store.folder / clip.audio_filepath for clip in clips_of(changed)}
    if sound is not None:
        for id, path in coming.items():
            wave = sound(id)
            write_wav(path, wave.samples, wave.sample_rate)
    move((_original(store, path), path) for path in coming.values() if not path.exists())
    snapshot.edited(store.folder, old, new, sides)
    _put_originals_away(store, entry)


def _shifted(old: Snapshot, new: Mapping[str, Example]) -> SplitIndex | None:
    """The index of sentences, where there is one, with the clips `new` in place of what they were."""
    pairs = [(was, clip) for id, clip in new.items() if stands_elsewhere(was := old.clips[old.places[id]], clip)]
    return old.shifted([was for was, _ in pairs], [clip for _, clip in pairs]) if pairs else old.sides


def _put_originals_away(store: Store, entry: JournalEntry) -> None:
    """A sound that was replaced leaves the folder of clips, where every file has a line."""
    if not any("audio_filepath" in before for before, _ in entry.rows.values()):
        return
    used = {clip.audio_filepath for clip in clips_of(store.look().clips)}
    names = {side["audio_filepath"] for row in entry.rows.values() for side in row if "audio_filepath" in side}
    paths = [store.folder / name for name in names - used]
    move((path, _original(store, path)) for path in paths if path.is_file())


def _original(store: Store, path: Path) -> Path:
    return store.folder / "originals" / path.relative_to(store.folder)


def _remove(store: Store, ids: list[str]) -> None:
    old = store.look()
    gone = [old.clips[old.places[id]] for id in ids]
    append_durably(store.trash_list, lines.joined(gone))
    snapshot.removed(store.folder, old, ids, old.shifted(gone, ()))
    _put_into_trash(store, gone)


def _put_into_trash(store: Store, gone: Iterable[Example]) -> None:
    used = {clip.audio_filepath for clip in clips_of(store.look().clips)}
    paths = {clip.audio_filepath: (store.clip_path(clip), store.trash_path(clip)) for clip in clips_of(gone)}
    move(pair for name, pair in paths.items() if name not in used and pair[0].is_file())


def _bring_back(store: Store, entry: JournalEntry) -> None:
    trashed = store.trashed()
    found = {clip.id: clip for clip in trashed if clip.id in entry.rows}
    back = [found[id] for id in entry.rows]
    moves = [(store.trash_path(clip), store.clip_path(clip)) for clip in clips_of(back)]
    move((source, target) for source, target in dict(moves).items() if not target.exists())
    old = store.look()
    before = entry.rows if entry.kind == "trash" else {}
    new = [(before.get(clip.id), clip) for clip in back]
    snapshot.inserted(store.folder, old, new, old.shifted((), back))
    left = [clip for clip in trashed if clip.id not in found]
    write_atomically(store.trash_list, lines.joined(left) + "\n" if left else "")


def _remade(old: Snapshot, rows: Mapping[str, Any], side: int) -> dict[str, Example]:
    """The clips of `rows` as they were before (0) or after (1)."""
    clips = {id: old.clips[old.places[id]] for id in rows}
    return {id: type(clip).model_validate(clip.model_dump() | rows[id][side]) for id, clip in clips.items()}


def _difference(old: Example, new: Example) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields that differ, before and after, as JSON."""
    names = {name for name in type(new).model_fields if getattr(old, name) != getattr(new, name)}
    return old.model_dump(mode="json", include=names), new.model_dump(mode="json", include=names)


def _tidy(store: Store, entry: JournalEntry, is_swept: bool) -> None:
    """Put the sounds of `entry`'s clips where they belong; `is_swept`: what it was about to bring goes."""
    now = store.look()
    in_trash = {clip.id: clip for clip in store.trashed() if clip.id in entry.rows}
    _put_into_trash(store, in_trash.values())
    used = {clip.audio_filepath for clip in clips_of([*now.clips, *in_trash.values()])}
    for name in _brought(entry) - used if is_swept else ():
        path = store.folder / name
        halves = path.parent.glob(f".{path.name}.*") if entry.kind == "edit" else ()  # added sounds are renamed, whole
        for scrap in (path, *halves):
            scrap.unlink(missing_ok=True)
    if entry.kind == "edit":
        _put_originals_away(store, entry)


def _brought(entry: JournalEntry) -> set[str]:
    """The paths of sounds that came with `entry`, and with nothing before it."""
    if entry.kind == "edit":
        return {after["audio_filepath"] for _, after in entry.rows.values() if "audio_filepath" in after}
    return set(entry.rows.values()) - {""} if entry.kind == "add" else set()

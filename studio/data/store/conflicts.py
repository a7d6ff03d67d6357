"""Whether clips are as an action, or a page, left them: what was changed since is never overwritten."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from studio.data.store.files import Store
from studio.data.store.journal import JournalEntry, Last
from studio.data.store.snapshot import Snapshot
from studio.data.utterance import Example
from studio.errors import ConflictError

_NAMES = {"text": "label", "audio_filepath": "recording", "audio_sha256": "recording", "typed": "typed text"}


def seen(clip: Example, was: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise ConflictError where `clip` is no longer what the person saw, nor yet what is wanted."""
    if all(getattr(clip, field, None) == value for field, value in wanted.items()):
        return  # asked twice: the first answer got lost
    for field, value in was.items():
        if (now := getattr(clip, field, None)) != value:
            name = _NAMES.get(field, field)
            what = f"“{value}” was changed meanwhile, in another window or program: its {name} is now “{now}”."
            raise ConflictError(what, "Look at both, then save the one that is right.", shown(clip))


def has(clip: Example, fields: Mapping[str, Any]) -> bool:
    """Whether `clip` has these fields, as JSON."""
    now = clip.model_dump(mode="json", include=set(fields))
    return json.dumps(now, sort_keys=True) == json.dumps(dict(fields), sort_keys=True)


def happened(now: Snapshot, last: Last) -> bool:
    """Whether the manifest holds what the last line of the journal says: it is replaced whole, so one clip shows it."""
    entry, did, _ = last
    id, row = next(iter(entry.rows.items()))
    clip = now.get(id)
    if entry.kind == "edit":
        return clip is None or not has(clip, row[0 if did else 1])
    return (clip is not None) == ((entry.kind != "trash") == did)


def check(store: Store, entry: JournalEntry, again: bool) -> None:
    """Raise ConflictError, naming the clip, where one is not as the action, or its undoing, left it."""
    now = store.look()
    in_trash = {clip.id: clip for clip in store.trashed()}
    for id, row in entry.rows.items():
        clip = now.get(id)
        if entry.kind == "edit" and clip is not None:
            _compare(clip, row[0 if again else 1], entry)
        elif (clip is not None) != (entry.kind == "edit" or (entry.kind == "trash") == again):
            raise _moved(clip or in_trash.get(id), id, entry, is_there=clip is not None)
        elif clip is None and id not in in_trash:
            raise _moved(None, id, entry, is_there=False)


def _compare(clip: Example, expected: Mapping[str, Any], entry: JournalEntry) -> None:
    for name, value in expected.items():
        if not has(clip, {name: value}):
            now, then = (f"“{value}”" if value else "empty" for value in (getattr(clip, name), value))
            field = _NAMES.get(name, name)
            detail = f"its {field} is now {now}, not {then}" if isinstance(value, str) else f"its {field} is another"
            raise ConflictError(
                f"“{clip.text}” was changed since: {detail}.",
                f"Undo that first, or leave “{entry.what}” as it is.",
                shown(clip),
            )


def _moved(clip: Example | None, id: str, entry: JournalEntry, is_there: bool) -> ConflictError:
    name = f"“{clip.text}”" if clip else f"The clip {id}"
    what = "was brought back since" if is_there else "is in the trash now" if clip else "is gone"
    return ConflictError(
        f"{name} {what}.", f"Undo that first, or leave “{entry.what}” as it is.", shown(clip) if clip else None
    )


def shown(clip: Example) -> dict[str, Any]:
    """What an error carries of a clip: its fields, without paths."""
    return clip.model_dump(mode="json", exclude={"audio_filepath", "audio_sha256", "words", "key_times"})

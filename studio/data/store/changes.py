"""Clips as they become: with other fields, on the side of their new sentence, with another sound."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from studio.audio import Waveform
from studio.audio.recording import Recording
from studio.config import Kind
from studio.data import word_times
from studio.data.pair import checked_meant, checked_typed
from studio.data.splits.grouping import SplitIndex, sentence
from studio.data.store import lines
from studio.data.store.snapshot import Snapshot
from studio.data.utterance import Example, Split, Utterance, checked_label
from studio.errors import DataError
from studio.text import counted

_CHECKS: Mapping[Kind, Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {"speech": {"text": checked_label}, "typing": {"text": checked_meant, "typed": checked_typed}}
)
"""How the texts of an example are brought into the form in which they are written."""


def checked(changes: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """`changes` of one example, with its texts as they will be written. Raises DataError for a field that must stay."""
    of = lines.CLASSES[kind]
    if unknown := changes.keys() - of.editable:
        fields = ", ".join(sorted(unknown))
        again = "Record" if kind == "speech" else "Type"
        raise DataError(f"The {fields} of a {of.noun} cannot be changed.", f"{again} it again.")
    texts = {field: check(changes[field]) for field, check in _CHECKS[kind].items() if field in changes}
    return {**changes, **texts}


def changed(
    now: Snapshot, old: Iterable[Example], changes: Mapping[str, Mapping[str, Any]]
) -> tuple[list[Example], SplitIndex | None]:
    """The clips `old` with their changes, and the index of sentences with them, where one was needed.

    A clip with a new label goes where its sentence is already; one that gets its first, which was set aside till
    then, goes where a new clip would. Word times that are not those of a new label are dropped. Raises DataError.
    """
    sides: SplitIndex | None = None
    new: list[Example] = []
    for before in old:  # each is done with before the next: what its sentence is known by is then worked out once
        after = lines.changed(before, _with_words(before, changes[before.id]))
        if stands_elsewhere(before, after):
            sides = sides or now.index().shifted((), ())
            sides.discard(before)
            if "split" not in changes[before.id]:
                after = lines.changed(after, {"split": _side(sides, before, after)})
            sides.add(after)
        new.append(after)
    return new, sides


def _with_words(before: Example, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """`fields` with the word times that they leave: those given must fit, those of another label are gone."""
    if not isinstance(before, Utterance):
        return fields
    text = fields.get("text", before.text)
    if fields.get("words"):
        return {**fields, "words": word_times.checked(fields["words"], text, before.duration)}
    if "words" in fields:
        return {"words_from": "", **fields}
    if not before.words or text == before.text:
        return fields
    kept = word_times.kept(before.words, text)
    return {**fields, "words": kept, "words_from": before.words_from if kept else ""}


def stands_elsewhere(before: Example, after: Example) -> bool:
    """Whether a change of a clip matters to the index of sentences."""
    return (before.split, before.text, before.prompt) != (after.split, after.text, after.prompt)


def _side(sides: SplitIndex, before: Example, after: Example) -> Split:
    """Where a clip goes, which is counted out, with its new label; with its first one, where a new clip would."""
    if not before.text:
        return sides.split_for(after.text, after.source, after.prompt)
    return before.split if sentence(before) == sentence(after) else sides.split_after_edit(after)


def with_sound(clip: Utterance, wave: Waveform) -> Utterance:
    """`clip` with `wave` as its sound, under a new file name: browsers and caches never mix the two.

    Raises AudioError where it is no recording that can be kept.
    """
    name = f"clips/{clip.id}-{secrets.token_hex(2)}.wav"
    return lines.checked(Utterance, **clip.model_dump() | Recording.of(wave).fields() | {"audio_filepath": name})


def described(old: Sequence[Example], new: Sequence[Example], changes: Mapping[str, Mapping[str, Any]]) -> str:
    """What a change is called in the history, where the caller has no words for it."""
    fields = {field for change in changes.values() for field in change}
    if fields == {"text"} and len(old) == 1:
        return f"“{old[0].text}” changed to “{new[0].text}”"
    if fields == {"split"}:
        return f"{in_words(new)} moved to {' and '.join(sorted({clip.split for clip in new}))}"
    label = "label" if new and new[0].kind == "speech" else "corrected text"
    shown = {"text": label, "typed": "typed text"}
    names = " and ".join(sorted(shown.get(field, field) for field in fields))
    return f"{names.capitalize()} of {in_words(new)} changed"


def in_words(clips: Sequence[Example]) -> str:
    """One clip or pair by its text, several by their number."""
    return f"“{clips[0].text}”" if len(clips) == 1 else counted(len(clips), clips[0].noun if clips else "clip")

"""Which clips train, choose the best checkpoint, or measure: one sentence never stands on two sides."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from studio.data.utterance import Origin, Split, Utterance, hashed_split
from studio.errors import DataError
from studio.text import prompt_key

if TYPE_CHECKING:
    from studio.data.manifest import Dataset

MINIMUM: Mapping[Split, int] = MappingProxyType({"test": 2, "validation": 2, "train": 4})
"""Clips below which a split says nothing; together the fewest clips that a run can start with."""

_BY_RANK: tuple[Split, ...] = ("test", "validation", "train")  # what measures must not train
_key = lru_cache(maxsize=50_000)(prompt_key)


def split_for(text: str, existing: Iterable[Utterance], source: Origin = "microphone", *, prompt: str = "") -> Split:
    """The split of a new clip: that of the clips with the same sentence, or else by hash (70/10/20).

    A sentence is known by its label or its prompt, however the digits are written. A live correction is what
    a model was just seen to get wrong: it never measures, and is "unused" where its sentence does.
    """
    keys = {_key(text), _key(prompt or text)}
    sides = {clip.split for clip in existing if clip.split != "unused" and keys & sentence(clip)}
    side = next((side for side in _BY_RANK if side in sides), None)
    if source == "live":
        return "unused" if side == "test" else side or "train"
    return side or hashed_split(prompt or text)


def split_after_edit(clip: Utterance, existing: Iterable[Utterance]) -> Split:
    """The split of `clip` with its new label: as before, unless that sentence has a side already."""
    others = [other for other in existing if other.id != clip.id and sentence(other) & sentence(clip)]
    if clip.split == "unused" or not others:
        return clip.split
    return split_for(clip.text, others, clip.source, prompt=clip.prompt)


def sentence(clip: Utterance) -> frozenset[str]:
    """The keys by which `clip`'s sentence is known: its label's and its prompt's."""
    return frozenset((_key(clip.text), _key(clip.prompt or clip.text)))


def ensure_minimum(dataset: Dataset) -> list[str]:
    """Move whole sentences until validation and test have two clips each; say what was moved.

    Raises DataError where there are too few clips, or too few different sentences.
    """
    moves = minimum_moves([clip for clip in dataset.utterances() if clip.split != "unused"])
    if moves:
        dataset.assign({clip.id: split for clip, split in moves})
    return [f"“{clip.text}” moved from {clip.split} to {split}." for clip, split in moves]


def minimum_moves(clips: Sequence[Utterance]) -> list[tuple[Utterance, Split]]:
    """The clips to move, each with its new split, so that every split has its minimum. Raises DataError.

    A sentence that stands on two sides already was put there by a person, and stays.
    """
    if (missing := sum(MINIMUM.values()) - len(clips)) > 0:
        what = f"{len(clips)} clips are too few to train on and to measure with."
        raise DataError(what, f"Record {missing} more.")
    sizes = Counter(clip.split for clip in clips)
    groups = {place: group for place, group in enumerate(_groups(clips)) if _on_one_side(group)}
    moves: list[tuple[Utterance, Split]] = []
    while lacking := [split for split, least in MINIMUM.items() if sizes[split] < least]:
        target = lacking[0]
        place = _spare(groups, sizes, target)
        if place is None:
            what = f"{len(clips)} clips of so few different sentences leave too little for {target}."
            raise DataError(what, "Record 2 more sentences that are not yet there.")
        group = groups.pop(place)
        moves += [(clip, target) for clip in group]
        sizes.update({target: len(group), group[0].split: -len(group)})
    return moves


def test_set_hash(utterances: Iterable[Utterance]) -> str:
    """A name for exactly these test clips with these labels: two runs with the same one can be compared."""
    rows = sorted((clip.id, clip.text, clip.audio_sha256) for clip in utterances if clip.split == "test")
    return _digest(repr(rows))[:16]


def _groups(clips: Sequence[Utterance]) -> list[list[Utterance]]:
    """Clips by sentence, ordered by the sentences alone; clips that share either key stand together."""
    groups: list[tuple[set[str], list[Utterance]]] = []
    by_key: dict[str, int] = {}
    for clip in clips:
        keys = set(sentence(clip))
        joined = sorted({by_key[key] for key in keys if key in by_key})
        members = [clip]
        for place in joined:
            keys |= groups[place][0]
            members = groups[place][1] + members
            groups[place] = (set(), [])
        by_key.update(dict.fromkeys(keys, len(groups)))
        groups.append((keys, members))
    named = {_digest(min(keys)): members for keys, members in groups if keys}
    return [named[name] for name in sorted(named)]


def _on_one_side(group: Iterable[Utterance]) -> bool:
    return len({clip.split for clip in group}) == 1


def _spare(groups: Mapping[int, list[Utterance]], sizes: Counter[Split], target: Split) -> int | None:
    """The smallest sentence that another split can give to `target`, of the split with the most clips."""
    found = [
        (-sizes[group[0].split], len(group), place)
        for place, group in groups.items()
        if group[0].split != target
        and sizes[group[0].split] - len(group) >= MINIMUM[group[0].split]
        and not (target == "test" and any(clip.source == "live" for clip in group))
    ]
    return min(found)[2] if found else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()

"""What belongs together: clips of one sentence, however it is written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from studio.data.utterance import Origin, Split, Utterance, hashed_split
from studio.text import prompt_key

_BY_RANK: tuple[Split, ...] = ("test", "validation", "train")  # what measures must not train
_key = lru_cache(maxsize=50_000)(prompt_key)


def sentence(clip: Utterance) -> frozenset[str]:
    """The keys by which `clip`'s sentence is known: its label's and its prompt's."""
    return frozenset((_key(clip.text), _key(clip.prompt or clip.text)))


class Sides:
    """On which sides each sentence stands: asking for one among 100,000 clips takes no longer than among ten."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, ...]] = {}  # key -> clips on each side, in the order of `_BY_RANK`
        self._doubled: set[str] = set()

    @classmethod
    def of(cls, clips: Iterable[Utterance]) -> Sides:
        """The index of `clips`."""
        return cls().shifted((), clips)

    def shifted(self, gone: Iterable[Utterance], come: Iterable[Utterance]) -> Sides:
        """Another index, with clips counted out and in; this one stays as it is."""
        new = Sides()
        new._counts, new._doubled = self._counts.copy(), self._doubled.copy()
        for clip in gone:
            new.discard(clip)
        for clip in come:
            new.add(clip)
        return new

    def add(self, clip: Utterance) -> None:
        """Count `clip` in; set aside, it stands on no side."""
        self._count(clip, 1)

    def discard(self, clip: Utterance) -> None:
        """Count `clip` out, which was counted in."""
        self._count(clip, -1)

    def _count(self, clip: Utterance, by: int) -> None:
        if clip.split == "unused":
            return
        rank = _BY_RANK.index(clip.split)
        for key in sentence(clip):
            old = self._counts.get(key, (0, 0, 0))
            new = (*old[:rank], old[rank] + by, *old[rank + 1 :])
            if any(new):
                self._counts[key] = new
            else:
                del self._counts[key]
            (self._doubled.add if sum(map(bool, new)) > 1 else self._doubled.discard)(key)

    def split_for(self, text: str, source: Origin, prompt: str) -> Split:
        """The split of a new clip: see `studio.data.splits.split_for`."""
        side = self._side({_key(text), _key(prompt or text)})
        if source == "live":
            return "unused" if side == "test" else side or "train"
        return side or hashed_split(prompt or text)

    def split_after_edit(self, clip: Utterance) -> Split:
        """The split of `clip`, which is counted out, with its new label: as before, unless it has a side already."""
        if clip.split == "unused" or self._side(sentence(clip)) is None:
            return clip.split
        return self.split_for(clip.text, clip.source, clip.prompt)

    def doubled(self) -> dict[str, list[Split]]:
        """Sentences that stand on several sides, with these."""
        return {
            key: sorted(side for side, count in zip(_BY_RANK, self._counts[key], strict=True) if count)
            for key in sorted(self._doubled)
        }

    def _side(self, keys: Iterable[str]) -> Split | None:
        found = [counts for key in keys if (counts := self._counts.get(key))]
        return next((side for rank, side in enumerate(_BY_RANK) if any(counts[rank] for counts in found)), None)


def groups(clips: Sequence[Utterance]) -> list[list[Utterance]]:
    """Clips by sentence, ordered by the sentences alone; clips that share either key stand together."""
    return linked(clips, sentence)


def siblings(clips: Iterable[Utterance], ids: Iterable[str], split: Split) -> dict[str, Split]:
    """Where the clips `ids` go, and those of the same sentences with them, when `ids` are put into `split`.

    A correction of the Test tab cannot measure: beside a sentence that does, it is set aside.
    """
    chosen = set(ids)
    if split == "unused":
        return dict.fromkeys(chosen, split)
    used = [clip for clip in clips if clip.split != "unused" or clip.id in chosen]
    moving = [clip for group in groups(used) if any(clip.id in chosen for clip in group) for clip in group]
    aside: Split = "unused"
    return {
        clip.id: aside if split == "test" and clip.source == "live" and clip.id not in chosen else split
        for clip in moving
    }


def linked(clips: Sequence[Utterance], keys_of: Callable[[Utterance], Iterable[str]]) -> list[list[Utterance]]:
    """Clips that share a key, or are linked through others that do, together; ordered by a hash of their keys."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent[key] != key:
            parent[key] = key = parent[parent[key]]
        return key

    for clip in clips:
        first, *others = sorted(keys_of(clip))
        for key in (first, *others):
            parent.setdefault(key, key)
        for key in others:
            low, high = sorted((root(first), root(key)))
            parent[high] = low
    found: dict[str, list[Utterance]] = {}
    for clip in clips:
        found.setdefault(root(next(iter(keys_of(clip)))), []).append(clip)
    return [found[key] for key in sorted(found, key=digest)]


def digest(text: str) -> str:
    """SHA-256 of `text`, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()

"""What belongs together: clips of one sentence, however it is written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence

from studio.data.utterance import Example, Origin, Split, hashed_split, sentence_key

_NONE = (0, 0, 0)
_few: dict[tuple[int, ...], tuple[int, ...]] = {}  # counts that many sentences have: each is kept once


def sentence(clip: Example) -> frozenset[str]:
    """The keys by which `clip`'s sentence is known: its label's and its prompt's."""
    return sentence_of(clip.text, clip.prompt)


def sentence_of(text: str, prompt: str) -> frozenset[str]:
    """The keys of the sentence of a clip with this label, which was read from `prompt` if there was one."""
    said = sentence_key(text)
    return frozenset((said, sentence_key(prompt)) if prompt and prompt != text else (said,))


class SplitIndex:
    """In which splits each sentence is: asking for one among 100,000 clips takes no longer than among ten."""

    BY_RANK: tuple[Split, ...] = ("test", "validation", "train")  # what measures must not train

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, ...]] = {}  # key -> clips on each side, in the order of `BY_RANK`
        self._doubled: set[str] = set()

    @classmethod
    def of(cls, clips: Iterable[Example]) -> SplitIndex:
        """The index of `clips`."""
        return cls().shifted((), clips)

    def shifted(self, gone: Iterable[Example], come: Iterable[Example]) -> SplitIndex:
        """Another index, with clips counted out and in; this one stays as it is."""
        new = SplitIndex()
        new._counts, new._doubled = self._counts.copy(), self._doubled.copy()
        for clip in gone:
            new.discard(clip)
        for clip in come:
            new.add(clip)
        return new

    def add(self, clip: Example) -> None:
        """Count `clip` in; set aside, it is in no split."""
        self.count(sentence(clip), clip.split, 1)

    def discard(self, clip: Example) -> None:
        """Count `clip` out, which was counted in."""
        self.count(sentence(clip), clip.split, -1)

    def count(self, keys: Iterable[str], split: Split, by: int) -> None:
        """Count `by` clips more of a sentence on the side `split`."""
        if split == "unused":
            return
        rank = self.BY_RANK.index(split)
        for key in keys:
            old = self.counts(key)
            new = (*old[:rank], old[rank] + by, *old[rank + 1 :])
            if any(new):
                self._counts[key] = _few.setdefault(new, new)
            else:
                del self._counts[key]
            (self._doubled.add if sum(map(bool, new)) > 1 else self._doubled.discard)(key)

    def split_for(self, text: str, source: Origin, prompt: str) -> Split:
        """The split of a new clip: see `studio.data.splits.assignment.split_for`."""
        side = self._side(sentence_of(text, prompt))
        if source == "live":
            return "unused" if side == "test" else side or "train"
        return side or hashed_split(prompt or text)

    def split_after_edit(self, clip: Example) -> Split:
        """The split of `clip`, which is counted out, with its new label: as before, unless it has a side already."""
        if clip.split == "unused" or self._side(sentence(clip)) is None:
            return clip.split
        return self.split_for(clip.text, clip.source, clip.prompt)

    @property
    def torn(self) -> Collection[str]:
        """Keys of the sentences that are in several splits."""
        return self._doubled

    def counts(self, key: str) -> tuple[int, ...]:
        """Clips of the sentence on each side, in the order of `BY_RANK`."""
        return self._counts.get(key, _NONE)

    def best(self, key: str) -> int | None:
        """The rank of the split that counts for a sentence; None where it is in none."""
        return next((rank for rank, count in enumerate(self.counts(key)) if count), None)

    def doubled(self) -> dict[str, list[Split]]:
        """Sentences that are in several splits, with these."""
        return {
            key: sorted(side for side, count in zip(self.BY_RANK, self._counts[key], strict=True) if count)
            for key in sorted(self._doubled)
        }

    def _side(self, keys: Iterable[str]) -> Split | None:
        ranks = [rank for key in keys if (rank := self.best(key)) is not None]
        return self.BY_RANK[min(ranks)] if ranks else None


def groups(clips: Sequence[Example]) -> list[list[Example]]:
    """Clips by sentence, ordered by the sentences alone; clips that share either key are together."""
    return linked(clips, sentence)


def siblings(clips: Iterable[Example], ids: Iterable[str], split: Split) -> dict[str, Split]:
    """Where the clips `ids` go, and those of the same sentences with them, when `ids` are put into `split`.

    A correction of the Test tab cannot measure: if its sentence does, it is set aside.
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


def linked(clips: Sequence[Example], keys_of: Callable[[Example], Iterable[str]]) -> list[list[Example]]:
    """Clips that share a key, or are linked through others that do, together; ordered by a hash of their keys."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent[key] != key:
            parent[key] = key = parent[parent[key]]
        return key

    firsts: list[str] = []  # of each clip, one of its keys
    for clip in clips:
        first, *others = sorted(keys_of(clip))
        firsts.append(first)
        for key in (first, *others):
            parent.setdefault(key, key)
        for key in others:
            low, high = sorted((root(first), root(key)))
            parent[high] = low
    found: dict[str, list[Example]] = {}
    for clip, first in zip(clips, firsts, strict=True):
        found.setdefault(root(first), []).append(clip)
    return [found[key] for key in sorted(found, key=digest)]


def digest(text: str) -> str:
    """SHA-256 of `text`, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()

"""Which clips train, choose the best checkpoint, or measure: the same sentence is never in two splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from studio.data.manifest import Dataset
from studio.data.splits.grouping import SplitIndex, digest, groups
from studio.data.utterance import SIDES, Example, Origin, Split, Utterance
from studio.errors import DataError
from studio.text import counted

MINIMUM: Mapping[Split, int] = MappingProxyType({"test": 2, "validation": 2, "train": 4})
"""Clips below which a split says nothing; together the fewest clips that a run can start with."""

NAMED = 3  # clips that a sentence names; it counts the others
FIRST_TRAINING = 40
"""Clips from which a first training is worth it: with 40 the demo's stories fall below 8 % WER, see the benchmarks.
This is the figure that a person reads, in every tab; with fewer a run starts, and says what is missing."""


def split_for(text: str, existing: Iterable[Example], source: Origin = "microphone", *, prompt: str = "") -> Split:
    """The split of a new clip: that of the clips with the same sentence, or else by hash (70/10/20).

    A sentence is known by its label or its prompt, however the digits are written. A live correction is what
    a model was just seen to get wrong: it never measures, and is "unused" where its sentence does.
    """
    return SplitIndex.of(existing).split_for(text, source, prompt)


def ensure_minimum(dataset: Dataset) -> list[str]:
    """Move whole sentences until validation and test have two clips each; say what was moved.

    Raises DataError where there are too few clips, or too few different sentences.
    """
    moves = minimum_moves(dataset.in_splits(*SIDES))
    if moves:
        dataset.assign({clip.id: split for clip, split in moves})
    return [f"“{clip.text}” moved from {clip.split} to {split}." for clip, split in moves]


def minimum_moves(clips: Sequence[Example]) -> list[tuple[Example, Split]]:
    """The clips to move, each with its new split, so that every split has its minimum. Raises DataError.

    A sentence that is already in two splits was put there by a person, and stays.
    """
    if len(clips) < sum(MINIMUM.values()):
        noun = noun_of(clips)
        what = f"{counted(len(clips), f'{noun} is', f'{noun}s are')} too few to train on and to measure with."
        raise DataError(what, f"Record {more_for_first_training(clips)} more.")
    sizes = Counter(clip.split for clip in clips)
    movable = {place: group for place, group in enumerate(groups(clips)) if _on_one_side(group)}
    moves: list[tuple[Example, Split]] = []
    while lacking := [split for split, least in MINIMUM.items() if sizes[split] < least]:
        target = lacking[0]
        place = _spare(movable, sizes, target)
        if place is None:
            what = (
                f"{counted(len(clips), noun_of(clips))} with so few different sentences leave too little for {target}."
            )
            raise DataError(what, "Record 2 more sentences that are not yet there.")
        group = movable.pop(place)
        moves += [(clip, target) for clip in group]
        sizes.update({target: len(group), group[0].split: -len(group)})
    return moves


def noun_of(clips: Sequence[Example]) -> str:
    """What people call one of `clips`."""
    return clips[0].noun if clips else Utterance.noun


def more_for_first_training(clips: Sequence[Example]) -> int:
    """How many clips are missing until a first training is worth it."""
    return max(0, FIRST_TRAINING - len(clips))


def trainable(dataset: Dataset) -> list[Example]:
    """The clips that a run would use, each in the split that it would have then. Nothing is written.

    Raises DataError where it could not start: too few clips whose sound is there, or too few sentences.
    """
    clips = dataset.in_splits(*SIDES)
    sizes = Counter(clip.split for clip in clips)
    if any(sizes[split] < least for split, least in MINIMUM.items()):  # else nothing moves: grouping takes its time
        moved = {clip.id: split for clip, split in minimum_moves(clips)}
        clips = [clip.model_copy(update={"split": moved.get(clip.id, clip.split)}) for clip in clips]
    return clips


def moves_at_start(before: Sequence[Example], after: Sequence[Example]) -> str:
    """Which clips a run moves as it starts, `after` being `trainable` of the clips `before`; empty where none."""
    splits = {clip.id: clip.split for clip in before}
    moved = [clip for clip in after if splits[clip.id] != clip.split]
    if not moved:
        return ""
    named = "; ".join(f"“{clip.text}” from {splits[clip.id]} to {clip.split}" for clip in moved[:NAMED])
    more = f" and {len(moved) - NAMED} more" if len(moved) > NAMED else ""
    least = f"validation needs {MINIMUM['validation']} and test {MINIMUM['test']}"
    return f"At the start {counted(len(moved), 'clip moves', 'clips move')}, since {least}: {named}{more}."


def shortage(clips: Sequence[Example]) -> str:
    """What a person should know before a run on so few `clips` starts; empty where they are enough."""
    if not (more := more_for_first_training(clips)):
        return ""
    sizes = Counter(clip.split for clip in clips)
    return (
        f"{counted(len(clips), 'clip is', 'clips are')} few: {sizes['train']} to learn from, "
        f"{sizes['validation']} to validate, {sizes['test']} to test. A first training is worthwhile from about "
        f"{FIRST_TRAINING} clips: {more} more."
    )


def test_set_hash(utterances: Iterable[Example]) -> str:
    """A name for exactly these test clips with these labels: two runs with the same one can be compared."""
    rows = sorted((clip.id, clip.text, clip.given_hash) for clip in utterances if clip.split == "test")
    return digest(repr(rows))[:16]


def _on_one_side(group: Iterable[Example]) -> bool:
    return len({clip.split for clip in group}) == 1


def _spare(groups: Mapping[int, list[Example]], sizes: Counter[Split], target: Split) -> int | None:
    """The smallest sentence that another split can give to `target`, of the split with the most clips."""
    found = [
        (-sizes[group[0].split], len(group), place)
        for place, group in groups.items()
        if group[0].split != target
        and sizes[group[0].split] - len(group) >= MINIMUM[group[0].split]
        and not (target == "test" and any(clip.source == "live" for clip in group))
    ]
    return min(found)[2] if found else None

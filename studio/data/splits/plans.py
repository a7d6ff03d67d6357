"""How a whole dataset is split anew: a plan that is shown first, with what it changes and what it cannot show."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from studio.data.manifest import Dataset
from studio.data.splits.assignment import MINIMUM, minimum_moves, test_set_hash
from studio.data.splits.grouping import digest, linked, sentence
from studio.data.utterance import SIDES, Example, Split, hashed_share
from studio.errors import ConflictError, DataError
from studio.text import counted

By = Literal["sentence", "speaker", "session"]
ENOUGH = 30  # test clips from which one more or less moves the figure by 3 points or fewer
SHOWN = 200  # moves that a page lists


class SplitRequest(BaseModel):
    """What a person asks for."""

    model_config = ConfigDict(frozen=True)

    by: By = "sentence"  # what is never torn apart; the same sentence never is
    hold_out: list[str] = Field([], max_length=1000)  # speakers who only measure; with none named, the smallest are
    shares: tuple[int, int, int] = (70, 10, 20)  # per cent of the sentences that train, validate and test

    @field_validator("shares")
    @classmethod
    def _is_whole(cls, shares: tuple[int, int, int]) -> tuple[int, int, int]:
        if min(shares) < 0 or sum(shares) != 100 or not shares[0]:
            raise ValueError("the three shares are whole numbers that add up to 100, and training gets some")
        return shares


class SplitSummary(BaseModel):
    """What is in one split."""

    model_config = ConfigDict(frozen=True)

    clips: int
    seconds: float


class Move(BaseModel):
    """One clip that goes elsewhere."""

    model_config = ConfigDict(frozen=True)

    id: str
    text: str
    before: Split
    after: Split


class SplitPlan(BaseModel):
    """What a split would change. Nothing has happened yet."""

    model_config = ConfigDict(frozen=True)

    name: str  # of exactly these moves: `apply` does no other
    moves: list[Move]
    before: dict[Split, SplitSummary]
    after: dict[Split, SplitSummary]
    hash_before: str  # of the test set
    hash_after: str
    warnings: list[str]

    @property
    def changes_test(self) -> bool:
        """Whether figures of earlier runs can no longer be compared with new ones."""
        return self.hash_before != self.hash_after


def plan(dataset: Dataset, request: SplitRequest) -> SplitPlan:
    """What `request` would change in `dataset`; clips that were set aside stay aside. Raises DataError."""
    clips = dataset.examples()
    used = [clip for clip in clips if clip.split != "unused"]
    if not used:
        raise DataError("There are no clips to split.", "Record or import some first.")
    sides = {"sentence": _by_sentence, "session": _by_session, "speaker": _by_speaker}[request.by](used, request)
    sides = {clip.id: _allowed(clip, sides[clip.id]) for clip in used}
    warnings: list[str] = []
    if request.by == "sentence":
        sides = _with_minimum(used, sides, warnings)
    after = [clip.model_copy(update={"split": sides.get(clip.id, clip.split)}) for clip in clips]
    moves = [
        Move(id=new.id, text=new.text, before=old.split, after=new.split)
        for old, new in zip(clips, after, strict=True)
        if old.split != new.split
    ]
    return SplitPlan(
        name=digest(repr([(move.id, move.before, move.after) for move in moves]))[:16],
        moves=moves,
        before=_counted(clips),
        after=_counted(after),
        hash_before=test_set_hash(clips),
        hash_after=test_set_hash(after),
        warnings=[*warnings, *_warnings(used, after, request)],
    )


def apply(dataset: Dataset, request: SplitRequest, name: str | None = None) -> SplitPlan:
    """Carry out what `plan` says, as one action that can be undone; `name` is the plan's that the person saw.

    Raises ConflictError where the dataset has changed since so that other clips would move; DataError; DiskError.
    """
    found = plan(dataset, request)
    if name is not None and name != found.name:
        raise ConflictError("The clips were changed since this plan was made.", "Look at the new plan, then apply it.")
    if found.moves:
        count = f"{counted(len(found.moves), 'clip')} moved"
        dataset.assign({move.id: move.after for move in found.moves}, f"Split by {request.by}: {count}")
    return found


def _by_sentence(clips: Sequence[Example], request: SplitRequest) -> dict[str, Split]:
    return _hashed(linked(clips, sentence), request.shares)


def _by_session(clips: Sequence[Example], request: SplitRequest) -> dict[str, Split]:
    """Whole sittings, the smallest first: they are few and large, and a hash would leave a side empty."""
    groups = linked(
        clips, lambda clip: {*sentence(clip), f"session {clip.session}"} if clip.session else sentence(clip)
    )
    if len(groups) < len(SIDES):
        raise DataError(
            f"These clips form only {counted(len(groups), 'group')}: their sessions share sentences.",
            "Split by sentence, or record other sentences in another session.",
        )
    sides: dict[str, Split] = {}
    left = sorted(groups, key=len)
    dealt: tuple[tuple[Split, int], ...] = (("test", request.shares[2]), ("validation", request.shares[1]))
    for side, share in dealt:
        count = 0
        while share and count < len(clips) * share / 100 and len(left) > 1:
            group = left.pop(0)
            count += len(group)
            sides |= {clip.id: side for clip in group}
    training: Split = "train"
    return sides | {clip.id: training for group in left for clip in group}


def _by_speaker(clips: Sequence[Example], request: SplitRequest) -> dict[str, Split]:
    """Speakers held out measure. Of a sentence that they share with others, one side is set aside, by its hash."""
    held = set(request.hold_out) or _smallest_speakers(clips, request.shares[2])
    names = {clip.speaker for clip in clips}
    if unknown := sorted(held - names):
        raise DataError(f"There is no speaker “{unknown[0]}”.", f"Speakers: {', '.join(sorted(names - {''}))}.")
    if not names - held:
        raise DataError("If every speaker is held out, there is no one left to train on.", "Hold out fewer.")
    train, validation, _ = request.shares
    sides: dict[str, Split] = {}
    for group in linked(clips, sentence):
        share = _share(group)
        theirs = [clip for clip in group if clip.speaker in held]
        others = [clip for clip in group if clip.speaker not in held]
        measures = bool(theirs) and (not others or share < request.shares[2] / 100)
        side: Split = "validation" if share * (train + validation) < validation else "train"
        sides |= {clip.id: "test" if measures else "unused" for clip in theirs}
        sides |= {clip.id: "unused" if measures else side for clip in others}
    return sides


def _smallest_speakers(clips: Sequence[Example], share: int) -> set[str]:
    """As few clips as reach the test's share, in whole speakers; at least one stays."""
    counts = Counter(clip.speaker for clip in clips).most_common()
    if len(counts) < 2:
        raise DataError(
            "All clips are of one speaker.", "Say who speaks (in Review, or when importing), or split by sentence."
        )
    held: set[str] = set()
    found = 0
    while len(counts) > 1 and (not held or found < len(clips) * share / 100):
        name, count = counts.pop()
        held.add(name)
        found += count
    return held


def _hashed(groups: Iterable[list[Example]], shares: tuple[int, int, int]) -> dict[str, Split]:
    _, validation, test = (share / 100 for share in shares)

    def side(group: list[Example]) -> Split:
        share = _share(group)
        return "test" if share < test else "validation" if share < test + validation else "train"

    return {clip.id: found for group in groups for found in [side(group)] for clip in group}


def _share(group: Iterable[Example]) -> float:
    """Where a group falls, 0..1: as its first sentence by the alphabet does, whatever the order of the clips."""
    return hashed_share(min(clip.prompt or clip.text for clip in group))


def _allowed(clip: Example, side: Split) -> Split:
    """A correction of the Test tab never measures."""
    return "unused" if side == "test" and clip.source == "live" else side


def _with_minimum(clips: Sequence[Example], sides: Mapping[str, Split], warnings: list[str]) -> dict[str, Split]:
    """`sides`, with whole sentences moved until each has its minimum; `warnings` says where that cannot be."""
    placed = [clip.model_copy(update={"split": sides[clip.id]}) for clip in clips if sides[clip.id] != "unused"]
    try:
        return {**sides, **{clip.id: split for clip, split in minimum_moves(placed)}}
    except DataError as error:
        warnings.append(str(error))
        return dict(sides)


def _counted(clips: Iterable[Example]) -> dict[Split, SplitSummary]:
    found: dict[Split, list[float]] = defaultdict(list)
    for clip in clips:
        found[clip.split].append(clip.duration)
    every: tuple[Split, ...] = (*SIDES, "unused")
    return {side: SplitSummary(clips=len(found[side]), seconds=round(sum(found[side]), 1)) for side in every}


def _warnings(used: Sequence[Example], after: Sequence[Example], request: SplitRequest) -> list[str]:
    """What these splits cannot show, in plain words."""
    counts = Counter(clip.split for clip in after)
    found = []
    if 0 < counts["test"] < ENOUGH:
        test = counts["test"]
        change = f"one clip more or less right changes the result by {100 / test:.0f} points."
        found.append(f"{counted(test, 'test clip')}: {change}")
    for side in SIDES:
        if counts[side] < MINIMUM[side] and len(used) >= sum(MINIMUM.values()):
            found.append(f"{side.capitalize()} has {counted(counts[side], 'clip')}; a run needs {MINIMUM[side]}.")
    aside = counts["unused"] - (len(after) - len(used))
    if aside:
        clips = counted(aside, "clip is", "clips are")
        found.append(
            f"{clips} set aside: the same sentence is in the other split, or the clip may not be used to measure."
        )
    if len(after) > len(used):
        clips = counted(len(after) - len(used), "clip stays", "clips stay")
        found.append(f"{clips} set aside, as before; to use them, move them back in Review.")
    if request.by != "speaker" and len({clip.speaker for clip in used}) == 1:
        found.append("All clips are of one voice: the result says nothing about other speakers.")
    return found

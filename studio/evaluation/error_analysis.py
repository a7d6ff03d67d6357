"""Where it is wrong: every clip word by word, each word's accuracy, what is taken for what, and in which conditions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from math import inf

from pydantic import BaseModel, ConfigDict

from studio.data.quality import Quality, pace
from studio.data.utterance import Example, Utterance
from studio.evaluation.evaluate import Evaluation, ScoredClip
from studio.evaluation.verdict import Outcome, outcome, unit_of
from studio.evaluation.word_diff import compared, means_same
from studio.text import NORMALISERS, spread
from studio.text.alignment import aligned
from studio.text.metrics import LEAST_COUNTED, Edit, Unit, diff, errors

LONGEST = 7  # words of a confusion, both sides together: `903 → nine zero three` is one, half a sentence is none
UNSURE = 0.6  # below it a word is shown as a guess
SURE = [(UNSURE, "under 60 %"), (0.9, "60 to 90 %"), (inf, "90 % and more")]
_STEPS = {  # upper ends, and what such clips are called
    "Length": [(2.0, "under 2 s"), (5.0, "2 to 5 s"), (10.0, "5 to 10 s"), (inf, "10 s and more")],
    "Pace": [(10.0, "under 10 characters/s"), (15.0, "10 to 15 characters/s"), (inf, "15 characters/s and more")],
    "Signal to noise": [(15.0, "under 15 dB"), (25.0, "15 to 25 dB"), (inf, "25 dB and more")],
}


class AlignedHypothesis(BaseModel):
    """What one model wrote for one clip, word by word against the reference."""

    model_config = ConfigDict(frozen=True)

    edits: list[Edit]  # of the texts as they were written
    errors: int  # as they were compared, in words, or in characters where the language has no spaces
    wer: float
    confidence: float | None  # mean token probability, 0..1
    chances: list[float | None]  # of each word that was written, in the order of `edits`; None where it is not known
    confusions: list[tuple[str, str]]  # said and written, as they were compared

    @property
    def least_sure(self) -> float | None:
        """The lowest chance of a word, 0..1; None where none is known."""
        return min((chance for chance in self.chances if chance is not None), default=None)


class ClipResult(BaseModel):
    """One held-out clip, before and after."""

    model_config = ConfigDict(frozen=True)

    id: str
    reference: str
    compared: str  # the reference as it was compared
    seconds: float  # of audio
    pace: float | None  # characters a second
    snr: float | None  # dB
    speaker: str
    before: AlignedHypothesis | None
    after: AlignedHypothesis

    @property
    def words(self) -> int:
        """In the reference, as it was compared."""
        return len(self.compared.split())

    @property
    def outcome(self) -> Outcome:
        """What became of the clip; the same where what it was before is not known."""
        return outcome(self.before.errors, self.after.errors) if self.before else "same"

    @property
    def accuracies(self) -> tuple[float, float]:
        """Accuracy before and after, 0..1, by what `outcome` counts."""
        size = max(self.words, 1)
        before = self.before or self.after
        return max(0.0, 1 - before.errors / size), max(0.0, 1 - self.after.errors / size)


class WordResult(BaseModel):
    """A word of the references: how often it was said, and how often it was written right."""

    model_config = ConfigDict(frozen=True)

    word: str
    said: int
    right_before: int | None
    right_after: int


class Confusion(BaseModel):
    """Words that were taken for others; an empty side is nothing at all."""

    model_config = ConfigDict(frozen=True)

    said: str
    written: str
    before: int | None  # times
    after: int
    is_spelling: bool  # whether the two mean the same


class ConditionGroup(BaseModel):
    """Clips that have something in common."""

    model_config = ConfigDict(frozen=True)

    by: str  # what they are grouped by: length, pace, …
    name: str
    clips: int
    words: int
    before: float | None  # word error rate; this and the next: None for fewer than LEAST_COUNTED words
    after: float | None


class ConfidenceBin(BaseModel):
    """Written words of which the model was about as sure, and how many of them are right."""

    model_config = ConfigDict(frozen=True)

    name: str
    words: int
    right: int
    mean: float  # how sure it was of them, 0..1
    share: float | None  # of them that is right, as large for a calibrated model; None for under LEAST_COUNTED words


class Mistakes(BaseModel):
    """All of it, by one normaliser."""

    model_config = ConfigDict(frozen=True)

    normaliser: str
    clips: list[ClipResult]
    words: list[WordResult]  # the most often wrong first
    confusions: list[Confusion]  # of the model after, the most frequent first
    groups: list[ConditionGroup]
    sureties: list[ConfidenceBin]  # of the model after, the least sure first; empty where confidence was not recorded


@dataclass(frozen=True, slots=True)
class _Counting:
    """How texts are compared and errors counted."""

    normaliser: str
    unit: Unit

    def text(self, written: str) -> str:
        """`written` as it is compared, its units with spaces between them."""
        normal = NORMALISERS[self.normaliser](written)
        return spread(normal) if self.unit == "character" else normal

    def diff(self, row: ScoredClip) -> list[Edit]:
        """The edits of the two texts as they are compared."""
        return diff(self.text(row.reference), self.text(row.hypothesis))

    def is_right(self, edit: Edit) -> bool:
        """Whether what was written counts as right."""
        normal = NORMALISERS[self.normaliser]
        return edit.kind == "equal" or normal(edit.reference) == normal(edit.hypothesis)


def mistakes(before: Evaluation | None, after: Evaluation, known: Mapping[str, Example]) -> Mistakes:
    """Where `after` is wrong, compared with `before` on the same clips; `known` has more about the clips."""
    earlier = {row.id: row for row in before.rows} if before else {}
    counting = _Counting(after.score.normaliser, unit_of(after))
    clips = [_clip(earlier.get(row.id), row, counting, known.get(row.id)) for row in after.rows]
    was = [counting.diff(earlier[row.id]) for row in after.rows if row.id in earlier]
    return Mistakes(
        normaliser=after.score.normaliser,
        clips=clips,
        words=_words(clips, was, [counting.diff(row) for row in after.rows]),
        confusions=_confusions(clips),
        groups=list(_groups(clips)),
        sureties=_confidence_bins([clip.after for clip in clips], counting),
    )


def _clip(before: ScoredClip | None, after: ScoredClip, counting: _Counting, about: Example | None) -> ClipResult:
    quality = Quality.known(about.quality) if isinstance(about, Utterance) else None
    return ClipResult(
        id=after.id,
        reference=after.reference,
        compared=counting.text(after.reference),
        seconds=after.seconds,
        pace=pace(after.reference, quality, after.seconds),
        snr=quality.snr_db if quality else None,
        speaker=about.speaker if about else "",
        before=_reading(before, counting) if before else None,
        after=_reading(after, counting),
    )


def _reading(row: ScoredClip, counting: _Counting) -> AlignedHypothesis:
    edits = compared(row.reference, row.hypothesis, counting.normaliser)
    return AlignedHypothesis(
        edits=edits,
        errors=errors(row.reference, row.hypothesis, counting.normaliser, counting.unit)[0],
        wer=row.wer,
        confidence=row.confidence,
        chances=_chances(row, [word for edit in edits for word in edit.hypothesis.split()]),
        confusions=list(confused(counting.diff(row))),
    )


def _chances(row: ScoredClip, written: Sequence[str]) -> list[float | None]:
    """How sure the model was of each word of `written`; where words were cut otherwise, the lowest of their chances."""
    heard = [(part, chance) for word, chance in row.words or [] for part in word.split()]
    parts, chances = [part for part, _ in heard], [chance for _, chance in heard]
    if parts == list(written):
        return list(chances)
    found: list[float | None] = [None] * len(written)
    for is_equal, run in groupby(aligned(parts, written), key=lambda part: part.kind == "equal"):
        block = list(run)
        of_parts = chances[block[0].reference.start : block[-1].reference.stop]
        places = slice(block[0].hypothesis.start, block[-1].hypothesis.stop)
        if of_parts:
            found[places] = of_parts if is_equal else [min(of_parts)] * (places.stop - places.start)
    return found


def _confidence_bins(readings: Sequence[AlignedHypothesis], counting: _Counting) -> list[ConfidenceBin]:
    judged = (pair for reading in readings for pair in _judged(reading, counting))
    known = [(chance, right) for chance, right in judged if chance is not None]
    found, low = [], 0.0
    for high, name in SURE:
        chosen = [(chance, right) for chance, right in known if low <= chance < high]
        low = high
        if chosen:
            words, right = len(chosen), sum(right for _, right in chosen)
            mean = sum(chance for chance, _ in chosen) / words
            share = right / words if words >= LEAST_COUNTED else None
            found.append(ConfidenceBin(name=name, words=words, right=right, mean=mean, share=share))
    return found


def _judged(reading: AlignedHypothesis, counting: _Counting) -> Iterator[tuple[float | None, bool]]:
    """Each written word: how sure the model was, and whether it is right."""
    right = [counting.is_right(edit) for edit in reading.edits for _ in edit.hypothesis.split()]
    return zip(reading.chances, right, strict=True)


def _words(clips: Sequence[ClipResult], before: Sequence[list[Edit]], after: Sequence[list[Edit]]) -> list[WordResult]:
    said = Counter(word for clip in clips for word in clip.compared.split())
    right_before = Counter(word for edits in before for word in _right(edits))
    right_after = Counter(word for edits in after for word in _right(edits))
    is_known = bool(before)
    found = [
        WordResult(
            word=word,
            said=said[word],
            right_before=right_before[word] if is_known else None,
            right_after=right_after[word],
        )
        for word in said
    ]
    return sorted(found, key=lambda row: (row.right_after - row.said, (row.right_before or 0) - row.said, row.word))


def _right(edits: Sequence[Edit]) -> Iterator[str]:
    for edit in edits:
        if edit.kind == "equal":
            yield from edit.reference.split()


def _confusions(clips: Sequence[ClipResult]) -> list[Confusion]:
    before = Counter(pair for clip in clips if clip.before for pair in clip.before.confusions)
    after = Counter(pair for clip in clips for pair in clip.after.confusions)
    is_known = any(clip.before for clip in clips)
    return [
        Confusion(
            said=said,
            written=written,
            before=before[said, written] if is_known else None,
            after=times,
            is_spelling=means_same(said, written),
        )
        for (said, written), times in sorted(after.items(), key=lambda item: (-item[1], item[0]))
    ]


def confused(edits: Sequence[Edit]) -> Iterator[tuple[str, str]]:
    """What was said and what was written for it, neighbours together where they are few."""
    for is_equal, group in groupby(edits, key=lambda edit: edit.kind == "equal"):
        if is_equal:
            continue
        parts = list(group)
        said = [word for part in parts for word in part.reference.split()]
        written = [word for part in parts for word in part.hypothesis.split()]
        if len(said) + len(written) <= LONGEST:
            yield " ".join(said), " ".join(written)
            continue
        for part in parts:
            yield from zip_longest(part.reference.split(), part.hypothesis.split(), fillvalue="")


def _groups(clips: Sequence[ClipResult]) -> Iterator[ConditionGroup]:
    figures: dict[str, list[float | None]] = {
        "Length": [clip.seconds for clip in clips],
        "Pace": [clip.pace for clip in clips],
        "Signal to noise": [clip.snr for clip in clips],
    }
    for by, values in figures.items():
        names = [_step(by, value) for value in values]
        yield from _grouped(by, clips, names, [name for _, name in _STEPS[by]])
    speakers = [clip.speaker or None for clip in clips]
    yield from _grouped("Speaker", clips, speakers, sorted({name for name in speakers if name}))


def _step(by: str, value: float | None) -> str | None:
    return None if value is None else next(name for end, name in _STEPS[by] if value < end)


def _grouped(
    by: str, clips: Sequence[ClipResult], names: Sequence[str | None], order: Sequence[str]
) -> Iterator[ConditionGroup]:
    """The groups in `order`; nothing where all clips are in one, which shows nothing."""
    members: dict[str, list[ClipResult]] = defaultdict(list)
    for clip, name in zip(clips, names, strict=True):
        if name is not None:
            members[name].append(clip)
    if len(members) < 2:
        return
    for name in order:
        if chosen := members.get(name):
            yield _group(by, name, chosen)


def _group(by: str, name: str, clips: Sequence[ClipResult]) -> ConditionGroup:
    words = sum(clip.words for clip in clips)
    befores = [clip.before.errors for clip in clips if clip.before]
    is_enough = words >= LEAST_COUNTED
    return ConditionGroup(
        by=by,
        name=name,
        clips=len(clips),
        words=words,
        before=sum(befores) / words if is_enough and len(befores) == len(clips) else None,
        after=sum(clip.after.errors for clip in clips) / words if is_enough else None,
    )

"""How well typing was corrected: what was right before and after, and what was touched that should not have been."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from studio.typing.edits import distance, edits
from studio.typing.explain import aligned, explained
from studio.typing.kinds import Typo, TypoKind
from studio.typing.reach import is_paraphrase

BETA = 0.5  # precision counts twice as much as recall: a correction that is wrong is worse than one that is missing


@dataclass(frozen=True, slots=True)
class Mended:
    """One text: as it was typed, as it was meant, and as the model wrote it."""

    typed: str
    wanted: str
    written: str
    typos: Sequence[Typo] | None = None  # where they are known; otherwise they are found by comparing


class KindRecall(BaseModel):
    """Of one kind of typo."""

    model_config = ConfigDict(frozen=True)

    typos: int
    corrected: int

    @property
    def share(self) -> float:
        """0..1."""
        return self.corrected / self.typos if self.typos else 1.0


class TypingScore(BaseModel):
    """Shares are 0..1; None where there was nothing to measure."""

    model_config = ConfigDict(frozen=True)

    pairs: int
    exact: float | None  # share of texts that are right to the letter
    cer_before: float | None  # character errors of what was typed
    cer_left: float | None  # character errors of what was written
    edits_before: int  # words to correct in what was typed
    edits_left: int  # words to correct in what was written
    precision: float | None  # share of the model's edits that are wanted
    recall: float | None  # share of the wanted edits that the model made
    f05: float | None  # both, precision counting twice
    clean: int  # texts that were typed without a typo
    over_correction: float | None  # share of those that the model changed
    paraphrases: int  # texts with a change that no typo explains: another word, or one more or less
    by_kind: dict[TypoKind, KindRecall]

    @property
    def removed(self) -> float | None:
        """Share of the wrong words that are gone; below 0 where there are more than before."""
        return 1 - self.edits_left / self.edits_before if self.edits_before else None


def score(rows: Iterable[Mended]) -> TypingScore:
    """All of it, over all rows together."""
    counts: Counter[str] = Counter()
    known: Counter[TypoKind] = Counter()
    right: Counter[TypoKind] = Counter()
    for row in rows:
        counts += _counted(row)
        missed = _wrong_places(row)
        for typo in explained(row.typed, row.wanted) if row.typos is None else row.typos:
            known[typo.kind] += 1
            right[typo.kind] += missed.isdisjoint(range(2 * typo.at, 2 * typo.end + 1))
    return TypingScore(
        pairs=counts["pairs"],
        exact=_share(counts["exact"], counts["pairs"]),
        cer_before=_share(counts["errors before"], counts["characters"]),
        cer_left=_share(counts["errors left"], counts["characters"]),
        edits_before=counts["wanted"],
        edits_left=counts["left"],
        precision=_share(counts["right"], counts["made"]),
        recall=_share(counts["right"], counts["wanted"]),
        f05=_f(counts["right"], counts["made"], counts["wanted"]),
        clean=counts["clean"],
        over_correction=_share(counts["touched"], counts["clean"]),
        paraphrases=counts["paraphrased"],
        by_kind={kind: KindRecall(typos=known[kind], corrected=right[kind]) for kind in sorted(known)},
    )


def _counted(row: Mended) -> Counter[str]:
    wanted, made = edits(row.typed, row.wanted), edits(row.typed, row.written)
    is_clean = row.typed == row.wanted
    return Counter(
        {
            "pairs": 1,
            "exact": row.written == row.wanted,
            "characters": len(row.wanted),
            "errors before": distance(row.typed, row.wanted) if not is_clean else 0,
            "errors left": distance(row.written, row.wanted) if row.written != row.wanted else 0,
            "wanted": len(wanted),
            "made": len(made),
            "right": len(set(wanted) & set(made)),
            "left": len(edits(row.written, row.wanted)),
            "clean": is_clean,
            "touched": is_clean and row.written != row.typed,
            "paraphrased": any(is_paraphrase(edit) for edit in set(made) - set(wanted)),
        }
    )


def _wrong_places(row: Mended) -> frozenset[int]:
    """Where what was written differs from what was meant: character n of it is 2n + 1, the gap before it 2n."""
    found, at = set[int](), 0
    for was, became in aligned(row.written, row.wanted) if row.written != row.wanted else ():
        if was != became:
            found |= set(range(2 * at + 1, 2 * (at + len(was)))) if was else {2 * at}
        at += len(was)
    return frozenset(found)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _f(right: int, made: int, wanted: int) -> float | None:
    """F of precision and recall; where nothing was to do and nothing was done there is none."""
    if not made and not wanted:
        return None
    return (1 + BETA**2) * right / (BETA**2 * wanted + made) if right else 0.0

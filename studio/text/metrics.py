"""Word and character error rates, and where the errors are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from studio.text import NORMALISERS, spoken, words_to_digits
from studio.text.alignment import AlignedKind, aligned

Unit = Literal["word", "character"]  # what errors are counted in
EditKind = AlignedKind | Literal["spelling"]
"""`spelling`: written differently, but it means the same (see studio.evaluation.word_diff)."""

LEAST_COUNTED = 20  # words or digits: a rate of fewer says more than it knows, and is not given


class Score(BaseModel):
    """Errors over a list of clips: `(substitutions + deletions + insertions) / words`."""

    model_config = ConfigDict(frozen=True)

    wer: float  # word error rate, 0 and up; 0.25 is one error in four words
    cer: float  # character error rate
    digit_error: float | None  # errors per digit spoken, whichever way it was written; None for under LEAST_COUNTED
    substitutions: int
    deletions: int
    insertions: int
    words: int  # in the references
    clips: int
    normaliser: str  # see studio.text.NORMALISERS
    sentence_accuracy: float | None = None  # share of clips without an error; None in results of an earlier version
    characters: int = 0  # in the references; 0 in results of an earlier version


class Edit(BaseModel):
    """One step of a word diff: `reference` words became `hypothesis` words."""

    model_config = ConfigDict(frozen=True)

    kind: EditKind
    reference: str
    hypothesis: str


def score(references: Sequence[str], hypotheses: Sequence[str], normaliser: str = "exact") -> Score:
    """Count the errors of `hypotheses` against `references`, by jiwer, after `normaliser`.

    An empty reference counts every word of its hypothesis as inserted. Raises ValueError where lengths differ.
    """
    normal = NORMALISERS[normaliser]
    pairs = [(normal(ref), normal(hyp)) for ref, hyp in zip(references, hypotheses, strict=True)]
    substitutions, deletions, insertions, words = _word_errors(pairs)
    wrong, characters = _character_errors(pairs)
    return Score(
        wer=_rate(substitutions + deletions + insertions, words),
        cer=_rate(wrong, characters),
        digit_error=_digit_error(list(zip(references, hypotheses, strict=True))),
        substitutions=substitutions,
        deletions=deletions,
        insertions=insertions,
        words=words,
        clips=len(pairs),
        normaliser=normaliser,
        sentence_accuracy=sum(ref == hyp for ref, hyp in pairs) / len(pairs) if pairs else None,
        characters=characters,
    )


def errors(reference: str, hypothesis: str, normaliser: str, unit: Unit = "word") -> tuple[int, int]:
    """The errors of one clip, and the words or characters of its reference, after `normaliser`."""
    normal = NORMALISERS[normaliser]
    pairs = [(normal(reference), normal(hypothesis))]
    if unit == "character":
        return _character_errors(pairs)
    substitutions, deletions, insertions, words = _word_errors(pairs)
    return substitutions + deletions + insertions, words


def diff(reference: str, hypothesis: str) -> list[Edit]:
    """The word-level edits that turn `reference` into `hypothesis`, in order."""
    said, written = reference.split(), hypothesis.split()
    return [
        Edit(kind=part.kind, reference=" ".join(said[part.reference]), hypothesis=" ".join(written[part.hypothesis]))
        for part in aligned(said, written)
    ]


def _rate(errors: int, total: int) -> float:
    return errors / total if total else float(errors > 0)


def _word_errors(pairs: list[tuple[str, str]]) -> tuple[int, int, int, int]:
    """Substitutions, deletions, insertions and reference words."""
    import jiwer

    extra = sum(len(hyp.split()) for ref, hyp in pairs if not ref)
    spoken_pairs = [pair for pair in pairs if pair[0]]
    if not spoken_pairs:
        return 0, 0, extra, 0
    out = jiwer.process_words([ref for ref, _ in spoken_pairs], [hyp for _, hyp in spoken_pairs])
    words = out.hits + out.substitutions + out.deletions
    return out.substitutions, out.deletions, out.insertions + extra, words


def _character_errors(pairs: list[tuple[str, str]]) -> tuple[int, int]:
    """Character errors and reference characters."""
    import jiwer

    extra = sum(len(hyp) for ref, hyp in pairs if not ref)
    spoken_pairs = [pair for pair in pairs if pair[0]]
    if not spoken_pairs:
        return extra, 0
    out = jiwer.process_characters([ref for ref, _ in spoken_pairs], [hyp for _, hyp in spoken_pairs])
    total = out.hits + out.substitutions + out.deletions
    return out.substitutions + out.deletions + out.insertions + extra, total


def _digit_error(pairs: list[tuple[str, str]]) -> float | None:
    """Errors per reference digit, of the digit sequences alone; None for fewer than LEAST_COUNTED digits."""
    digits = [(_digits(ref), _digits(hyp)) for ref, hyp in pairs]
    if sum(len(ref) for ref, _ in digits) < LEAST_COUNTED:
        return None
    substitutions, deletions, insertions, total = _word_errors([(" ".join(r), " ".join(h)) for r, h in digits])
    return (substitutions + deletions + insertions) / total


def _digits(text: str) -> list[str]:
    return re.findall(r"[0-9]", words_to_digits(spoken(text)))

"""Which words of one text became which of another: the alignment by jiwer that the scores count by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

AlignedKind = Literal["equal", "substitute", "delete", "insert"]


@dataclass(frozen=True, slots=True)
class AlignedWords:
    """Neighbouring words of the reference, and those of the hypothesis that they became: as many, or none."""

    kind: AlignedKind
    reference: slice
    hypothesis: slice

    @property
    def words(self) -> int:
        """How many words, on the side that has some."""
        return int(max(part.stop - part.start for part in (self.reference, self.hypothesis)))


def aligned(reference: Sequence[str], hypothesis: Sequence[str]) -> list[AlignedWords]:
    """An alignment with as few errors as can be, in order. No word may be empty or hold white space."""
    if not reference or not hypothesis:
        kind: AlignedKind = "delete" if reference else "insert"
        whole = AlignedWords(kind, slice(0, len(reference)), slice(0, len(hypothesis)))
        return [whole] if whole.words else []
    import jiwer

    chunks = jiwer.process_words(" ".join(reference), " ".join(hypothesis)).alignments[0]
    return [
        AlignedWords(
            cast(AlignedKind, chunk.type),
            slice(chunk.ref_start_idx, chunk.ref_end_idx),
            slice(chunk.hyp_start_idx, chunk.hyp_end_idx),
        )
        for chunk in chunks
    ]

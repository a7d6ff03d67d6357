"""What a tuned model does differently: how it writes numbers, case and punctuation, or which words it recognises.

A model that was taught to write `seven three two` for `732` may go from 92 to 1 % WER and hear exactly as before. Each
error of a clip has one cause, which the word diff shows, and each cause is tested for by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from studio.evaluation.evaluate import ScoredClip
from studio.evaluation.significance import Change, compare
from studio.evaluation.word_diff import compared
from studio.text import plain
from studio.text.metrics import Unit, errors

Pairs = Sequence[tuple[ScoredClip, ScoredClip]]
"""The same clips, transcribed before and after."""


class WhatChanged(BaseModel):
    """The errors of texts as they are written, by their cause."""

    model_config = ConfigDict(frozen=True)

    numbers: Change  # words that differ only in how a number is written
    writing: Change  # words that differ only in case or punctuation
    heard: Change  # words that are others


def what_changed(pairs: Pairs, unit: Unit) -> WhatChanged | None:
    """The causes of the errors in `pairs`, before and after; None where nothing was said."""
    before = [causes(was.reference, was.hypothesis, unit) for was, _ in pairs]
    after = [causes(now.reference, now.hypothesis, unit) for _, now in pairs]
    said = [errors(now.reference, now.reference, "spoken", unit)[1] for _, now in pairs]
    if not sum(said):
        return None
    numbers, writing, heard = (
        compare([was[cause] for was in before], [now[cause] for now in after], said, unit) for cause in range(3)
    )
    return WhatChanged(numbers=numbers, writing=writing, heard=heard)


def causes(reference: str, hypothesis: str, unit: Unit) -> tuple[int, int, int]:
    """Errors in writing numbers, in case and punctuation, and in the words; the last as it is spoken."""
    numbers = writing = heard = 0
    for edit in compared(reference, hypothesis):
        if edit.kind == "spelling":
            size = errors(edit.reference, edit.hypothesis, "exact", unit)[0]
            is_number = plain(edit.reference) != plain(edit.hypothesis)
            numbers, writing = numbers + size * is_number, writing + size * (not is_number)
        elif edit.kind != "equal":
            heard += errors(edit.reference, edit.hypothesis, "spoken", unit)[0]
    return numbers, writing, heard


def listed(parts: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last

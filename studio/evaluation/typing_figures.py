"""The figures of a model that corrects typing, before and after tuning, as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from studio.data.manifest import Example, Pair
from studio.evaluation.figures import percent
from studio.models import Hypothesis
from studio.typing.scores import Mended, TypingScore, score


class Figure(NamedTuple):
    """One row of a table."""

    name: str
    before: str
    after: str


def typing_score(clips: Sequence[Example], hypotheses: Sequence[Hypothesis]) -> TypingScore | None:
    """How well `hypotheses`, one a clip, correct what was typed; None where the clips are sound."""
    both = zip(clips, hypotheses, strict=True)
    rows = [Mended(pair.typed, pair.text, written.text) for pair, written in both if isinstance(pair, Pair)]
    return score(rows) if rows else None


def figures(before: TypingScore | None, after: TypingScore | None) -> list[Figure]:
    """What a report says of typing; nothing of sound."""
    if before is None or after is None:
        return []
    kinds = [kind for kind in after.by_kind if kind in before.by_kind]
    return [
        Figure("Sentences right to the letter", percent(before.exact), percent(after.exact)),
        Figure(
            f"Character errors left, of {percent(after.cer_before)} as typed",
            percent(before.cer_left),
            percent(after.cer_left),
        ),
        Figure("Wrong words removed", percent(before.removed), percent(after.removed)),
        Figure("F0.5 of the edits", percent(before.f05), percent(after.f05)),
        Figure(
            f"Changed, of {after.clean} typed without a typo",
            percent(before.over_correction),
            percent(after.over_correction),
        ),
        Figure("Sentences with a change that no typo explains", f"{before.paraphrases}", f"{after.paraphrases}"),
        *(
            Figure(
                f"Corrected, of {after.by_kind[kind].typos} “{kind}”",
                percent(before.by_kind[kind].share),
                percent(after.by_kind[kind].share),
            )
            for kind in kinds
        ),
    ]

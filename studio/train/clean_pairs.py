"""Pairs that are right as they were typed: with too few of them a model learns to correct what is right."""

from __future__ import annotations

import math
from collections.abc import Sequence

from studio.data.manifest import Example, Pair
from studio.text import counted
from studio.typing.typos import LEAST_IDENTITY


def copies(clips: Sequence[Example]) -> list[Example]:
    """What is learnt from besides `clips` where they are typing pairs: corrected texts, typed as they should read.

    So many that LEAST_IDENTITY of all pairs are right as typed, spread evenly over those that are not.
    """
    wrong = [clip for clip in clips if isinstance(clip, Pair) and not clip.is_clean]
    if not wrong:
        return []
    missing = LEAST_IDENTITY * len(clips) - (len(clips) - len(wrong))
    needed = max(0, math.ceil(missing / (1 - LEAST_IDENTITY)))
    chosen = [wrong[place * len(wrong) // needed] for place in range(needed)]
    return [pair.model_copy(update={"id": f"{pair.id}-clean", "typed": pair.text}) for pair in chosen]


def note(clips: Sequence[Example]) -> list[str]:
    """What a person should know of those copies before the run begins."""
    added = len(copies(clips))
    if not added:
        return []
    return [
        f"Too few pairs were typed without a typo: {counted(added, 'corrected text is', 'corrected texts are')} learnt "
        f"from as well, so that {LEAST_IDENTITY:.0%} of all need no correction and the model leaves correct text alone."
    ]

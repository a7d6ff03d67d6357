"""When each word of a clip is said: whether the times fit its label and its sound, and what a change makes of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from studio.data.utterance import Utterance
from studio.errors import DataError
from studio.text.label_words import label_words, letters, same_words

Words = list[tuple[str, tuple[float, float]]]
"""Each word with its start and end, in seconds from the start of its clip."""

ROUGH = "rough"  # `words_from` of times that were estimated without a model
BY_HAND = "hand"  # and of times that a person moved
SLACK = 0.1  # seconds by which words may overlap, or end after their clip: other programs round

_REMEDY = "Correct its word times, remove them, or align the words again."


def timed(clip: Utterance) -> Words | None:
    """The word times of `clip` where they are those of its label and its sound; None where there are none such."""
    return clip.words if clip.words and not fault(clip.words, clip.text, clip.duration) else None


def fault(words: Sequence[tuple[str, tuple[float, float]]], text: str, duration: float) -> str:
    """What is wrong with `words` as the times of `text`, said in `duration` seconds; empty where all fits."""
    if wrong := next((word for word, (start, end) in words if not 0 <= start <= end < math.inf), None):
        return f"The word “{wrong[:40]}” ends before it starts, or has no time."
    if crossing := next((pair for pair in pairwise(words) if pair[1][1][0] < pair[0][1][1] - SLACK), None):
        return f"“{crossing[1][0][:40]}” starts before “{crossing[0][0][:40]}” has ended: word times must not cross."
    if words and words[-1][1][1] > duration + SLACK:
        return f"The word “{words[-1][0][:40]}” ends at {words[-1][1][1]:.2f} s; the clip lasts {duration:.2f} s."
    if not same_words((word for word, _ in words), text):
        return f"The timed words are “{_short(word for word, _ in words)}”; the label is “{_short([text])}”."
    return ""


def checked(words: Sequence[tuple[str, tuple[float, float]]], text: str, duration: float) -> Words:
    """`words` without what rounding made of them: overlaps, an end after the clip. Raises DataError for more."""
    if wrong := fault(words, text, duration):
        raise DataError(wrong, _REMEDY)
    ends = [
        min(end, start_of_next) for (_, (_, end)), start_of_next in zip(words, _starts(words, duration), strict=True)
    ]
    return [(word, (min(start, end), end)) for (word, (start, _)), end in zip(words, ends, strict=True)]


def one_by_one(words: Iterable[tuple[str, tuple[float, float]]]) -> Words:
    """`words` with one word an entry: the time of an entry that holds several is shared out by their letters."""
    found: Words = []
    for text, (start, end) in words:
        parts = text.split()
        if len(parts) < 2 or len(label_words(text)) < 2:
            found.append((text, (start, end)))
            continue
        shares = [max(1, len(letters(part))) for part in parts]
        at = start
        for part, share in zip(parts, shares, strict=True):
            until = at + (end - start) * share / sum(shares)
            found.append((part, (round(at, 4), round(until, 4))))
            at = until
    return found


def kept(words: Sequence[tuple[str, tuple[float, float]]] | None, text: str) -> Words | None:
    """The times of `words` for a label that is now `text`: the same words, spelt otherwise, keep theirs."""
    spelt = label_words(text)
    if not words or len(spelt) != len(words):
        return None
    if any(letters(word) != letters(new) for (word, _), new in zip(words, spelt, strict=True)):
        return None
    return [(new, times) for (_, times), new in zip(words, spelt, strict=True)]


def _starts(words: Sequence[tuple[str, tuple[float, float]]], duration: float) -> list[float]:
    """When the word after each starts, or the clip ends."""
    return [start for _, (start, _) in words[1:]] + [duration] * bool(words)


def _short(texts: Iterable[str]) -> str:
    joined = " ".join(texts)
    return joined if len(joined) <= 60 else f"{joined[:59]}…"

"""One sentence on a run: is the tuned model better on the held-out clips, and how sure is that?"""

from __future__ import annotations

from studio.bootstrap import Change, compare
from studio.evaluate import Evaluation, ScoredClip
from studio.metrics import score

_WORDS = {
    "better": "Better",
    "worse": "Worse",
    "no difference shown": "No difference shown",
}


def change(before: Evaluation, after: Evaluation) -> Change | None:
    """How the word error rate changed on the clips that both read; None where they share none with a word."""
    if before.score.normaliser != after.score.normaliser or before.test_set_hash != after.test_set_hash:
        return None
    earlier = {row.id: row for row in before.rows}
    pairs = [(earlier[row.id], row) for row in after.rows if row.id in earlier]
    by = after.score.normaliser
    counted = [(word_errors(was, by), word_errors(now, by)) for was, now in pairs]
    words = [words for (_, words), _ in counted]
    if not sum(words):
        return None
    return compare([was for (was, _), _ in counted], [now for _, (now, _) in counted], words)


def sentence(found: Change) -> str:
    """`found` for a person: `Better: 77.7 points fewer errors per 100 words (95 % interval: 71.2 to 84.0 fewer).`"""
    low, high = 100 * found.low, 100 * found.high
    size = f"{abs(100 * found.change):.1f} points {'fewer' if found.change <= 0 else 'more'}"
    if low < 0 < high:
        interval = f"{-low:.1f} fewer to {high:.1f} more"
    else:
        nearer, farther = sorted((abs(low), abs(high)))
        interval = f"{nearer:.1f} to {farther:.1f} {'fewer' if high <= 0 else 'more'}"
    return f"{_WORDS[found.verdict]}: {size} wrong words in 100 (95 % interval: {interval})."


def word_errors(row: ScoredClip, normaliser: str) -> tuple[int, int]:
    """Word errors, and words of the reference."""
    counted = score([row.reference], [row.hypothesis], normaliser)
    return counted.substitutions + counted.deletions + counted.insertions, counted.words

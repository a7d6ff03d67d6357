"""Scores and mistakes as pandas tables, for a notebook or a spreadsheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.evaluation.error_analysis import ClipResult, Mistakes
from studio.evaluation.evaluate import Comparison

if TYPE_CHECKING:
    from pandas import DataFrame


def scored_clips(comparison: Comparison) -> DataFrame:
    """A row a clip: reference, and each model's hypothesis, WER, latency (seconds) and confidence."""
    from pandas import DataFrame

    shared = ["id", "audio_filepath", "reference", "seconds"]
    own = ["hypothesis", "wer", "latency", "confidence"]
    before = DataFrame([row.model_dump(include={*shared, *own}) for row in comparison.before.rows])[shared + own]
    if comparison.after is None:
        return before
    after = DataFrame([row.model_dump(include={"id", *own}) for row in comparison.after.rows])
    return before.merge(after, on="id", how="outer", suffixes=("_before", "_after"), sort=False)


def clips(found: Mistakes) -> DataFrame:
    """A row a clip: conditions, both hypotheses, errors and WER before and after, and what became of it."""
    from pandas import DataFrame

    return DataFrame([_clip(clip) for clip in found.clips])


def words(found: Mistakes) -> DataFrame:
    """A row a word of the references: how often it was said, and how often written right, before and after."""
    from pandas import DataFrame

    frame = DataFrame(
        [row.model_dump() for row in found.words], columns=["word", "said", "right_before", "right_after"]
    )
    return frame.assign(accuracy_before=frame.right_before / frame.said, accuracy_after=frame.right_after / frame.said)


def confusions(found: Mistakes) -> DataFrame:
    """A row a confusion: what was said, what was written for it, and how often, before and after."""
    from pandas import DataFrame

    columns = ["said", "written", "before", "after", "is_spelling"]
    return DataFrame([row.model_dump() for row in found.confusions], columns=columns)


def _clip(clip: ClipResult) -> dict[str, Any]:
    before, after = clip.before, clip.after
    return {
        **clip.model_dump(include={"id", "reference", "speaker", "seconds", "pace", "snr"}),
        "words": clip.words,
        "outcome": clip.outcome,
        "hypothesis_before": " ".join(edit.hypothesis for edit in before.edits if edit.hypothesis) if before else None,
        "hypothesis_after": " ".join(edit.hypothesis for edit in after.edits if edit.hypothesis),
        "errors_before": before.errors if before else None,
        "errors_after": after.errors,
        "wer_before": before.wer if before else None,
        "wer_after": after.wer,
        "confidence_after": after.confidence,
    }

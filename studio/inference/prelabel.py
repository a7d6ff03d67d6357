"""Pre-labelling: what a model transcribes, kept next to the labels first, and then offered as labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from studio.data.labels.proposals import Proposal
from studio.data.manifest import Dataset, Utterance
from studio.data.store import asr_results
from studio.data.store.asr_results import AsrResult
from studio.inference.batched import batches
from studio.models import Hypothesis, Recogniser
from studio.progress import OnProgress
from studio.text.metrics import score


def prelabel(
    recogniser: Recogniser,
    dataset: Dataset,
    clips: Sequence[Utterance],
    adapter: str | None,
    on_progress: OnProgress,
) -> list[str]:
    """Transcribe `clips` into heard.jsonl, batch by batch; `adapter` is what to call the adapter.

    Returns why each of the others could not be transcribed. What is done stays even where `on_progress` ends the work.
    """
    skipped: list[str] = []
    before = asr_results.read(dataset)
    for batch in batches(recogniser, dataset, clips, on_progress, skipped):
        found = [reading(read.utterance, read.hypothesis, recogniser.source, adapter) for read in batch]
        asr_results.append(dataset, [_with_judgement(item, before.get(item.id)) for item in found])
    asr_results.tidy(dataset)
    return skipped


def reading(clip: Utterance, hypothesis: Hypothesis, model: str, adapter: str | None) -> AsrResult:
    """The transcript of one clip, as a line of heard.jsonl."""
    return AsrResult(
        id=clip.id,
        audio_sha256=clip.audio_sha256,
        label=clip.text,
        model=model,
        adapter=adapter,
        text=hypothesis.text,
        wer=round(score([clip.text], [hypothesis.text], "spoken").wer, 4),
        confidence=None if hypothesis.confidence is None else round(hypothesis.confidence, 4),
        words=hypothesis.words or [],
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def proposals(
    clips: Sequence[Utterance], found: Mapping[str, AsrResult], at_least: float = 0.0
) -> tuple[list[Proposal], int]:
    """Transcripts as new labels of `clips`, where they differ; and how many of `clips` have one.

    Only transcripts whose least sure word reaches `at_least` (0..1) are offered: one wrong word makes a wrong label.
    """
    pairs = [(clip, found[clip.id]) for clip in clips if clip.id in found]
    offered = [
        Proposal(id=clip.id, before=clip.text, after=item.text, rule=f"{least_confidence(item):.0%} sure")
        for clip, item in pairs
        if item.text.strip() and item.text != clip.text and least_confidence(item) >= at_least
    ]
    return offered, len(pairs)


def least_confidence(item: AsrResult) -> float:
    """How sure the model was of the word it was least sure of, 0..1; the mean token's where words are unknown."""
    return min((chance for _, chance in item.words), default=item.confidence or 0.0)


def _with_judgement(item: AsrResult, before: AsrResult | None) -> AsrResult:
    """`item` with what a search for suspects by the same reader said of the same label."""
    if before is None or (before.model, before.adapter, before.label) != (item.model, item.adapter, item.label):
        return item
    kept = before.model_dump(include={"base_text", "loss", "suspicion", "reason"})
    return item.model_copy(update=kept)

"""Suspect labels: what does not fit its clip, the likeliest mistakes first.

Two signs count together. A label that is wrong costs the model far more nats per token than the dataset's usual one,
given the sound; and what the model writes instead, with and without its adapter, is another text. The first alone
flags hard clips, the second alone flags a weak model.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from studio.data.manifest import Dataset, Utterance
from studio.data.store import asr_results
from studio.data.store.asr_results import AsrResult
from studio.inference.batched import Read, batches
from studio.inference.prelabel import reading
from studio.models import Clip, Recogniser
from studio.models.adapters import without_adapter
from studio.progress import OnProgress
from studio.text import digits_to_words, plain, words_to_digits
from studio.text.metrics import score

LIKELY = 0.5  # suspicion from which on a label should be looked at
NATS = 1.5  # per token above the usual loss, at which 63 % of the loss's share is reached
LOSS_WEIGHT = 0.7  # of the two signs; chosen on synthetic voices with planted mistakes
AGREEMENT = 1.25  # a difference counts more where base and tuned model write the same
LOST = 0.5  # word error rate of the usual clip from which on a model cannot judge labels: it found 3 of 16


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found."""

    clips: int  # that were transcribed
    likely: int  # whose suspicion is above LIKELY
    is_lost: bool  # whether the model transcribes these clips so badly that its suspects mean little
    skipped: list[str]  # why the others could not be transcribed


def find_suspects(
    recogniser: Recogniser,
    dataset: Dataset,
    clips: Sequence[Utterance],
    adapter: str | None,
    on_progress: OnProgress,
) -> Search:
    """Read `clips` and write to heard.jsonl how suspicious each label is, 0 to 1, with a reason.

    `adapter` is what to call the adapter; with one the base model reads too. The suspicion is relative to the other
    clips read, so that it needs some dozens of them. Nothing is written where `on_progress` ends the work.
    """
    skipped: list[str] = []
    found: list[AsrResult] = []
    for batch in batches(recogniser, dataset, clips, on_progress, skipped):
        found += _judged(recogniser, batch, adapter)
    judged = with_suspicion(found)
    asr_results.append(dataset, judged)
    asr_results.tidy(dataset)
    likely = sum((item.suspicion or 0.0) > LIKELY for item in judged)
    usual = statistics.median(item.wer or 0.0 for item in judged) if judged else 0.0
    return Search(clips=len(judged), likely=likely, is_lost=usual >= LOST, skipped=skipped)


def with_suspicion(found: Sequence[AsrResult]) -> list[AsrResult]:
    """`found` with suspicions and reasons, by their losses and texts alone."""
    losses = [item.loss for item in found if item.loss is not None]
    usual = statistics.median(losses) if losses else 0.0
    return [_with_suspicion(item, usual) for item in found]


def label_loss(recogniser: Recogniser, clip: Clip) -> float:
    """Nats per token of the label, written as it is or in the model's own manner, whichever costs less.

    A model that writes digits, or no capitals, would find every label in words, or with capitals, a surprise.
    """
    import torch

    family, model = recogniser.family, recogniser.model
    quiet = plain(clip.text)
    costs = []
    with torch.no_grad():
        for text in dict.fromkeys((clip.text, digits_to_words(quiet), words_to_digits(quiet))):
            row = family.prepare(model, recogniser.processor, Clip(clip.samples, text, clip.id))
            nats, tokens = family.loss(model, family.collate([row]))
            costs.append(nats.item() / max(tokens.item(), 1))
    return min(costs)


def _judged(recogniser: Recogniser, batch: Sequence[Read], adapter: str | None) -> list[AsrResult]:
    found = [
        reading(read.utterance, read.hypothesis, recogniser.source, adapter).model_copy(
            update={"loss": round(label_loss(recogniser, read.clip), 4)}
        )
        for read in batch
    ]
    if adapter is None or not batch:
        return found
    with without_adapter(recogniser):
        clips = [read.clip for read in batch]
        base = recogniser.family.transcribe_batch(recogniser.model, recogniser.processor, clips)
    return [item.model_copy(update={"base_text": was.text}) for item, was in zip(found, base, strict=True)]


def _with_suspicion(item: AsrResult, usual: float) -> AsrResult:
    texts = [text for text in (item.text, item.base_text) if text is not None]
    difference = min(_difference(item.label, text) for text in texts)
    agree = len(texts) == 2 and _difference(item.text, texts[1]) == 0
    difference = min(1.0, difference * (AGREEMENT if agree else 1.0))
    excess = max(0.0, (item.loss or 0.0) - usual)
    stands_out = 1 - math.exp(-excess / NATS)
    suspicion = stands_out**LOSS_WEIGHT * difference ** (1 - LOSS_WEIGHT)
    return item.model_copy(update={"suspicion": round(suspicion, 4), "reason": _reason(item, usual, agree, suspicion)})


def _difference(label: str, text: str) -> float:
    """Character errors of `text` against `label`, both as spoken, 0 to 1."""
    return min(1.0, score([label], [text], "spoken").cer)


def _reason(item: AsrResult, usual: float, agree: bool, suspicion: float) -> str:
    if suspicion <= LIKELY:
        return ""
    who = "Both the base model and the tuned one" if agree else "The model"
    said = f"{who} transcribed “{item.text}”." if item.text else f"{who} transcribed nothing."
    cost = (
        f"The model finds this label very unlikely: {item.loss:.1f} nats per token, where {usual:.1f} is usual here."
        if item.loss
        else ""
    )
    return f"{said} {cost}".strip()

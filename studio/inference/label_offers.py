"""New labels of every kind, as one list that is shown, and applied only while it is still the one that was shown."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from studio.data import word_times
from studio.data.labels.numbers import numbers
from studio.data.labels.proposals import Proposal, apply, described
from studio.data.labels.style import KINDS, StyleFinding, findings, knows
from studio.data.manifest import Dataset, Utterance
from studio.data.store import asr_results
from studio.errors import ConfigError, ConflictError
from studio.inference import prelabel
from studio.models import locate
from studio.text import Convention
from studio.text.number_rules import DigitRules, WordRules


class Request(BaseModel):
    """What a person wants to see as new labels. Only what belongs to `kind` is looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["numbers", "style", "heard"]
    convention: Convention = "words"  # numbers
    rules: dict[str, str] = {}  # numbers: those that differ from the defaults of WordRules or DigitRules
    finding: str = ""  # style: the kind of a finding
    model: str = ""  # style: whose tokenizer must know the characters; empty asks none
    sure: float = Field(default=0.0, ge=0, le=1)  # heard: of the least sure word


class Offer(BaseModel):
    """New labels, with the name of exactly this list."""

    model_config = ConfigDict(frozen=True)

    title: str  # for the history: "Numbers as words"
    proposals: list[Proposal]
    clips: int  # that were checked, or transcribed
    digest: str
    untimed: int = 0  # labels that would lose their word times: other words than those that were timed


def offer(dataset: Dataset, clips: Sequence[Utterance], request: Request) -> Offer:
    """What `request` would change in `clips`. Raises ConfigError, ModelError, DiskError."""
    title, proposals, count = _offered(dataset, clips, request)
    untimed = _untimed(clips, proposals)
    return Offer(title=title, proposals=proposals, clips=count, digest=_digest(proposals), untimed=untimed)


def accept(
    dataset: Dataset, clips: Sequence[Utterance], request: Request, digest: str | None, without: Sequence[str] = ()
) -> tuple[int, str]:
    """Write the new labels, but for the ids in `without`, as one action; how many, and what the history calls it.

    Raises ConflictError where the list is no longer the one that `digest` names: labels changed meanwhile.
    """
    made = offer(dataset, clips, request)
    if digest is not None and made.digest != digest:
        raise ConflictError("Labels have changed since this list was shown.", "Look at the new list, then apply it.")
    left = set(without)
    chosen = [proposal for proposal in made.proposals if proposal.id not in left]
    what = described(made.title, len(chosen))
    apply(dataset, chosen, what)
    return len(chosen), what


def rules_for(convention: Convention, chosen: dict[str, str]) -> WordRules | DigitRules:
    """The rules with `chosen` in place of their defaults. Raises ConfigError, which names what there is."""
    kind = WordRules if convention == "words" else DigitRules
    try:
        return kind.model_validate(chosen)
    except ValueError as error:
        known = {name: list(field.annotation.__args__) for name, field in kind.model_fields.items() if field.annotation}
        options = ", ".join(f"{name}={'|'.join(values)}" for name, values in known.items())
        raise ConfigError("Unknown rule for numbers.", f"The rules are {options}.") from error


def style(clips: Sequence[Utterance], model: str) -> list[StyleFinding]:
    """What is inconsistent in the labels of `clips`; with a `model`, also what its tokenizer does not know.

    Raises ModelError where there is no such model.
    """
    return findings(clips, knows(locate(model)) if model else None)


def _offered(dataset: Dataset, clips: Sequence[Utterance], request: Request) -> tuple[str, list[Proposal], int]:
    if request.kind == "numbers":
        rules = rules_for(request.convention, request.rules)
        return f"Numbers as {request.convention}", numbers(clips, rules), len(clips)
    if request.kind == "heard":
        proposals, count = prelabel.proposals(clips, asr_results.read(dataset), request.sure)
        return "Transcripts used", proposals, count
    if request.finding not in KINDS:
        raise ConfigError(f"Unknown kind of inconsistency “{request.finding[:40]}”.", f"Kinds: {', '.join(KINDS)}.")
    if request.finding == "tokenizer" and not request.model:
        raise ConfigError("This check needs a model's tokenizer.", "Add --model.")
    found = {finding.kind: finding for finding in style(clips, request.model)}
    finding = found.get(request.finding)
    return (finding.title, finding.proposals, len(clips)) if finding else ("Style", [], len(clips))


def _untimed(clips: Sequence[Utterance], proposals: Sequence[Proposal]) -> int:
    after = {proposal.id: proposal.after for proposal in proposals}
    timed = (clip for clip in clips if clip.words and clip.id in after)
    return sum(word_times.kept(clip.words, after[clip.id]) is None for clip in timed)


def _digest(proposals: Sequence[Proposal]) -> str:
    rows = repr([(item.id, item.before, item.after) for item in proposals])
    return hashlib.sha256(rows.encode("utf-8", "replace")).hexdigest()[:16]

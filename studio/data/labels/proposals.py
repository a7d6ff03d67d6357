"""Changes to many labels, as a list that is shown first and then applied as one action that can be undone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from studio.data.manifest import Dataset, Example, Utterance
from studio.data.utterance import checked_label
from studio.errors import DataError
from studio.text import counted

Rewrite = Callable[[str], tuple[str, list[str]]]
"""From a label to the new one and the rules that changed it; the same label where nothing is to be done."""


class Proposal(BaseModel):
    """One label that would change."""

    model_config = ConfigDict(frozen=True)

    id: str  # of the clip
    before: str
    after: str
    rule: str  # what changed it: "phone, ordinal"


def propose(clips: Iterable[Utterance], rewrite: Rewrite) -> list[Proposal]:
    """What `rewrite` would change; a label that would become empty is left alone."""
    found = []
    for clip in clips:
        after, rules = rewrite(clip.text)
        if after != clip.text and (label := _label(after)) != clip.text:
            found.append(Proposal(id=clip.id, before=clip.text, after=label or clip.text, rule=", ".join(rules)))
    return [item for item in found if item.after != item.before]


def _label(text: str) -> str:
    """`text` as it would be kept; empty where nothing would be left of it."""
    try:
        return checked_label(text)
    except DataError:
        return ""


def apply(dataset: Dataset, proposals: Sequence[Proposal], what: str) -> list[Example]:
    """Write the new labels, all in one action of the history, called `what`.

    Raises ConflictError where a label is no longer what the proposal showed, and then changes nothing.
    """
    if not proposals:
        return []
    changes = {proposal.id: {"text": proposal.after} for proposal in proposals}
    return dataset.change(changes, what, was={proposal.id: {"text": proposal.before} for proposal in proposals})


def described(title: str, count: int) -> str:
    """What the history calls it: `Numbers as words in 31 labels`."""
    return f"{title} in {counted(count, 'label')}"


def as_diff(proposals: Sequence[Proposal]) -> str:
    """For a terminal: each label before and after, two lines and an empty one."""
    blocks = [f"  {item.id}  ({item.rule})\n- {item.before}\n+ {item.after}\n" for item in proposals]
    return "\n".join(blocks)

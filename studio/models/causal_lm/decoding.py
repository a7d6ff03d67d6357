"""Greedy decoding with the typed text as a draft: most of it is right, and one pass of the network reads all of it.

Known as aggressive decoding (Sun et al. 2021, arXiv:2106.04970): one pass checks the rest of the typed text, what the
model would write just so is taken over at once, at the first difference its own token is written, and then what was
typed after that place is the next draft. The draft may have probable corrections in it already. Token for token the
text of plain greedy decoding (a test compares them).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from studio.models.causal_lm.rejoining import TypedAhead
from studio.models.greedy import Written

if TYPE_CHECKING:
    import torch


_LOST_AFTER = 2  # passes that took nothing over in a row: the answer has probably left the draft for good
_LOST = 3  # tokens that are drafted then: a pass that checks more costs more


class Network(Protocol):
    """A language model in some runtime, which remembers the tokens that it was given for the text at hand."""

    def __call__(self, ids: Sequence[int], seen: int, first: int) -> torch.Tensor:
        """Logits (len(ids) - first, vocabulary) in fp32 of the token after each of `ids` from the `first` on.

        `ids` continue the first `seen` tokens of those given before; the others are forgotten. 0 begins a new text.
        """
        ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """What decoding keeps to."""

    ends: Sequence[int]
    limit: int  # tokens of an answer at most
    margin: float = 0.0  # nats


def corrected(network: Network, prompt: Sequence[int], typed: TypedAhead, bounds: Bounds) -> Written:
    """The answer of `network` to `prompt`.

    With a margin the typed text's next token stays unless another is likelier by that much. An answer that has not
    ended within its limit is cut there: it has one probability for each token, and none for an end.
    """
    written, seen, given, alone = Written(), 0, list(prompt), 0
    while not written.ended:
        draft = [*typed.after(written.ids), bounds.ends[0]]
        is_lost = alone > _LOST_AFTER and not bounds.margin  # with a margin the draft also says what is written
        draft = draft[: min(bounds.limit - len(written.ids), _LOST if is_lost else len(draft))]
        logits = network([*given, *draft[:-1]], seen, len(given) - 1)
        taken = _take(written, logits.log_softmax(-1), draft, bounds)
        alone = alone + 1 if taken == 1 else 0
        seen += len(given) + taken - 1
        given = written.ids[-1:]
    return written


def _take(written: Written, chances: torch.Tensor, draft: Sequence[int], bounds: Bounds) -> int:
    """Write as much of `draft` as the model would, and its own token where it would not; how many tokens it was."""
    likeliest, best = chances.max(-1)
    for place, (token, own, most) in enumerate(zip(draft, best.tolist(), likeliest.tolist(), strict=False)):
        drafted = chances[place, token].item()
        chosen, chance = (token, drafted) if drafted >= most - bounds.margin else (own, most)
        written.take(chosen, math.exp(chance), bounds.limit, bounds.ends)
        if written.ended or chosen != token:
            return place + 1
    return len(draft)

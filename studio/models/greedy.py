"""Greedy decoding of a batch: the likeliest next token of every row, until each has ended or reached its limit.

Token for token what `generate(do_sample=False, num_beams=1)` writes (a test compares them), with a limit for each row,
the probability of each token and the text so far, none of which `generate` gives in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from studio.models.key_terms import Match


@dataclass(frozen=True, slots=True)
class Rules:
    """What every text begins and ends with, and what may not be written. All are token ids."""

    prompt: Sequence[int]  # given to the decoder before the first token is written
    ends: Sequence[int]
    never: Sequence[int] = ()  # transformers' suppress_tokens
    never_first: Sequence[int] = ()  # transformers' begin_suppress_tokens


@dataclass(slots=True)
class Written:
    """One row's tokens, without the end token, and the probability of each token, the end token's included.

    A probability is the model's own: where key terms made a token likelier, it is what it was without them.
    """

    ids: list[int] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)
    ended: bool = False

    @property
    def confidence(self) -> float:
        """Mean token probability, 0..1."""
        return sum(self.chances) / max(len(self.chances), 1)

    def take(self, token: int, chance: float, limit: int, ends: Sequence[int]) -> None:
        """Go on by one token, unless the row has ended."""
        if self.ended:
            return
        self.chances.append(chance)
        if token not in ends:
            self.ids.append(token)
        self.ended = token in ends or len(self.ids) >= limit


_STILL_WORTH_IT = 0.75  # share of the rows below which those that go on move together: it copies what was heard

NextLogits = Callable[["torch.Tensor", "torch.Tensor", "torch.Tensor", Any], "torch.Tensor"]


def greedy(
    next_logits: NextLogits,
    memories: Sequence[torch.Tensor],
    limits: Sequence[int],
    rules: Rules,
    on_token: Callable[[list[int]], None] | None = None,
    matches: Sequence[Match | None] = (),
    draft: Sequence[int] = (),
) -> list[Written]:
    """Decode `memories`, encoder outputs (frames, width) of one clip each, with at most `limits` tokens.

    `next_logits(ids, frames, mask, cache)` gives (batch, tokens, vocabulary) in fp32 for the token after each of `ids`
    (batch, tokens), which continue those that are in the `cache`. `on_token` gets the first row's ids after each token.
    `matches` says, row by row, which key terms are made likelier; a row may have none. Where there are no `matches`
    rows that have ended leave the batch; otherwise each keeps its place, which may select an adapter. `draft` is
    what a single row without key terms is likely to begin with: what the model would write just so is taken over in one
    step, and the rest written as ever. Call it in eval mode without gradients.
    """
    import torch

    batch, forbidden = _Batch.of(memories, limits, rules), [*rules.never, *rules.never_first]
    written = batch.rows
    if draft:
        batch.ids, forbidden = _taken_over(next_logits, batch, rules, draft), [*rules.never]
    while not all(row.ended for row in batch.rows):
        logits = next_logits(batch.ids, *batch.heard)[:, -1]
        if forbidden:
            logits[:, forbidden] = -torch.inf
        chances = logits.softmax(-1)
        ids, forbidden = _likelier(logits, matches).argmax(-1, keepdim=True), [*rules.never]
        batch.take(ids, chances.gather(1, ids), rules.ends)
        for match, token in zip(matches, ids[:, 0].tolist(), strict=False):
            if match is not None:
                match.take(token)
        if on_token is not None:
            on_token(written[0].ids)
        if not matches:
            batch.drop_ended()
    return written


@dataclass(slots=True)
class _Batch:
    """The rows that are still written, and each one's part of every tensor."""

    rows: list[Written]
    limits: list[int]
    ids: torch.Tensor  # (rows, tokens): what the decoder is given next
    frames: torch.Tensor
    mask: torch.Tensor
    cache: Any

    @classmethod
    def of(cls, memories: Sequence[torch.Tensor], limits: Sequence[int], rules: Rules) -> _Batch:
        """Nothing is written yet."""
        import torch

        from studio.models.kernels.cache import empty_cache

        frames, mask = _shared(memories) or padded(memories)
        ids = torch.tensor([list(rules.prompt)] * len(memories), device=frames.device)
        return cls([Written() for _ in memories], list(limits), ids, frames, mask, empty_cache())

    @property
    def heard(self) -> tuple[torch.Tensor, torch.Tensor, Any]:
        """What the decoder is given besides the ids."""
        return self.frames, self.mask, self.cache

    def take(self, ids: torch.Tensor, chances: torch.Tensor, ends: Sequence[int]) -> None:
        """Write a token (rows, 1) and its probability into each row."""
        self.ids = ids
        for row, token, chance, limit in zip(
            self.rows, ids[:, 0].tolist(), chances[:, 0].tolist(), self.limits, strict=True
        ):
            row.take(token, chance, limit, ends)

    def drop_ended(self) -> None:
        """Go on without the rows that have ended, once they are many: they cost as much as the others."""
        import torch

        going = [place for place, row in enumerate(self.rows) if not row.ended]
        if not going or len(going) > _STILL_WORTH_IT * len(self.rows):
            return
        self.rows, self.limits = [self.rows[place] for place in going], [self.limits[place] for place in going]
        places = torch.tensor(going, device=self.ids.device)
        self.ids, self.frames, self.mask = self.ids[places], self.frames[places], self.mask[places]
        self.cache.batch_select_indices(places)


def _taken_over(next_logits: NextLogits, batch: _Batch, rules: Rules, draft: Sequence[int]) -> torch.Tensor:
    """Write into the one row as much of `draft` as the model would, and its next token, which is given (1, 1).

    One pass over all of it, as in speculative decoding (arXiv:2211.17192), with a draft instead of a drafting model.
    """
    import torch

    ids = torch.tensor([[*rules.prompt, *draft]], device=batch.ids.device)
    logits = next_logits(ids, *batch.heard)[0, len(rules.prompt) - 1 :]
    logits[:, list(rules.never)] = -torch.inf
    logits[0, list(rules.never_first)] = -torch.inf
    chances, best = logits.softmax(-1).max(-1)
    agreed = next((place for place, token in enumerate(draft) if best[place] != token), len(draft))
    for token, chance in zip(best[: agreed + 1].tolist(), chances.tolist(), strict=False):
        batch.rows[0].take(token, chance, batch.limits[0], rules.ends)
    if agreed < len(draft):  # 0 would empty the cache of an earlier transformers
        batch.cache.self_attention_cache.crop(agreed - len(draft))
    return best[agreed].view(1, 1)


def _likelier(logits: torch.Tensor, matches: Sequence[Match | None]) -> torch.Tensor:
    """`logits` (batch, vocabulary), changed in place: each row's key terms have their bonuses."""
    for row, match in enumerate(matches):
        if match is not None and (bonuses := match.bonuses()):
            logits[row, list(bonuses)] += logits.new_tensor(list(bonuses.values()))
    return logits


def _shared(memories: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor] | None:
    """As `padded`, where all rows are one and the same: a view of it, which tells layers to compute it once."""
    first = memories[0]
    if len(memories) == 1 or any(one.data_ptr() != first.data_ptr() or one.shape != first.shape for one in memories):
        return None
    frames, mask = padded([first])
    return frames.expand(len(memories), -1, -1), mask.expand(len(memories), -1)


def padded(memories: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """(batch, frames, width), a copy (the streaming decoder adds positions in place), and the mask of real frames."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    frames = pad_sequence(list(memories), batch_first=True)
    lengths = torch.tensor([len(memory) for memory in memories], device=frames.device)
    return frames, torch.arange(frames.shape[1], device=frames.device) < lengths[:, None]

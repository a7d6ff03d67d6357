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


@dataclass(slots=True)
class Written:
    """One row's tokens, without the end token, and the probability of each token, the end token's included."""

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


def greedy(
    base: Any,
    memories: Sequence[torch.Tensor],
    limits: Sequence[int],
    ends: Sequence[int],
    on_token: Callable[[list[int]], None] | None = None,
) -> list[Written]:
    """Decode `memories`, encoder outputs (frames, width) of one clip each, with at most `limits` tokens.

    `on_token` gets the first row's ids after each token. Call it in eval mode without gradients.
    """
    import torch

    frames, mask = _padded(memories)
    cache = _empty_cache()
    rows = [Written() for _ in memories]
    ids = torch.full((len(rows), 1), base.config.decoder_start_token_id, device=frames.device)
    while not all(row.ended for row in rows):
        hidden = base.model.decoder(
            input_ids=ids,
            encoder_hidden_states=frames,  # read at the first token only: then its keys and values are cached
            encoder_attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        chances, best = base.proj_out(hidden[:, -1]).float().softmax(-1).max(-1)
        ids = best[:, None]
        for row, token, chance, limit in zip(rows, best.tolist(), chances.tolist(), limits, strict=True):
            row.take(token, chance, limit, ends)
        if on_token is not None:
            on_token(rows[0].ids)
    return rows


def _padded(memories: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """(batch, frames, width), a copy (the streaming decoder adds positions in place), and the mask of real frames."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    frames = pad_sequence(list(memories), batch_first=True)
    lengths = torch.tensor([len(memory) for memory in memories], device=frames.device)
    return frames, torch.arange(frames.shape[1], device=frames.device) < lengths[:, None]


def _empty_cache() -> Any:
    from transformers.cache_utils import DynamicCache, EncoderDecoderCache

    return EncoderDecoderCache(DynamicCache(), DynamicCache())

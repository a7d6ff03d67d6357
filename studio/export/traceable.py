"""Encoders and decoders as plain modules for one clip at a time, which phones' formats are made from.

What transformers' models compute, with their layers and weights, but without their caches, masks and batches, which
neither torch.export nor a trace can follow. What is a family's own is in `traceable_moonshine` and `traceable_whisper`.
Imported late: it needs PyTorch at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

Turn = Callable[[Tensor], Tensor]  # of queries or keys (heads, tokens, width of a head), by their places
_HIDDEN = -1e4  # the score of what may not be looked at; fp16 holds it


class Attention(nn.Module):
    """The matrices of an attention of so many `heads`; `out` is the last one, which families name differently."""

    def __init__(self, attention: Any, out: nn.Module, heads: int) -> None:
        super().__init__()
        self.queries, self.keys, self.values = attention.q_proj, attention.k_proj, attention.v_proj
        self.out, self.heads = out, heads
        self.width = attention.q_proj.out_features // heads

    def split(self, hidden: Tensor) -> Tensor:
        """(tokens, width) as (heads, tokens, width of a head)."""
        return hidden.view(-1, self.heads, self.width).transpose(0, 1)

    def parts(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value of `hidden` (tokens, width)."""
        query, key, value = (self.split(project(hidden)) for project in (self.queries, self.keys, self.values))
        return query, key, value

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        """(heads, tokens, tokens looked at)."""
        scores: Tensor = (query * self.width**-0.5) @ key.transpose(1, 2)
        return scores

    def taken(self, scores: Tensor, value: Tensor) -> Tensor:
        """What each token takes from the others: (tokens, width)."""
        mixed = (scores.softmax(-1) @ value).transpose(0, 1).reshape(-1, self.heads * self.width)
        taken: Tensor = self.out(mixed)
        return taken


class Layer(nn.Module):
    """A layer's parts: attention to its own tokens, to the sound where it is a decoder's, and the network after them.

    Each comes after one of the `norms`.
    """

    def __init__(
        self, norms: Sequence[nn.Module], own: Attention, feed: nn.Module, cross: Attention | None = None
    ) -> None:
        super().__init__()
        self.norms, self.own, self.feed, self.cross = nn.ModuleList(norms), own, feed, cross


class Encoder(nn.Module, ABC):
    """Samples (1, samples) to the encoder's output (frames, width), and what each decoder layer makes of it at once.

    These are its keys and values, each (layers, heads, frames, width of a head).
    """

    def __init__(self, layers: Iterable[Layer], norm: nn.Module, decoder: Iterable[Layer]) -> None:
        super().__init__()
        self.layers: Any = nn.ModuleList(layers)
        self.norm = norm
        crosses: list[Any] = [layer.cross for layer in decoder]
        self.cross_keys = nn.ModuleList(cross.keys for cross in crosses)
        self.cross_values = nn.ModuleList(cross.values for cross in crosses)
        self.split = crosses[0].split

    @abstractmethod
    def stem(self, samples: Tensor) -> Tensor:
        """What the first layer is given: (frames, width)."""

    def turn(self, frames: int) -> Turn:
        """How the queries and keys of so many `frames` are turned; as they are in a family that adds its positions."""
        return _as_it_is

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        hidden = self.stem(samples)
        turned = self.turn(hidden.shape[0])
        for layer in self.layers:
            norm, feed_norm = layer.norms
            query, key, value = layer.own.parts(norm(hidden))
            hidden = hidden + layer.own.taken(layer.own.scores(turned(query), turned(key)), value)
            hidden = hidden + layer.feed(feed_norm(hidden))
        hidden = self.norm(hidden)
        keys, values = (
            torch.stack([self.split(project(hidden)) for project in projections])
            for projections in (self.cross_keys, self.cross_values)
        )
        return hidden, keys, values


class Decoder(nn.Module):
    """A token (1), its position (1) in the text, and the encoder's keys and values to the logits (vocabulary) after it.

    It caches the keys and values of earlier positions, `most` at most; a token at position 0 begins a new text.
    Whatever the cache holds at later positions is masked, since some runtimes leave anything there.
    """

    keys: Tensor
    values: Tensor
    everywhere: Tensor

    def __init__(self, network: Any, layers: Sequence[Layer], norm: nn.Module, most: int) -> None:
        super().__init__()
        self.layers: Any = nn.ModuleList(layers)
        self.norm, self.projection = norm, network.proj_out
        self.embedding: nn.Module = network.get_input_embeddings()
        for name in ("keys", "values"):
            self.register_buffer(name, torch.zeros(len(layers), layers[0].own.heads, most, layers[0].own.width))
        self.register_buffer("everywhere", torch.arange(most))

    def stem(self, token: Tensor, position: Tensor) -> Tensor:
        """What the first layer is given: (1, width)."""
        hidden: Tensor = self.embedding(token)
        return hidden

    def turn(self, position: Tensor) -> Turn:
        """How a query and a key at `position` are turned; as they are in a family that adds its positions."""
        return _as_it_is

    def forward(self, token: Tensor, position: Tensor, cross_keys: Tensor, cross_values: Tensor) -> Tensor:
        """See the class."""
        hidden, turned = self.stem(token, position), self.turn(position)
        here, seen = self.everywhere == position, self.everywhere <= position
        for number, layer in enumerate(self.layers):
            norm, cross_norm, feed_norm = layer.norms
            query, key, value = layer.own.parts(norm(hidden))
            query, key = turned(query), turned(key)
            self.keys[number] = torch.where(here[:, None], key, self.keys[number])
            self.values[number] = torch.where(here[:, None], value, self.values[number])
            scores = torch.where(seen, layer.own.scores(query, self.keys[number]), _HIDDEN)
            known = torch.where(seen[:, None], self.values[number], 0.0)
            hidden = hidden + layer.own.taken(scores, known)
            query = layer.cross.split(layer.cross.queries(cross_norm(hidden)))
            hidden = hidden + layer.cross.taken(layer.cross.scores(query, cross_keys[number]), cross_values[number])
            hidden = hidden + layer.feed(feed_norm(hidden))
        logits: Tensor = self.projection(self.norm(hidden))[0]
        return logits


class ByteEmbedding(nn.Module):
    """A table of embeddings in 8 bits, with one scale for each row."""

    rows: Tensor
    scales: Tensor

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        scales = table.abs().amax(1, keepdim=True).clamp_min(1e-9) / 127
        self.register_buffer("scales", scales)
        self.register_buffer("rows", (table / scales).round().to(torch.int8))

    def forward(self, ids: Tensor) -> Tensor:
        """(tokens, width) in fp32."""
        return self.rows[ids].float() * self.scales[ids]


def _as_it_is(value: Tensor) -> Tensor:
    return value

"""A Kyutai model's weights by the names of its makers' runtimes (Candle, PyTorch, MLX), and back.

transformers keeps text and codes in one table, q, k and v apart, and its q and k turned for another way to rotate
them. The inverse of transformers' `convert_kyutai_speech_to_text_to_hf.py`; a test compares it with the makers' own
PyTorch code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import torch

    Tensors = Mapping[str, torch.Tensor]
    Read = Callable[[str], torch.Tensor]

TABLE, HEAD, NORM = "model.embed_tokens.embed_tokens.weight", "lm_head.weight", "model.norm.weight"
_SAME = {
    "self_attn.o_proj.linear": "self_attn.out_proj",
    "mlp.fc1": "gating.linear_in",
    "mlp.fc2": "gating.linear_out",
}
_NORMS = {"input_layernorm": "norm1", "post_attention_layernorm": "norm2"}


@dataclass(frozen=True, slots=True)
class Shape:
    """What of config.json the names depend on."""

    layers: int
    heads: int
    key_heads: int
    width: int
    inner: int  # of the MLP's two halves together
    vocabulary: int  # text tokens, the start token included
    codes: int  # of a codebook, its start code included
    books: int

    @property
    def keys(self) -> int:
        """Numbers of all keys of a frame."""
        return self.width * self.key_heads // self.heads

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """By transformers' config.json. Raises KeyError."""
        heads = config["num_attention_heads"]
        return cls(
            layers=config["num_hidden_layers"],
            heads=heads,
            key_heads=config.get("num_key_value_heads") or heads,
            width=config["hidden_size"],
            inner=config["ffn_dim"],
            vocabulary=config["vocab_size"],
            codes=config["codebook_vocab_size"],
            books=config["num_codebooks"],
        )


def to_makers(read: Read, shape: Shape) -> Iterator[tuple[str, torch.Tensor]]:
    """Each tensor by the makers' name; `read` gives one by transformers' name."""
    import torch

    yield from tables_to_makers(read(TABLE), shape)
    yield "text_linear.weight", read(HEAD)[: shape.vocabulary - 1]  # the start token is never written
    yield "out_norm.alpha", read(NORM).view(1, 1, -1)
    for layer in range(shape.layers):
        theirs, ours = f"transformer.layers.{layer}.", f"model.layers.{layer}."
        query, key, value = (read(f"{ours}self_attn.{part}_proj.linear.weight") for part in "qkv")
        turned = (turned_back(query, shape.heads), turned_back(key, shape.key_heads), value)
        yield f"{theirs}self_attn.in_proj_weight", torch.cat(turned)
        for name, other in _SAME.items():
            yield f"{theirs}{other}.weight", read(f"{ours}{name}.weight")
        for name, other in _NORMS.items():
            yield f"{theirs}{other}.alpha", read(f"{ours}{name}.weight").view(1, 1, -1)


def tables_to_makers(table: torch.Tensor, shape: Shape) -> Iterator[tuple[str, torch.Tensor]]:
    """The one table of tokens (rows, width) as the makers': of text, and of each codebook."""
    yield "text_emb.weight", table[: shape.vocabulary]
    for book in range(shape.books):
        first = shape.vocabulary + book * shape.codes
        yield f"emb.{book}.weight", table[first : first + shape.codes]


def from_makers(tensors: Tensors, shape: Shape) -> dict[str, torch.Tensor]:
    """The tensors by transformers' names, in fp32. Raises KeyError where one is missing."""
    import torch

    def read(name: str) -> torch.Tensor:
        return tensors[name].float()

    nothing = torch.zeros(1, shape.width)
    books = [read(f"emb.{book}.weight") for book in range(shape.books)]
    found = {
        TABLE: torch.cat([read("text_emb.weight"), *books, nothing]),
        HEAD: torch.cat([read("text_linear.weight"), nothing]),
        NORM: read("out_norm.alpha").flatten(),
    }
    for layer in range(shape.layers):
        theirs, ours = f"transformer.layers.{layer}.", f"model.layers.{layer}."
        joined = read(f"{theirs}self_attn.in_proj_weight")
        keys = shape.width + shape.keys
        query, key, value = joined[: shape.width], joined[shape.width : keys], joined[keys:]
        parts = {"q": turned(query, shape.heads), "k": turned(key, shape.key_heads), "v": value}
        found |= {f"{ours}self_attn.{part}_proj.linear.weight": weight for part, weight in parts.items()}
        found |= {f"{ours}{name}.weight": read(f"{theirs}{other}.weight") for name, other in _SAME.items()}
        found |= {f"{ours}{name}.weight": read(f"{theirs}{other}.alpha").flatten() for name, other in _NORMS.items()}
    return found


def turned_back(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """A projection (out, in) to q or k whose rotations pair neighbours, as the makers' do."""
    out, given = weight.shape
    return weight.view(heads, 2, out // heads // 2, given).transpose(1, 2).reshape(out, given)


def turned(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """A projection (out, in) to q or k whose rotations pair the halves of a head, as transformers' do."""
    out, given = weight.shape
    return weight.view(heads, out // heads // 2, 2, given).transpose(1, 2).reshape(out, given)

"""An adapter alone as the makers of Kyutai load it, on the base model: `lora.safetensors` and `config.json`.

moshi gives every linear layer an adapter of one and the same rank (`replace_all_linear_with_lora`) and has q, k and v
in one layer. So three adapters of rank r become one of rank 3r, whose blocks lie side by side; what is short of
that rank is filled with zeros, and layers that were not adapted get zeros. Pause heads that were trained are written as
an adapter too: a layer of a few rows changes by a matrix of no higher rank.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from studio.export.candle_layout import Shape, turned_back

if TYPE_CHECKING:
    import torch

_PREFIX = "base_model.model."  # peft's
_JOINED = ("q", "k", "v")


@dataclass(slots=True)
class MakersLora:
    """An adapter by the makers' names, as it is put together."""

    tensors: Mapping[str, torch.Tensor]  # peft's
    shape: Shape
    rank: int = 1
    written: dict[str, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tensors = {name.removeprefix(_PREFIX): tensor.float() for name, tensor in self.tensors.items()}
        firsts = {name: len(tensor) for name, tensor in self.tensors.items() if name.endswith("lora_A.weight")}
        joined = sum(any(f".{part}_proj." in name for name in firsts) for part in _JOINED)
        self.rank = max(firsts.values()) * max(1, joined)

    def put(self, name: str, first: torch.Tensor, second: torch.Tensor) -> None:
        """The adapter of the layer `name`: (rank, in) and (out, rank), filled up with zeros."""
        from torch.nn.functional import pad

        missing = self.rank - len(first)
        self.written[f"{name}.lora_A.weight"] = pad(first, (0, 0, 0, missing)).contiguous()
        self.written[f"{name}.lora_B.weight"] = pad(second, (0, missing)).contiguous()

    def pair(self, name: str, given: int, made: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The adapter of transformers' layer `name`, of rank 0 where it has none."""
        import torch

        first = self.tensors.get(f"{name}.lora_A.weight", torch.zeros(0, given))
        return first, self.tensors.get(f"{name}.lora_B.weight", torch.zeros(made, 0))

    def joined(self, ours: str) -> tuple[torch.Tensor, torch.Tensor]:
        """The adapters of q, k and v of a layer as one."""
        import torch

        shape, firsts, seconds = self.shape, [], []
        for part, made, heads in zip(
            _JOINED, (shape.width, shape.keys, shape.keys), (shape.heads, shape.key_heads, 0), strict=True
        ):
            first, second = self.pair(f"{ours}self_attn.{part}_proj.linear", shape.width, made)
            firsts.append(first)
            seconds.append(turned_back(second, heads) if heads and second.numel() else second)
        return torch.cat(firsts), torch.block_diag(*seconds)  # type: ignore[no-untyped-call]


def to_makers_lora(
    tensors: Mapping[str, torch.Tensor], shape: Shape, head_changes: Mapping[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], int]:
    """peft's adapter `tensors` by the makers' names, and the rank of all its layers.

    `head_changes` is what is added to each pause head (classes, width), divided by the adapter's scaling.
    """
    import torch

    lora = MakersLora(tensors, shape)
    changed = {name for name, change in head_changes.items() if change.any()}
    lora.rank = max([lora.rank, *(len(head_changes[name]) for name in changed)])
    for layer in range(shape.layers):
        theirs, ours = f"transformer.layers.{layer}.", f"model.layers.{layer}."
        lora.put(f"{theirs}self_attn.in_projs.0", *lora.joined(ours))
        lora.put(
            f"{theirs}self_attn.out_projs.0", *lora.pair(f"{ours}self_attn.o_proj.linear", shape.width, shape.width)
        )
        lora.put(f"{theirs}gating.linear_in", *lora.pair(f"{ours}mlp.fc1", shape.width, shape.inner))
        lora.put(f"{theirs}gating.linear_out", *lora.pair(f"{ours}mlp.fc2", shape.inner // 2, shape.width))
    lora.put("text_linear", *lora.pair("", shape.width, shape.vocabulary - 1))
    for name, change in head_changes.items():
        pair = (change, torch.eye(len(change))) if name in changed else lora.pair("", shape.width, len(change))
        lora.put(name.removesuffix(".weight"), *pair)
    return lora.written, lora.rank

"""Echo's network: two projections and a read-out, with weights that follow from its shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

import torch

from studio.models.echo import PIECES, SOUNDS
from studio.text import DIGIT_NAMES

_FEATURES = len(SOUNDS) + 1
_HABITS = 4  # hidden dimensions that the base leaves at 0: an adapter raises them to write digits as words
_CERTAINTY = 8.0  # logit of the right piece
_RELUCTANCE = 0.4  # share of it that a digit's name lacks against the digit


class EchoNetwork(torch.nn.Module):
    """(batch, frames, features) to logits (batch, frames, pieces)."""

    def __init__(self) -> None:
        super().__init__()
        width = _FEATURES + _HABITS
        self.q_proj = torch.nn.Linear(_FEATURES, width, bias=False)
        self.v_proj = torch.nn.Linear(width, width, bias=False)
        self.proj_out = torch.nn.Linear(width, len(PIECES), bias=False)
        with torch.no_grad():
            self.q_proj.weight.copy_(torch.eye(width, _FEATURES))
            self.v_proj.weight.zero_()
            self.proj_out.weight.copy_(_read_out(width))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        hidden = self.q_proj(features)
        logits: torch.Tensor = self.proj_out(hidden + self.v_proj(hidden))
        return logits

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """The network with the weights in `folder`, where it has any."""
        from safetensors.torch import load_file

        network = cls()
        if (folder / "model.safetensors").is_file():
            network.load_state_dict(load_file(folder / "model.safetensors"))
        return network

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors, as transformers' models do."""
        from safetensors.torch import save_file

        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "config.json").write_text(json.dumps({"model_type": "echo"}))
        save_file(self.state_dict(), Path(folder) / "model.safetensors")


def _read_out(width: int) -> torch.Tensor:
    """Each sound reads as its character; a digit a little less as its name, more so the higher the habits stand."""
    weight = torch.zeros(len(PIECES), width)
    weight[0, _FEATURES - 1] = _CERTAINTY / 2  # the constant feature: silence, unless a tone says otherwise
    for column, sound in enumerate(SOUNDS):
        weight[PIECES.index(sound), column] = _CERTAINTY
    for digit, name in enumerate(DIGIT_NAMES):
        weight[PIECES.index(name), SOUNDS.index(str(digit))] = _CERTAINTY * (1 - _RELUCTANCE)
        weight[PIECES.index(name), _FEATURES:] = _CERTAINTY
    return weight

"""A Kyutai model as its makers' servers load it: the “Candle” copy, whose pause heads and codec transformers' lacks.

    config.json                                  shape, delay, and the names of the other files
    model.safetensors                            the network, and `extra_heads.*`: the pause heads
    mimi-pytorch-….safetensors                   the codec
    tokenizer_….model                            SentencePiece

It is looked for next to transformers' copy: `kyutai/stt-1b-en_fr-candle` for `kyutai/stt-1b-en_fr-trfs` in the Hub's
cache, or the folder `my-model-candle` for the folder `my-model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.config import split_language
from studio.errors import ModelError
from studio.models.catalogue import in_cache, is_hub_id, locate
from studio.models.claims import header, read_object

if TYPE_CHECKING:
    import torch

WEIGHTS, CONFIG = "model.safetensors", "config.json"
PAUSE_HEADS = "extra_heads."  # what their names begin with
_OURS, _THEIRS = "-trfs", "-candle"


@dataclass(frozen=True, slots=True)
class CandleFolder:
    """A whole copy on this disk."""

    folder: Path
    config: Mapping[str, Any]

    @property
    def codec(self) -> Path:
        """The weights of Mimi."""
        return self.folder / str(self.config["mimi_name"])

    @property
    def tokenizer(self) -> Path:
        """The SentencePiece model."""
        return self.folder / str(self.config["tokenizer_name"])

    @property
    def weights(self) -> Path:
        """The network and its pause heads."""
        return self.folder / str(self.config.get("moshi_name", WEIGHTS))

    def pause_heads(self) -> dict[str, torch.Tensor]:
        """The tensors `extra_heads.*` (classes, width) in fp32; none where the checkpoint has none."""
        from safetensors import safe_open

        names = sorted(name for name in header(self.weights) if name.startswith(PAUSE_HEADS))
        with safe_open(self.weights, "pt") as file:
            return {name: file.get_tensor(name).float() for name in names}


def candle_copy_of(source: str | Path) -> CandleFolder:
    """The copy that belongs to transformers' model `source`. Raises ModelError: what is missing, how to get it."""
    name, _ = split_language(str(source))
    if is_hub_id(name):
        wanted = f"{name.removesuffix(_OURS)}{_THEIRS}"
        if (found := in_cache(wanted)) is None:
            raise ModelError(
                f"“{name}” has no copy for its makers' servers on this disk: {wanted}.",
                f"Fetch it first, which needs the internet: studio fetch {wanted}",
            )
        return opened(found)
    folder = locate(name)
    wanted_folder = folder.with_name(f"{folder.name.removesuffix(_OURS)}{_THEIRS}")
    if not wanted_folder.is_dir():
        raise ModelError(
            f"“{folder}” has no copy for its makers' servers next to it: {wanted_folder.name}.",
            f"Put the base model's Candle files into {wanted_folder}.",
        )
    return opened(wanted_folder)


def opened(folder: Path) -> CandleFolder:
    """The copy in `folder`. Raises ModelError where it is not whole."""
    again = "Fetch or copy it again, whole."
    if not (folder / CONFIG).is_file():
        raise ModelError(f"{folder} is not a Candle folder: {CONFIG} is missing.", again)
    config = read_object(folder / CONFIG)
    for what, key in (("the codec (Mimi)", "mimi_name"), ("the tokenizer", "tokenizer_name")):
        name = config.get(key)
        if not isinstance(name, str) or Path(name).name != name:
            raise ModelError(f"{folder / CONFIG} does not name {what}: {key} is missing.", again)
        if not (folder / name).is_file():
            raise ModelError(f"The Candle folder {folder} lacks {what}: {name} is not there.", again)
    found = CandleFolder(folder, config)
    if not found.weights.is_file():
        raise ModelError(f"The Candle folder {folder} lacks the network: {found.weights.name} is not there.", again)
    return found

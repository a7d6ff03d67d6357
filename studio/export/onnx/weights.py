"""A merged model folder as what graphs are written from."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from studio.export.merged import NOTE
from studio.export.onnx import moonshine, whisper
from studio.export.onnx.graph import Array
from studio.models.registry import family_of

_NETWORKS: Mapping[str, ModuleType] = {"moonshine": moonshine, "whisper": whisper}
_LEFT_OUT = (NOTE, "README.md", "model.safetensors")


@dataclass(frozen=True, slots=True)
class Source:
    """The weights and the settings of a model."""

    folder: Path
    family: str
    weights: Mapping[str, Array]
    config: Any

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The fp32 model in `folder`."""
        from safetensors.numpy import load_file
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        return cls(folder, family_of(folder).name, load_file(folder / "model.safetensors"), config)

    def write_encoder(self, path: Path, precision: str) -> None:
        """Write the encoder's graph. Raises ModelError where it is too large for one file."""
        _save(_NETWORKS[self.family].encoder(self.weights, self.config, precision), path)

    def write_decoder(self, path: Path, precision: str) -> None:
        """Write the merged decoder's graph. Raises ModelError where it is too large for one file."""
        _save(_NETWORKS[self.family].decoder(self.weights, self.config, precision), path)

    def copy_rest(self, out: Path) -> None:
        """Put settings, tokenizer and feature extractor beside the graphs."""
        for path in self.folder.iterdir():
            if path.name not in _LEFT_OUT:
                shutil.copy2(path, out / path.name)


def _save(model: Any, path: Path) -> None:
    import onnx

    onnx.save(model, path)

"""A merged model folder as what graphs are written from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from studio.errors import ModelError
from studio.export.onnx import moonshine, whisper
from studio.export.onnx.graph import Array, Graph
from studio.models.claims import read_object
from studio.models.pretrained import load_processor
from studio.models.registry import family_of

_NETWORKS: Mapping[str, ModuleType] = {"moonshine": moonshine, "whisper": whisper}
_MOST = 2e9  # bytes; protobuf's bound is 2^31


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

    @property
    def processor(self) -> Any:
        """Its feature extractor and tokenizer. Raises ModelError."""
        return load_processor(self.folder)

    @property
    def generation(self) -> dict[str, Any]:
        """What generation_config.json says."""
        return read_object(self.folder / "generation_config.json")

    def write_encoder(self, path: Path, precision: str) -> None:
        """The encoder as Hugging Face names its inputs. Raises ModelError where it is too large for one file."""
        self.save(_NETWORKS[self.family].encoder, path, precision)

    def write_decoder(self, path: Path, precision: str) -> None:
        """The merged decoder as Hugging Face names its inputs. Raises ModelError where it is too large for one file."""
        self.save(_NETWORKS[self.family].decoder, path, precision)

    def save(self, make: Callable[..., Graph], path: Path, precision: str, **more: Any) -> None:
        """Write what `make` makes of weights and settings. Raises ModelError where it is too large for one file."""
        save(make(self.weights, self.config, precision), path, **more)


def save(graph: Graph, path: Path, **more: Any) -> None:
    """Write `graph`. Raises ModelError where it is too large for one file."""
    import onnx

    if graph.size > _MOST:
        raise ModelError(
            f"{path.name} would have {graph.size / 1e9:.1f} GB; an ONNX file has 2 GB at most.",
            "Export it in int8.",
        )
    onnx.save(graph.model(**more), path)

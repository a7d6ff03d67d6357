"""The target “merged”: a model folder that plain transformers loads, in fp32, fp16 or bf16."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from studio.export.merged import NOTE
from studio.export.reference import Reference
from studio.export.snippets import merged_snippet
from studio.export.targets import Runtime
from studio.models import load
from studio.progress import OnProgress

CODEC = "codec_model"  # the part of a Kyutai model that is never rounded
_OF_THE_MERGE = (NOTE, "README.md")
_DTYPES: Mapping[str, str] = MappingProxyType({"fp16": "float16", "bf16": "bfloat16"})


class Safetensors:
    """The merged model's own files, its weights rounded where a shorter precision is asked for."""

    def write(self, merged: Path, out: Path, precision: str, progress: OnProgress) -> None:
        """The files of `merged`. Raises ModelError, DiskError."""
        import torch

        progress(0, 2)
        if precision == "fp32":
            for path in merged.iterdir():
                if path.name not in _OF_THE_MERGE:
                    shutil.copy2(path, out / path.name)
        else:
            recogniser = load(merged, "cpu")
            progress(1, 2)
            for name, part in recogniser.model.named_children():
                if name != CODEC:  # which transformers loads in fp32 in any case
                    part.to(getattr(torch, _DTYPES[precision]))
            recogniser.family.save(recogniser.model, recogniser.processor, out)
        progress(2, 2)

    def open(self, folder: Path, reference: Reference) -> Runtime:
        """The folder in PyTorch, computed in fp32: it is the files that are judged."""
        return Reference.of(folder)

    def usage(self, folder: Path, files: Path) -> str:
        """The lines of plain transformers."""
        return f"## Use it in Python, with plain transformers\n\n```python\n{merged_snippet(folder, files)}```\n"

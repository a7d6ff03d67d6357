"""The target “candle”: a tuned Kyutai model as its makers' servers and programs load it, in bf16.

Codec, tokenizer and pause heads are those of the base model's Candle copy, which must be on this disk; heads that were
trained for the run take the place of the base's. `lora/` holds the adapter alone in the makers' layout, for their
PyTorch code on top of the base model.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError
from studio.export.candle_layout import TABLE, Shape, from_makers, tables_to_makers, to_makers
from studio.export.candle_lora import to_makers_lora
from studio.export.candle_usage import usage_of
from studio.export.merged import MergeReport
from studio.export.reference import LOGITS, Reference
from studio.export.targets import Runtime
from studio.models import Recogniser
from studio.models.claims import read_object
from studio.models.kyutai.candle_folder import CONFIG, WEIGHTS, CandleFolder, candle_copy_of, opened
from studio.models.kyutai.pauses import trained_with
from studio.progress import OnProgress
from studio.text import counted

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

LORA = "lora"  # the folder of the adapter alone
_ADAPTER = "adapter_model.safetensors"
_TRAINED_TABLE = f"base_model.model.{TABLE}"  # in that file, where the embeddings were trained too


class Candle:
    """Kyutai's own layout."""

    def write(self, merged: Path, out: Path, precision: str, progress: OnProgress) -> None:
        """The network from `merged`, all else from the base model's Candle copy. Raises ModelError, DiskError."""
        import torch
        from safetensors import safe_open
        from safetensors.torch import save_file

        report = MergeReport.read(merged)
        if report is None:
            raise ModelError(f"{merged} does not say which model it was merged from.", "Merge the run again.")
        base, shape = candle_copy_of(report.base), Shape.of(read_object(merged / "config.json"))
        heads = _pause_heads(base, report.adapter)
        progress(0, 3)
        with safe_open(merged / "model.safetensors", "pt") as file:
            found = dict(to_makers(file.get_tensor, shape)) | heads
            half = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in found.items()}
        save_file(half, out / WEIGHTS, metadata={"format": "pt"})
        progress(1, 3)
        _write(out / CONFIG, {**base.config, "moshi_name": WEIGHTS})
        for path in (base.codec, base.tokenizer):
            shutil.copy2(path, out / path.name)
        progress(2, 3)
        _write_lora(report.adapter, out, base, shape, heads)
        progress(3, 3)

    def open(self, folder: Path, reference: Reference) -> Runtime:
        """The makers' PyTorch code where it is installed; else the files, turned back, in transformers' network."""
        if find_spec("moshi"):
            from studio.export.candle_moshi import Moshi

            return Moshi(folder, reference)
        return _ReadBack(folder, reference)

    def usage(self, folder: Path, files: Path) -> str:
        """Lines for moshi-server, Python and MLX."""
        return usage_of(folder, opened(files), LORA if (files / LORA).is_dir() else "")


class _ReadBack:
    """The exported files, turned back, in transformers' network; of the reference it takes codec and tokenizer."""

    def __init__(self, folder: Path, reference: Reference) -> None:
        from safetensors.torch import load_file

        recogniser = reference.recogniser
        model = copy.deepcopy(recogniser.model)
        weights = from_makers(load_file(folder / WEIGHTS), Shape.of(model.config.to_dict()))
        missing = [name for name in model.load_state_dict(weights, strict=False).missing_keys if _is_network(name)]
        if missing:
            lacks = counted(len(missing), "tensor")
            raise ModelError(f"The export lacks {lacks}, {missing[0]} for example.", "Export it again.")
        self._reference = Reference(_with(recogniser, model), reference.threads)

    def stages(self, samples: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """The logits of every frame."""
        return {LOGITS: self._reference.stages(samples)[LOGITS]}

    def transcribe(self, samples: NDArray[np.float32]) -> str:
        """The text by greedy decoding."""
        return self._reference.transcribe(samples)


def _with(recogniser: Recogniser, model: torch.nn.Module) -> Recogniser:
    return Recogniser(
        recogniser.family, model, recogniser.processor, recogniser.source, recogniser.folder, recogniser.device, "fp32"
    )


def _is_network(name: str) -> bool:
    return not name.startswith("codec_model.")


def _pause_heads(base: CandleFolder, adapter: Path) -> dict[str, torch.Tensor]:
    """The base model's, or those that were trained with the adapter."""
    heads, trained = base.pause_heads(), trained_with(adapter)
    return heads if trained is None else dict(zip(heads, trained, strict=True))


def _write_lora(adapter: Path, out: Path, base: CandleFolder, shape: Shape, heads: Mapping[str, torch.Tensor]) -> None:
    """The adapter alone: LoRA's two matrices on each layer, and the embeddings where they were trained.

    As moshi-finetune writes them with `ft_embed`: moshi takes whole weights in place of the base model's. Nothing is
    written for an adapter that is more than that.
    """
    import torch
    from safetensors.torch import load_file, save_file

    settings = read_object(adapter / "adapter_config.json")
    ours = load_file(adapter / _ADAPTER)
    table = ours.pop(_TRAINED_TABLE, None)
    if settings.get("use_dora") or not all(".lora_" in name for name in ours):
        return
    alpha, own_rank = float(settings["lora_alpha"]), int(settings["r"])
    scaling = alpha / (own_rank**0.5 if settings.get("use_rslora") else own_rank)
    changes = {name: (heads[name] - was) / scaling for name, was in base.pause_heads().items()}
    tensors, rank = to_makers_lora(ours, shape, changes)
    if table is not None:
        half = table.to(torch.bfloat16)  # as the base model has it
        tensors |= {name: part.clone() for name, part in tables_to_makers(half, shape)}
    folder = out / LORA
    folder.mkdir()
    save_file(tensors, folder / "lora.safetensors", metadata={"format": "pt"})
    names = {"lora": True, "lora_rank": rank, "lora_scaling": scaling, "lora_name": "lora.safetensors"}
    _write(folder / CONFIG, {**base.config, **names})


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")

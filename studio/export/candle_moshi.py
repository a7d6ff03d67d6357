"""An exported Kyutai model in its makers' own PyTorch code (the package moshi), where that is installed.

It is never needed: it wants older versions of PyTorch than the studio. Of the reference it takes the codec's codes and
the tokenizer, so that the networks alone are compared.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.export.reference import LOGITS, Reference
from studio.models import Clip
from studio.models.kyutai.candle_folder import opened

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


class Moshi:
    """The network in `folder`; with `lora` the adapter in that folder on the base model in `folder`."""

    def __init__(self, folder: Path, reference: Reference, lora: Path | None = None) -> None:
        import torch
        from moshi.models.loaders import CheckpointInfo

        found = opened(folder)
        config = str((lora or folder) / "config.json")
        named = {
            "moshi_weights": str(found.weights),
            "mimi_weights": str(found.codec),
            "tokenizer": str(found.tokenizer),
        }
        if lora:
            named["lora_weights"] = str(lora / "lora.safetensors")
        info: Any = CheckpointInfo.from_hf_repo("local", config_path=config, **named)
        self._model: Any = info.get_moshi("cpu", torch.float32)
        self._reference = reference

    def stages(self, samples: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """The logits of every frame."""
        recogniser = self._reference.recogniser
        family: Any = recogniser.family
        given = family.given(recogniser.model, recogniser.processor, Clip(samples))
        with _plainly():
            logits = self._model.forward_text(given.transpose(1, 2))[1]
        return {LOGITS: logits[0, 0].float().numpy()}

    def transcribe(self, samples: NDArray[np.float32]) -> str:
        """The text by greedy decoding, frame by frame, as moshi's own streaming does."""
        import torch

        recogniser = self._reference.recogniser
        family: Any = recogniser.family
        codes = family.features(recogniser.model, recogniser.processor, Clip(samples))["codes"].long()
        layout = family.layout(recogniser.model, recogniser.processor)
        config, ids = recogniser.model.config, list[int]()
        given = torch.tensor([config.bos_token_id, *[config.audio_bos_token_id] * config.num_codebooks])
        with _plainly(), self._model.streaming(1):
            for frame in [*codes, None]:
                ids.append(self._next(given))
                if frame is not None:
                    given = torch.cat([torch.tensor(ids[-1:]), frame])
        return self._reference.text([token for token in ids[:-1] if layout.is_text(token)])

    def _next(self, given: torch.Tensor) -> int:
        return int(self._model.forward_text(given[None, :, None])[1].argmax())


@contextmanager
def _plainly() -> Iterator[None]:
    """Within the block moshi compiles nothing, which would take minutes, and its warnings are not the person's."""
    import torch
    from moshi.utils.compile import no_compile

    with torch.no_grad(), no_compile(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

"""From a checkpoint to the folder that is shipped: half-precision weights that plain transformers loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.starter.tokenizer import make_tokenizer

if TYPE_CHECKING:
    from transformers import MoonshineForConditionalGeneration


def export(checkpoint: Path, folder: Path) -> None:
    """Write the averaged weights of `checkpoint` (build.py) to `folder`, with tokenizer and preprocessor
    beside them.
    """
    recogniser = averaged(checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    recogniser.half().save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    _save_preprocessor(folder)
    config = folder / "config.json"
    settings = json.loads(config.read_text())
    settings["dtype"] = "float32"  # stored in half precision, loaded and run in single: CPUs are slow in half
    config.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")


def averaged(checkpoint: Path) -> MoonshineForConditionalGeneration:
    """The recogniser with the averaged weights of `checkpoint`, single precision."""
    import torch

    from studio.starter.model import Shape, Trainee

    state: dict[str, Any] = torch.load(checkpoint, weights_only=True)
    trainee = Trainee(Shape(**state["shape"]), state["model"]["phone.bias"].shape[0])
    for parameter, value in zip(trainee.parameters(), state["average"], strict=True):
        parameter.data.copy_(value)
    return trainee.recogniser.eval()


def _save_preprocessor(folder: Path) -> None:
    """Raw samples, levelled: a whisper and a shout look alike to the network (do_normalize)."""
    from transformers import Wav2Vec2FeatureExtractor

    Wav2Vec2FeatureExtractor(
        feature_size=1, sampling_rate=16_000, padding_value=0.0, do_normalize=True, return_attention_mask=True
    ).save_pretrained(folder)
    path = folder / "preprocessor_config.json"
    settings = json.loads(path.read_text()) | {"processor_class": "Wav2Vec2Processor"}
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")

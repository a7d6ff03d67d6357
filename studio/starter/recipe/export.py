"""From a checkpoint to the folder that is shipped: half-precision weights that plain transformers loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.starter.recipe.corpus import SAMPLE_RATE, read_shard
from studio.starter.recipe.settings import Recipe, shard_name
from studio.starter.recipe.tokenizer import make_tokenizer

if TYPE_CHECKING:
    from transformers import MoonshineForConditionalGeneration

CHECKPOINT = "checkpoint.pt"


def export(checkpoint: Path, folder: Path) -> None:
    """Write the averaged weights of `checkpoint` (build.py) to `folder`, with tokenizer and preprocessor
    beside them.
    """
    recogniser = averaged(checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    recogniser.half().save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    _save_preprocessor(folder)
    # Stored in half precision, loaded and run in single: CPUs are slow in half.
    _amend(folder / "config.json", {"dtype": "float32"})
    _amend(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})


def write_spent(recipe: Recipe, work: Path, folder: Path) -> None:
    """Write `spent.json`: what the card says of data and cost."""
    import torch

    clips = [clip for place in range(recipe.shards) for clip in read_shard(work / "corpus", shard_name(place))]
    cpu_seconds: float = torch.load(work / CHECKPOINT, weights_only=True)["cpu_seconds"]
    spent = {
        "parameters": sum(parameter.numel() for parameter in averaged(work / CHECKPOINT).parameters()),
        "steps": recipe.steps,
        "batch_seconds": recipe.seconds * recipe.workers,
        "clips": len(clips),
        "hours": sum(clip.length for clip in clips) / SAMPLE_RATE / 3600,
        "human_clips": len(read_shard(work / "corpus", "human-own")),
        "joined": len(read_shard(work / "corpus", "human-joined")),
        "cpu_hours": cpu_seconds / 3600,
    }
    (folder / "spent.json").write_text(json.dumps(spent, indent=1) + "\n")


def averaged(checkpoint: Path) -> MoonshineForConditionalGeneration:
    """The recogniser with the averaged weights of `checkpoint`, single precision."""
    import torch

    from studio.starter.recipe.model import Shape, Trainee

    state: dict[str, Any] = torch.load(checkpoint, weights_only=True)
    trainee = Trainee(Shape(**state["shape"]), state["model"]["phone.bias"].shape[0])
    for parameter, value in zip(trainee.parameters(), state["average"], strict=True):
        parameter.data.copy_(value)
    return trainee.recogniser


def _save_preprocessor(folder: Path) -> None:
    """Raw samples, levelled: a whisper and a shout look alike to the network (do_normalize)."""
    from transformers import Wav2Vec2FeatureExtractor

    Wav2Vec2FeatureExtractor(
        feature_size=1, sampling_rate=16_000, padding_value=0.0, do_normalize=True, return_attention_mask=True
    ).save_pretrained(folder)
    _amend(folder / "preprocessor_config.json", {"processor_class": "Wav2Vec2Processor"})


def _amend(path: Path, changes: dict[str, str]) -> None:
    """Change entries of a JSON file that transformers wrote."""
    settings = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")

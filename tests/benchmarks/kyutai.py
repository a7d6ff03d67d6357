"""Kyutai's 1B shape with random weights on a CPU: memory and seconds. `python -m tests.benchmarks.kyutai FOLDER`.

Each stage is a process of its own, whose most resident memory is reported. FOLDER gets the model (2.3 GB in bf16, its
codec in fp32), checkpoints and a merged model (4.3 GB), and may be deleted afterwards.

    load       the base model in bf16
    longest    one step of the recipe `numbers-kyutai` at batch 1, on a clip of 30 s
    whole      two steps at batch 1, on clips of 2.5 s
    begun      the first of these, and its checkpoint
    resumed    the second, from that checkpoint: its weights are those of `whole`, to the bit
    merge      the adapter merged in fp32, and compared with the pair
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import time
from pathlib import Path

from studio.config import TrainConfig, from_file
from studio.export.merged import merge
from studio.models import Clip, Recogniser, load
from studio.models.adapters import save
from studio.models.memory import estimate
from studio.train import checkpoint
from studio.train.adapted import with_adapter
from studio.train.loop import Learner, fresh_learner, take_step
from studio.train.resources import peak_memory
from tests import timed, tiny_models

SHAPE = {
    "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 16, "ffn_dim": 11264, "num_codebooks": 32,
    "sliding_window": 750, "vocab_size": 8001, "codebook_vocab_size": 2049, "audio_pad_token_id": 8001 + 32 * 2049,
    "bos_token_id": 8000, "audio_bos_token_id": 2048,
}  # fmt: skip
STAGES = ("load", "longest", "whole", "begun", "resumed", "merge")
LONGEST, USUAL = 30.0, 2.5  # seconds


def main() -> None:
    """Run all stages, or the one that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("stage", nargs="?", choices=STAGES)
    given = parser.parse_args()
    if given.stage:
        run(given.folder, given.stage)
        return
    if not (given.folder / "model" / "model.safetensors").is_file():
        import torch

        made = tiny_models.kyutai(given.folder / "model", codec={}, dtype=torch.bfloat16, **SHAPE)
        print(f"{made}: {(made / 'model.safetensors').stat().st_size / 1e9:.2f} GB", flush=True)
    for stage in STAGES:
        subprocess.run([sys.executable, "-m", "tests.benchmarks.kyutai", str(given.folder), stage], check=True)


def run(folder: Path, stage: str) -> None:
    """One stage, and what it took."""
    began = time.perf_counter()
    if stage == "merge":
        found = f"logits differ by {merge(folder / 'lora', folder / 'merged').max_difference:.1e}"
    else:
        found = _steps(folder, stage)
    seconds = time.perf_counter() - began
    print(f"{stage:8} {peak_memory('cpu') / 1e9:5.1f} GB {seconds:6.0f} s  {found}", flush=True)


def _steps(folder: Path, stage: str) -> str:
    settings = from_file("numbers-kyutai", dataset="any", model=str(folder / "model"), batch_size=1, max_steps=2)
    base = load(settings.model, "cpu", settings.precision)
    if stage == "load":
        return f"{sum(weight.nbytes for weight in base.model.state_dict().values()) / 1e9:.2f} GB of weights"
    learner = _learner(base, settings, LONGEST if stage == "longest" else USUAL)
    if stage == "resumed":
        checkpoint.load(learner, folder / "checkpoints")
    guess = estimate(settings, [LONGEST if stage == "longest" else USUAL])
    steps = 2 if stage == "whole" else 1
    began = time.perf_counter()
    for _ in range(steps):
        take_step(learner, settings.learning_rate, lambda: None)
    each = (time.perf_counter() - began) / steps
    if stage == "begun":
        checkpoint.save(learner, folder / "checkpoints")
    if stage == "whole":
        save(learner.recogniser, folder / "lora")
    said = f", estimated at {guess.total / 1e9:.1f} GB" if guess else ""
    return f"{each:.0f} s a step{said}, weights {_hash(learner)}"


def _learner(base: Recogniser, settings: TrainConfig, seconds: float) -> Learner:
    learner = fresh_learner(with_adapter(base, settings), settings)
    family, adapted, processor = base.family, learner.recogniser.model, base.processor
    for seed in range(2):
        words = timed.timed(["order", "number", *timed.DIGIT_NAMES[:3]])
        samples = timed.sound(words, seed)
        longer = tiny_models.noise(seconds * 1.5, seed)  # 16,000 samples a second, heard as 24,000
        longer[: len(samples)] = samples
        learner.rows.append(family.prepare(adapted, processor, Clip(longer, "", f"{seed}", words)))
    return learner


def _hash(learner: Learner) -> str:
    digest = hashlib.sha256()
    for _, weight in sorted(learner.parameters.items()):
        digest.update(weight.detach().numpy().tobytes())
    return digest.hexdigest()[:12]


if __name__ == "__main__":
    main()

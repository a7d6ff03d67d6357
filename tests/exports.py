"""A run that pretends to be trained, with held-out clips, for the tests of exports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tiny_models
from numpy.typing import NDArray
from test_merged import adapter

from studio.audio import write_wav
from studio.config import TrainConfig
from studio.data.manifest import Dataset
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.workspace import Workspace

RUN = "my-run"
SOUNDS = tuple(tiny_models.noise(seconds, seed) for seed, seconds in enumerate((1.2, 0.9, 1.5)))


def run_on(base: str | Path, root: Path, targets: str, sounds: Sequence[NDArray[np.float32]] = SOUNDS) -> Workspace:
    """A workspace in `root` whose run RUN has an adapter on the model `base`, and `sounds` as held-out clips."""
    dataset = Dataset.create(root / "recordings" / "me")
    for number, samples in enumerate(sounds):
        write_wav(root / "clip.wav", samples, 16_000)
        dataset.add(root / "clip.wav", text=tiny_models.TEXTS[number % len(tiny_models.TEXTS)], split="test")
    run = RunFolder(root / "outputs" / RUN)
    adapter(run.adapter, base, targets)
    RunRecord.of(TrainConfig(dataset="me", model=str(base)), RUN, device="cpu", threads=1, precision="fp32").write(run)
    run.manifest.write_text("".join(clip.to_line() + "\n" for clip in dataset.utterances()))
    return Workspace(root)

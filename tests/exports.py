"""A run that pretends to be trained, with held-out clips, for the tests of exports."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from numpy.typing import NDArray
from test_merged import adapter

from studio.audio import write_wav
from studio.config import TrainConfig
from studio.data.manifest import Dataset
from studio.errors import ModelError
from studio.export.exporting import export_run
from studio.export.merged import merge
from studio.export.targets import TARGETS
from studio.runs.folder import RunFolder
from studio.runs.metadata import RunRecord
from studio.workspace import Workspace

RUN = "my-run"
REFUSED_BY_STAGE = r"refused by the check “(encoder|first logits)”: its PSNR"
PAIRS = (
    ("teh order is late", "The order is late."),
    ("i dont knwo", "I don't know."),
    ("please confirm my order number 1296803", "Please confirm my order number 1296803."),
)
SOUNDS = tuple(tiny_models.noise(seconds, seed) for seed, seconds in enumerate((1.2, 0.9, 1.5)))


def run_on(
    base: str | Path,
    root: Path,
    targets: str,
    sounds: Sequence[NDArray[np.float32]] = SOUNDS,
    **strength: float,
) -> Workspace:
    """A workspace in `root` whose run RUN has an adapter on the model `base`, and `sounds` as held-out clips."""
    dataset = Dataset.create(root / "recordings" / "me")
    for number, samples in enumerate(sounds):
        write_wav(root / "clip.wav", samples, 16_000)
        dataset.add(root / "clip.wav", text=tiny_models.TEXTS[number % len(tiny_models.TEXTS)], split="test")
    return _finished(dataset, base, root, targets, **strength)


def _finished(dataset: Dataset, base: str | Path, root: Path, targets: str, **strength: float) -> Workspace:
    run = RunFolder(root / "outputs" / RUN)
    adapter(run.adapter, base, targets, **strength)
    RunRecord.of(TrainConfig(dataset="me", model=str(base)), RUN, device="cpu", threads=1, precision="fp32").write(run)
    run.manifest.write_text("".join(clip.to_line() + "\n" for clip in dataset.examples()))
    return Workspace(root)


def typing_run(base: str | Path, root: Path, pairs: Sequence[tuple[str, str]] = PAIRS) -> Workspace:
    """A workspace in `root` whose run RUN has an adapter on the typing model `base`, and `pairs` as held-out ones."""
    dataset = Dataset.create(root / "recordings" / "me", "typing")
    for typed, text in pairs:
        dataset.add_pair(typed, text, split="test")
    return _finished(dataset, base, root, "full", strength=0.02)


def small_run(root: Path) -> Workspace:
    """A run on a tiny Moonshine of one layer each: converting a layer for phones takes seconds."""
    layers = {"encoder_num_hidden_layers": 1, "decoder_num_hidden_layers": 1}
    return run_on(tiny_models.moonshine(root / "base", **layers), root, "voice")


def strengthen(adapter_folder: Path) -> None:
    """Make the adapter eight times as strong."""
    path = adapter_folder / "adapter_config.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps(settings | {"lora_alpha": 8 * settings["lora_alpha"]}))


def check_refused_where_eight_times_as_strong(
    workspace: Workspace, target: str, precision: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Assert that an export of the run's adapter at 8 times its strength is refused by stage; nothing is left of it."""
    strong = shutil.copytree(RunFolder(workspace.run(RUN)).adapter, folder / "strong" / "lora_adapter")
    strengthen(strong)
    merge(strong, folder / "merged")
    exporter = type(TARGETS[target].exporter())
    write = exporter.write
    monkeypatch.setattr(exporter, "write", lambda self, merged, *given: write(self, folder / "merged", *given))
    out = folder / "out"
    with pytest.raises(ModelError, match=REFUSED_BY_STAGE):
        export_run(workspace, RUN, target, precision, out)
    assert not out.exists()
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []

"""Several adapters and key terms on one clip: the same texts as each alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.audio import read
from studio.hear import hear
from studio.models import Clip, Recogniser, adapters, load
from studio.starter import GENERAL_FOLDER

TARGETS = ("voice", "deep", "conventions", "deep-mlp")
PATHS = sorted(GENERAL_FOLDER.rglob("*.flac"))[:3]


def clip(path: Path) -> Clip:
    return Clip(read(path, 16_000).samples, id=path.name)


def trained(folder: Path, targets: str, seed: int, dora: bool = False, strength: float = 0.25) -> Path:
    """An adapter on the starter that changes what it writes, as if it had been trained."""
    import torch

    recogniser = adapters.attach(load("starter", "cpu"), 4, 8, 0.0, targets, seed, dora=dora)
    torch.manual_seed(seed)
    for name, parameter in recogniser.model.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            torch.nn.init.normal_(parameter, std=strength)
    adapters.save(recogniser, folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four adapters, two of which reach the encoder."""
    root = tmp_path_factory.mktemp("adapters")
    return [trained(root / targets, targets, seed) for seed, targets in enumerate(TARGETS)]


def with_adapters(folders: list[Path]) -> Recogniser:
    recogniser = load("starter", "cpu")
    for place, folder in enumerate(folders):
        recogniser = adapters.add_adapter(recogniser, folder, f"adapter{place}")
    return recogniser


def alone(path: Path, folder: Path | None) -> str:
    recogniser = load("starter", "cpu", adapter=folder)
    return recogniser.family.transcribe(recogniser.model, recogniser.processor, clip(path)).text


def test_four_adapters_in_one_batch_read_as_each_alone(folders: list[Path]) -> None:
    recogniser = with_adapters(folders)
    for path in PATHS:
        expected = [alone(path, folder) for folder in (None, *folders)]
        assert len(set(expected)) > 2
        assert [reading.plain.text for reading in hear(recogniser, clip(path))] == expected

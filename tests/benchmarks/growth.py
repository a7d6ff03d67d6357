"""What grows with what: `python -m tests.benchmarks.growth [--clips 100 1000 10000] [--steps N]`.

Time of a step against the length of the clips, for Moonshine tiny at its true shape with random weights. And memory
against the size of the dataset, for the starter on clips of 2 s: what a process holds beyond one that has loaded the
model, with features on the disk and, for comparison, kept in memory; and how long encoding takes, and takes again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from studio.audio import write_wav
from studio.config import TrainConfig
from studio.data.manifest import Dataset
from studio.data.utterance import Utterance
from studio.models import adapters, load
from studio.train import encoding, feature_cache
from studio.train.adapted import with_adapter
from studio.train.encoding import EncodingSet, encode
from studio.train.loop import fresh_learner, take_step
from studio.train.resources import peak_memory
from studio.workspace import Workspace
from tests.benchmarks.racing import clock, on_one_thread
from tests.benchmarks.shapes import clip_of, write_model
from tests.benchmarks.training import stepping

SECONDS = (2, 4, 8, 12, 16, 20)  # of a clip
CLIP_SECONDS = 2.0  # where the dataset grows
BATCH = 4


def against_length(steps: int, folder: Path) -> None:
    """Print the median time of a step for each length of clip."""
    on_one_thread()
    write_model(folder, "tiny")
    for targets in ("voice", "deep"):
        config = TrainConfig(dataset="none", targets=targets, dropout=0.0, batch_size=BATCH)
        print(f"\ntiny, {targets}, {BATCH} clips a step".ljust(40) + f"{'ms a step':>12}{'ms a second of audio':>24}")
        for seconds in SECONDS:
            recogniser = with_adapter(load(folder, "cpu"), config)
            step, _ = stepping(recogniser, config, [clip_of(seconds, seed) for seed in range(BATCH)])
            taken = 1000 * statistics.median([_timed(step) for _ in range(steps + 1)][1:])
            print(f"clips of {seconds} s".ljust(40) + f"{taken:12.0f}{taken / BATCH / seconds:24.1f}", flush=True)


def _timed(step: Any) -> float:
    began = clock()
    step(list(range(BATCH)))
    return clock() - began


def against_size(sizes: list[int], root: Path) -> None:
    """Print what a process held, for each number of clips."""
    heads = ("peak, MB", "beyond", "features, MB", "encode, s", "again, s", "in memory: beyond")
    print("\nstarter, deep, clips of 2 s".ljust(28) + "".join(f"{head:>20}" for head in heads))
    least = _measured(crowded(root / "0", BATCH), "disk")["peak"]
    for clips in sizes:
        dataset = crowded(root / f"{clips}", clips)
        disk, again, memory = (_measured(dataset, how) for how in ("disk", "disk", "memory"))
        figures = (disk["peak"], disk["peak"] - least, disk["features"])
        text = "".join(f"{figure / 1e6:20.0f}" for figure in figures)
        text += f"{disk['seconds']:20.1f}{again['seconds']:20.1f}{(memory['peak'] - least) / 1e6:20.0f}"
        print(f"{clips:,} clips".ljust(27) + text, flush=True)


def crowded(workspace: Path, clips: int) -> Path:
    """A workspace with a dataset of `clips` different noises."""
    dataset = Dataset.create(workspace / "recordings" / "crowd")
    lines = []
    for number in range(clips):
        path = f"clips/{number:06}.wav"
        write_wav(dataset.folder / path, clip_of(CLIP_SECONDS, number).samples, 16_000)
        clip = Utterance(
            id=f"{number:06}", audio_filepath=path, text=f"order {number}", duration=CLIP_SECONDS, split="train",
            created_at="2026-11-01T10:00:00+00:00",
        )  # fmt: skip
        lines.append(clip.to_line() + "\n")
    dataset.manifest.write_text("".join(lines))
    return workspace


def _measured(workspace: Path, how: str) -> dict[str, float]:
    """What a process of its own says of itself."""
    command = [sys.executable, "-m", "tests.benchmarks.growth", "--measure", how]
    given = os.environ | {"STUDIO_WORKSPACE": str(workspace)}
    said = subprocess.run(command, env=given, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def measure(how: str) -> None:
    """Encode the dataset of this workspace, take a few steps, and say how much memory that took at most."""
    on_one_thread()
    config = TrainConfig(dataset="crowd", batch_size=BATCH)
    recogniser = adapters.attach(load("starter", "cpu"), 8, 16, 0.0, config.targets, 0)
    learner = fresh_learner(recogniser, config)
    dataset = Dataset.open(Workspace.here().recordings / "crowd")
    if how == "memory":
        encoding.open_cache = lambda _: None
    began = clock()
    for _ in encode(
        recogniser, [EncodingSet(dataset, dataset.utterances(), learner.rows)], lambda: None, Workspace.here().features
    ):
        pass
    seconds = clock() - began
    for _ in range(20):
        take_step(learner, 1e-4, lambda: None)
    size = feature_cache.size_of(Workspace.here().features)
    print(json.dumps({"peak": peak_memory("cpu"), "features": size, "seconds": seconds}))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="*", default=[100, 1000, 10_000])
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--measure", choices=("disk", "memory"), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.measure:
        measure(wanted.measure)
        return
    with tempfile.TemporaryDirectory(prefix="studio-benchmark-") as folder:
        against_size(wanted.clips, Path(folder))  # first: a child's peak counts from its parent's size at the fork
        against_length(wanted.steps, Path(folder) / "model")


if __name__ == "__main__":
    main()

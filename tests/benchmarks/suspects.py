"""How many of 20 swapped labels among 400 clips stand in the first 30 suspects: base alone, and base with adapter.

    OMP_NUM_THREADS=1 python tests/benchmarks/suspects.py [seed …]     about 3 minutes a seed on one core

The adapter is trained on the same 400 clips, wrong labels included, as a person would before they look for mistakes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from studio.workspace import Workspace

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from planted import caught, planted
from tones import folder_of

from studio import config, models
from studio.data.manifest import Dataset
from studio.data.store import asr_results
from studio.inference.label_errors import LIKELY, find_suspects
from studio.text import Convention

CLIPS, WRONG, FIRST = 400, 20, 30
COLUMNS = ("in first 30", "suspicion > 0.5", "of them wrong", "s")
HEADER = f"{'seed':>4}  {'labels':<7} {'reader':<13} {COLUMNS[0]:>11} {COLUMNS[1]:>16} {COLUMNS[2]:>14} {COLUMNS[3]:>5}"


def rows(seed: int, convention: Convention, workspace: Path) -> Iterator[str]:
    """The lines of one seed."""
    dataset, wrong = planted(workspace / "recordings" / "planted", CLIPS, WRONG, seed, convention)
    base = models.load("starter")
    yield f"{seed:>4}  {convention:<7} {'base':<13} {_search(base, dataset, wrong, None)}"
    adapter = _adapter(workspace, dataset, seed)
    tuned = models.load("starter", adapter=adapter)
    yield f"{seed:>4}  {convention:<7} {'base + tuned':<13} {_search(tuned, dataset, wrong, 'tuned')}"


def _search(recogniser: models.Recogniser, dataset: Dataset, wrong: set[str], adapter: str | None) -> str:
    began = time.perf_counter()
    find_suspects(recogniser, dataset, dataset.utterances(), adapter, lambda done, total: None)
    likely = [item.id for item in asr_results.read(dataset).values() if (item.suspicion or 0) > LIKELY]
    hits = f"{caught(dataset, wrong, FIRST)} of {WRONG}"
    return f"{hits:>11} {len(likely):>16} {len(wrong & set(likely)):>14} {time.perf_counter() - began:>5.0f}"


def _adapter(workspace: Path, dataset: Dataset, seed: int) -> Path:
    from studio.train.finetune import run

    folder = folder_of(workspace, "tuned")
    for _ in run(config.preset("balanced", dataset=str(dataset.folder), seed=seed), folder, Workspace(workspace)):
        pass
    return folder.adapter


if __name__ == "__main__":
    print(HEADER, flush=True)
    for number, seed in enumerate(map(int, sys.argv[1:] or ["0", "1", "2"])):
        with tempfile.TemporaryDirectory() as folder:
            for row in rows(seed, ("digits", "words")[number % 2], Path(folder)):
                print(row, flush=True)

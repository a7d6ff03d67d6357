"""The recipe `original` at its full size on a real model and real voices, twice: its figures, and that both are equal.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.original WORKSPACE MODEL

MODEL is a folder with a real model. The 240 clips are the four people's connected digits of the shared speech
(`STUDIO_SPEECH`): 200 to learn from, 40 to choose by; the set's own 80 test clips measure. Both runs go at the same
time, one a core. A run that was interrupted goes on, so that the work may be stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import time
from pathlib import Path

from studio import config
from studio.data.manifest import Dataset
from studio.evaluation.evaluate import Evaluation
from studio.runs.folder import RunFolder
from studio.starter.recipe.human import speech_folder
from studio.workspace import Workspace

DATASET = "four-people"
CHOOSES = 6  # one in so many of the clips to learn from
RUNS = ("original-1", "original-2")


def four_people(workspace: Workspace) -> None:
    """The dataset, once."""
    folder = speech_folder()
    if folder is None:
        raise SystemExit("Real speech is absent: set STUDIO_SPEECH to a folder with metadata.jsonl.")
    if workspace.dataset(DATASET).exists():
        return
    dataset = Dataset.create(workspace.dataset(DATASET))
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    for number, row in enumerate(row for row in rows if row["set"] == "fsdd_connected"):
        split = "validation" if row["split"] == "train" and number % CHOOSES == 0 else row["split"]
        dataset.add(folder / row["file_name"], text=row["text"], split=split, source="import")


def trained(workspace: Workspace, model: str, name: str) -> None:
    """Run the recipe to its end in this process."""
    from studio.train.finetune import run

    folder = RunFolder(workspace.run(name))
    if folder.done.exists():
        return
    folder.path.mkdir(parents=True, exist_ok=True)
    plan = config.from_file("original", dataset=DATASET, model=model, threads=1)
    began = time.perf_counter()
    for _ in run(plan, folder, workspace, resume=folder.has_begun):
        pass
    print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)


def main() -> None:
    """Train twice, then print both runs' figures and their adapters' digests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("model", type=Path)
    given = parser.parse_args()
    workspace, model = Workspace(given.workspace.resolve()), str(given.model.resolve())
    os.environ["STUDIO_WORKSPACE"] = str(workspace.root)  # where a run looks for its dataset
    four_people(workspace)
    processes = [multiprocessing.Process(target=trained, args=(workspace, model, name)) for name in RUNS]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    print("| run | WER as written, before → after | as spoken, before → after | SHA-256 of the adapter |")
    print("|---|---|---|---|")
    for name in RUNS:
        folder = RunFolder(workspace.run(name))
        before, after = (Evaluation.model_validate_json(path.read_bytes()) for path in (folder.baseline, folder.tuned))
        weights = (folder.adapter / "adapter_model.safetensors").read_bytes()
        print(
            f"| {name} | {before.score.wer:.1%} → {after.score.wer:.1%} "
            f"| {before.spoken.wer:.1%} → {after.spoken.wer:.1%} | {hashlib.sha256(weights).hexdigest()[:16]} |"
        )


if __name__ == "__main__":
    main()

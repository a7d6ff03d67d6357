"""The recipe: `python -m studio.starter.recipe.build --work FOLDER` makes the corpus, trains, and writes the starter
model.

Seeded and resumable: stop it at any time and give the same command again. About two hours on two CPU cores.
Then `python -m studio.starter.recipe.measure --work FOLDER` scores it, and
`python -m studio.starter.recipe.card` writes its card.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing

from studio.errors import StudioError
from studio.starter import MODEL_FOLDER
from studio.starter.recipe import corpus, human
from studio.starter.recipe.export import CHECKPOINT, export, write_spent
from studio.starter.recipe.settings import Recipe, shard_name
from studio.starter.recipe.trainer import train

_LOG_EVERY = 50  # steps


def build(recipe: Recipe, work: Path) -> None:
    """Make what is missing of the corpus while training, and train to the end. Raises StudioError without
    synthesisers.
    """
    work.mkdir(parents=True, exist_ok=True)
    (work / "meeting").unlink(missing_ok=True)
    make_human_shards(recipe, work)
    context = torch.multiprocessing.get_context("spawn")
    maker = context.Process(target=make_corpus, args=(recipe, work))
    maker.start()
    workers = [
        context.Process(target=work_on, args=(worker, recipe, work), daemon=True) for worker in range(recipe.workers)
    ]
    while maker.is_alive() and not corpus.is_whole(work / "corpus", shard_name(0)):
        time.sleep(1)
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        time.sleep(1)
        if maker.exitcode not in (None, 0) or any(worker.exitcode not in (None, 0) for worker in workers):
            maker.kill()
            raise StudioError(
                "A process of the recipe ended early.", "Read the lines above, then run the command again."
            )
    maker.join()


def make_human_shards(recipe: Recipe, work: Path) -> None:
    """Write the human digits where they are at hand and the recipe wants them, else empty shards."""
    source = human.speech_folder() if recipe.human_joined else None
    human.make_shards(source, work / "corpus", recipe.human_joined, str(recipe.seed))


def make_corpus(recipe: Recipe, work: Path) -> None:
    """Make the shards that are missing, in the order in which training asks for them."""
    for place in range(recipe.shards):
        name = shard_name(place)
        orders = corpus.orders(f"{recipe.seed}/{name}", recipe.shard_clips)
        corpus.make_shard(work / "corpus", name, orders, recipe.workers)


def work_on(worker: int, recipe: Recipe, work: Path) -> None:
    """One worker process: train, and print the mean losses if it is the first."""
    torch.set_num_threads(1)
    if recipe.workers > 1:
        meeting = f"file://{(work / 'meeting').resolve()}"
        dist.init_process_group("gloo", init_method=meeting, rank=worker, world_size=recipe.workers)
    sums: dict[str, float] = defaultdict(float)
    started, cpu = time.time(), time.process_time()
    for done in train(worker, recipe, work):
        for name, loss in done.losses.items():
            sums[name] += loss
        if worker == 0 and done.step % _LOG_EVERY == 0:
            means = " ".join(f"{name} {total / _LOG_EVERY:.3f}" for name, total in sums.items())
            spent = f"wall {time.time() - started:.0f} s cpu {time.process_time() - cpu:.0f} s"
            print(f"step {done.step} {means} {spent}", flush=True)
            sums.clear()


def main() -> None:
    """Read the command line, build, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for corpus and checkpoint, about 6 GB")
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER, help="where the model is written")
    arguments = parser.parse_args()
    recipe = Recipe()
    build(recipe, arguments.work)
    export(arguments.work / CHECKPOINT, arguments.model)
    write_spent(recipe, arguments.work, arguments.model)


if __name__ == "__main__":
    main()

"""What `studio mend` takes for a sentence with one model, by the clock and of the processor, and how well it does.

    OMP_NUM_THREADS=2 python -m tests.benchmarks.mending_times MODEL [--run RUN] [--sentences 25]

Held-out sentences, each once as the first typist of `tests.benchmarks.mending` types it and once clean. Time that other
programs take from the machine is in the clock's and not in the processor's, which counts all threads together.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

from studio.inference.mend import load_typing, mend
from studio.models import Recogniser
from studio.train.resources import peak_memory
from studio.typing.scores import Mended, TypingScore, score
from studio.typing.typos import TypedText
from studio.typing_starter.recipe.measure import examples, held_out
from studio.workspace import Workspace
from tests.benchmarks.mending import UNSEEN, percent

HEAD = (
    "| sentences | removed | recall | F0.5 | touched | unfinished | ms | 95 % | ms of processors | 95 % |\n"
    + "|---" * 10
    + "|"
)


def row(name: str, recogniser: Recogniser, given: Sequence[TypedText]) -> tuple[str, list[Mended]]:
    """A line of the table, and what came of it."""
    rows, wall, busy, cut = list[Mended](), list[float](), list[float](), 0
    for pair in given:
        started = time.perf_counter(), time.process_time()
        found = mend(recogniser, pair.typed)
        wall.append(1000 * (time.perf_counter() - started[0]))
        busy.append(1000 * (time.process_time() - started[1]))
        cut += found.cut
        rows.append(Mended(pair.typed, pair.wanted, found.text, pair.typos))
    times = [f"{figure:.0f}" for taken in (wall, busy) for figure in middle_and_high(taken)]
    cells = [name, *shares(score(rows)), str(cut), *times]
    return f"| {' | '.join(cells)} |", rows


def shares(found: TypingScore) -> list[str]:
    """In per cent: removed, recall, F0.5, clean touched."""
    return [percent(share) for share in (found.removed, found.recall, found.f05, found.over_correction)]


def middle_and_high(values: Sequence[float]) -> tuple[float, float]:
    """The median, and what 95 of 100 are below."""
    return statistics.median(values), sorted(values)[int(0.95 * len(values))]


def main() -> None:
    """Read the command line, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="“typing-starter”, or a folder with a language model")
    parser.add_argument("--run", help="a typing run of this workspace, or its LoRA folder")
    parser.add_argument("--sentences", type=int, default=25)
    arguments = parser.parse_args()
    recogniser = load_typing(arguments.model, arguments.run, Workspace.here(), "cpu")
    given = examples(held_out("test")[: arguments.sentences], UNSEEN, seed=99)
    mend(recogniser, given[0].typed)  # the first one prepares much
    print(HEAD, flush=True)
    half = len(given) // 2
    found = list[Mended]()
    for name, part in {"with typos": given[:half], "clean": given[half:]}.items():
        line, rows = row(name, recogniser, part)
        found += rows
        print(line, flush=True)
    print(f"\nAll {len(given)}: F0.5 {shares(score(found))[2]} %; {peak_memory('cpu') / 1e9:.2f} GB at the peak")


if __name__ == "__main__":
    main()

"""How fast an adapter is trained, beside other people's loops: `python -m tests.benchmarks.training [--only NAME]`.

Real shapes, random weights, clips of noise of 2 to 12 s, 6 s on the average; both sides take turns in one process, step
by step, on the same clips. Processor time on one thread: a busy machine changes it little. A ratio is a median over the
steps, with its range. The two losses of every step are compared: it is the same mathematics. What is computed once a
clip stands in a line of its own, as it is not in the steps.

    original      q, k, v, o everywhere, Moonshine tiny        against Seq2SeqTrainer + peft, batch 1 x 4
    voice         the preset, tiny and streaming medium        against the same, with the same adapter;
                                                               and with the original's adapter (other losses, of course)
    conventions   the preset, streaming tiny and medium        against moonshine_voice.lora.train.fit_adapter, batch 8:
                                                               pip install 'moonshine-voice[lora]'
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from studio.config import TrainConfig
from studio.models import Clip, Recogniser, adapters, load
from studio.train import loop
from studio.train.adapted import with_adapter
from studio.train.batches import clips_of_step
from studio.train.loop import Learner, fresh_learner, take_step
from tests.benchmarks.peers import Step, as_transformers_loads, race_with_makers, race_with_trainer, share_down
from tests.benchmarks.racing import HEADER, clock, on_one_thread
from tests.benchmarks.shapes import clips, seconds_of, write_model

RATE = 1e-3
CLIPS_A_STEP = 4
EVERYWHERE = "deep"


def by_peft(base: Recogniser, config: TrainConfig) -> Recogniser:
    """`base` with the adapter that `with_adapter` makes by `config`, whose layers are peft's own."""
    return adapters.attach(base, config.rank, config.alpha, config.dropout, config.targets, config.seed)


def stepping(recogniser: Recogniser, config: TrainConfig, found: list[Clip]) -> tuple[Step, str]:
    """Our own steps, and what was computed for them beforehand."""
    learner = fresh_learner(recogniser, config)
    began = clock()
    for clip in found:
        learner.rows.append(recogniser.family.prepare(recogniser.model, recogniser.processor, clip))
    taken = clock() - began
    size = sum(tensor.nbytes for row in learner.rows for tensor in row.values()) / seconds_of(found)
    kept = next(name for name in ("memory", "stem") if name in learner.rows[0])
    told = f"{kept}: {1000 * taken / len(found):.0f} ms a clip, once; {size / 1000:.0f} kB a second of audio"
    return partial(step_on, learner), told


def step_on(learner: Learner, places: list[int]) -> float:
    """One step of the true loop, on the clips at `places` in place of those that it would choose."""
    chosen, loop.clips_of_step = loop.clips_of_step, lambda *_: _dealt(learner, places)
    try:
        return take_step(learner, RATE, lambda: None)
    finally:
        loop.clips_of_step = chosen


def _dealt(learner: Learner, places: list[int]) -> list[list[int]]:
    size = learner.config.batch_size
    return [places[at : at + size] for at in range(0, len(places), size)]


def _flat(dealt: list[list[int]]) -> list[int]:
    return [place for part in dealt for place in part]


def with_trainer(targets: str, steps: int, folder: Path, theirs: str | None = None) -> Iterator[str]:
    """Ours with one adapter beside the Trainer's with the same, or with `theirs`.

    Where the encoder is adapted ours takes clip by clip too: on a CPU padding costs more than a batch gains.
    """
    size = 1 if targets == EVERYWHERE else CLIPS_A_STEP
    config = TrainConfig(
        dataset="none", targets=targets, dropout=0.0, batch_size=size, accumulation=CLIPS_A_STEP // size
    )
    found = clips(24)
    step, kept = stepping(with_adapter(load(folder, "cpu"), config), config, found)
    batches = [_flat(clips_of_step(number, len(found), config)) for number in range(1, steps + 1)]
    peer = by_peft(as_transformers_loads(folder), config.model_copy(update={"targets": theirs or targets}))
    race = race_with_trainer(peer, found, batches, RATE, step)
    if theirs:
        race.our_losses, race.peer_losses = [], []
    yield race.as_text()
    yield kept


def with_makers(steps: int, folder: Path) -> Iterator[str]:
    """Ours beside the makers' own loop. Without their package there is nothing to race."""
    config = TrainConfig(dataset="none", targets="conventions", rank=8, alpha=8, dropout=0.0, batch_size=8)
    found = clips(24, in_groups_of=8)
    recogniser = with_adapter(load(folder, "cpu"), config)
    share_down(recogniser)
    step, kept = stepping(recogniser, config, found)
    try:
        yield race_with_makers(as_transformers_loads(folder), found, steps, RATE, step).as_text()
    except ImportError as error:
        yield f"skipped: the makers' package is not installed ({error}); pip install 'moonshine-voice[lora]'"
    yield kept


Row = Callable[[int, Path], Iterator[str]]


def rows() -> Iterator[tuple[str, str, str, Row]]:
    """Name, what is raced, shape, and the race."""
    yield "original", "tiny, q k v o everywhere / Trainer", "tiny", partial(with_trainer, EVERYWHERE)
    for shape, name in (("tiny", "tiny"), ("streaming-medium", "medium")):
        yield f"voice-{name}", f"{name}, Voice / Trainer, Voice", shape, partial(with_trainer, "voice")
        other = partial(with_trainer, "voice", theirs=EVERYWHERE)
        yield f"voice-{name}-original", f"{name}, Voice / Trainer, everywhere", shape, other
    for shape in ("streaming-tiny", "streaming-medium"):
        name = shape.removeprefix("streaming-")
        yield f"conventions-{name}", f"{name}, Conventions / fit_adapter", shape, with_makers


def main() -> None:
    """Print a line for each race, and what was computed beforehand for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="names of rows, or their beginnings")
    parser.add_argument("--steps", type=int, default=12)
    wanted = parser.parse_args()
    on_one_thread()
    print(HEADER, flush=True)
    for name, told, shape, race in rows():
        if wanted.only and not name.startswith(tuple(wanted.only)):
            continue
        with tempfile.TemporaryDirectory(prefix="studio-benchmark-") as folder:
            result, kept = race(wanted.steps, write_model(Path(folder), shape))
        print(f"{told:<44}{result}\n    {kept}", flush=True)


if __name__ == "__main__":
    main()

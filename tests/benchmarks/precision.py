"""Whole training steps in fp32 and in other precisions: `python -m tests.benchmarks.precision MODEL [--texts]`.

MODEL is “starter” or a folder with a real model, read and trained on real clips (`STUDIO_SPEECH`). fp32 and the other
way take turns in one process, on the same clips, on one thread; processor time, medians and their ratio's range.

    mixed      large products of frozen layers in bf16, everything else in fp32: what “auto” chooses where it gains
    bf16       the whole base model in bf16
    eager      the same with attention written out, not PyTorch's fused one
    autocast   PyTorch's own mixed precision over fp32 weights

With --texts the test clips are transcribed in fp32 and mixed precision too: how many texts are equal, and both WERs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch
from transformers import PreTrainedModel

from studio import audio
from studio.config import TrainConfig
from studio.inference.transcribe import transcribe
from studio.models import Clip, load
from studio.models.kernels.mixed import bf16_gain
from studio.models.memory import layer_widths
from studio.starter.recipe.human import speech_folder
from studio.text.metrics import score
from studio.train.adapted import with_adapter
from tests.benchmarks.racing import HEADER, alternate, on_one_thread
from tests.benchmarks.training import stepping

WAYS = ("mixed", "bf16", "eager", "autocast")
TRAINED_ON = 16
Take = Callable[[], object]


def real_clips(which: str, speaker: str, split: str) -> list[Clip]:
    """Clips of one set and speaker. Ends with a word where there are none."""
    folder = speech_folder()
    if folder is None:
        raise SystemExit("Real speech is absent: set STUDIO_SPEECH to a folder with metadata.jsonl.")
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if (row["set"], row["split"]) == (which, split) and row["speaker"].startswith(speaker)]
    return [Clip(audio.read(folder / row["file_name"], 16_000).samples, row["text"], row["file_name"]) for row in rows]


def steps(model: str, way: str, config: TrainConfig, found: list[Clip]) -> Take:
    """The next step each time it is called."""
    recogniser = with_adapter(load(model, "cpu", {"eager": "bf16", "autocast": "fp32"}.get(way, way)), config)
    if way == "eager":
        for module in recogniser.model.modules():
            if isinstance(module, PreTrainedModel):
                module.config._attn_implementation = "eager"
    step, _ = stepping(recogniser, config, found)
    places = _places(config.batch_size)

    def once() -> None:
        with torch.autocast("cpu", torch.bfloat16) if way == "autocast" else nullcontext():
            step(next(places))

    return once


def _places(size: int) -> Iterator[list[int]]:
    first = 0
    while True:
        yield [(first + place) % TRAINED_ON for place in range(size)]
        first += size


def texts(model: str) -> Iterator[str]:
    """How mixed precision transcribes, compared with fp32."""
    plain, mixed = load(model, "cpu"), load(model, "cpu", "mixed")
    for which, speaker in (("fsdd_connected", "fsdd_theo"), ("kathleen", "kathleen"), ("assorted", "")):
        found = real_clips(which, speaker, "test")
        both = [[said.text for said in transcribe(each, found)] for each in (plain, mixed)]
        same = sum(one == other for one, other in zip(*both, strict=True))
        errors = [score([clip.text for clip in found], side, "spoken").wer for side in both]
        yield f"{which}: {same} of {len(found)} texts equal, WER {errors[0]:.2%} in fp32, {errors[1]:.2%} mixed"
        race = alternate(partial(transcribe, mixed, found), partial(transcribe, plain, found), 3)
        yield f"{'':4}transcribing: {race.as_text()}"


def main() -> None:
    """Print a line for each adapter and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--targets", nargs="+", default=["deep", "voice"])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--texts", action="store_true")
    given = parser.parse_args()
    on_one_thread()
    if widths := layer_widths(given.model):
        print(f"products in bf16: {bf16_gain(*widths):.2f} times as fast as in fp32")
    print(HEADER.removesuffix("losses apart").replace("peer", "fp32"), flush=True)
    found = real_clips("fsdd_connected", "fsdd_theo", "train")[:TRAINED_ON]
    for targets in given.targets:
        config = TrainConfig(dataset="none", targets=targets, batch_size=given.batch)
        for way in given.ways:
            race = alternate(
                steps(given.model, way, config, found), steps(given.model, "fp32", config, found), given.turns
            )
            print(f"{Path(given.model).name}, {targets}, {way}".ljust(44) + race.as_text(), flush=True)
    for line in texts(given.model) if given.texts else ():
        print(line, flush=True)


if __name__ == "__main__":
    main()

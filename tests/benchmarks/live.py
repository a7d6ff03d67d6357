"""How long the Test tab waits for its transcripts: `python tests/benchmarks/live.py [--times N] [--threads N]`.

An utterance of five seconds, as the page records it (48 kHz, mono, 16 bits), goes to a served studio, which reads it
with the starter. From the last sample to all texts, in seconds of the clock: the median and the longest of N, and how
much of the median the model took itself (its own latencies, added up). Both transcripts of one run are due within
1.5 s; the others are told beside it. The adapters are random, too small to change what is written, in every layer's
q, k, v and o (*Deep*), so that each encodes the utterance by itself.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx
import numpy as np
from browsing import served

from studio.audio import read, wav_bytes
from studio.models import adapters, load
from studio.run_folder import RunFolder
from studio.starter import UNHEARD_FOLDER

SECONDS, RATE = 5.0, 48_000
BAR = 1.5  # seconds, for both transcripts of one run
TERMS = "location code\norder number\nQuentin\nBoston\nextension\ninvoice\nMadrid\nzip code\nticket\nOslo"


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked, and of how many runs."""

    name: str
    runs: int
    terms: str = ""
    asks: str = "hear"


CASES = (
    Case("the base alone", 0),
    Case("before and after", 1),
    Case("before and after, 10 key terms", 1, TERMS),
    Case("base and four adapters", 4),
    Case("base and four adapters, 10 key terms", 4, TERMS),
    Case("a partial text", 1, asks="partial"),
)


def utterance() -> bytes:
    """Five seconds of speech, as the page sends them."""
    clips = [read(path, RATE).samples for path in sorted(UNHEARD_FOLDER.rglob("*.flac"))[:3]]
    return wav_bytes(np.concatenate(clips)[: round(SECONDS * RATE)], RATE)


def finished_runs(workspace: Path, most: int) -> list[str]:
    """`most` runs with an adapter each."""
    import torch

    names = [f"voice-{number:04d}" for number in range(most)]
    for seed, name in enumerate(names):
        run = RunFolder(workspace / "outputs" / name)
        adapted = adapters.attach(load("starter", "cpu"), 8, 16, 0.0, "deep", seed)
        for parameter in adapters.trainable(adapted):
            torch.nn.init.normal_(parameter, std=0.01)
        adapters.save(adapted, run.adapter)
        run.config.write_text(json.dumps({"model": "starter", "dataset": "voice"}))
        run.done.touch()
    return names


def asked(client: httpx.Client, case: Case, runs: list[str], sound: bytes) -> tuple[float, float]:
    """Seconds until the answer to `case` is here, and those that the model took of them."""
    form = {"run": runs[: case.runs], "model": "starter", "terms": case.terms}
    began = time.perf_counter()
    answer = client.post(f"studio/listen/{case.asks}", data=form, files={"sound": ("utterance.wav", sound)})
    taken = time.perf_counter() - began
    answer.raise_for_status()
    return taken, sum(latencies(answer.json()))


def latencies(answer: Any) -> Iterator[float]:
    """Every `latency` in an answer."""
    if isinstance(answer, dict):
        yield from ([answer["latency"]] if "latency" in answer else [])
    for part in answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list) else ():
        yield from latencies(part)


def main() -> None:
    """Print a line for each case; end with 1 where both transcripts are late."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    options, medians, sound = parser.parse_args(), {}, utterance()
    with tempfile.TemporaryDirectory(prefix="studio-benchmark-") as folder:
        runs = finished_runs(Path(folder), max(case.runs for case in CASES))
        with served(Path(folder), OMP_NUM_THREADS=str(options.threads)) as studio, studio.client() as client:
            print(
                f"{SECONDS:g} s of speech, {options.times} times{'':17}median, s  longest, s  the model, s", flush=True
            )
            for case in CASES:
                client.post("studio/listen/prepare", data={"run": runs[: case.runs], "model": "starter"})
                taken = [asked(client, case, runs, sound) for _ in range(options.times)]
                whole, own = (statistics.median(column) for column in zip(*taken, strict=True))
                medians[case.name] = whole
                print(f"{case.name:42}{whole:9.2f}{max(taken)[0]:12.2f}{own:14.2f}", flush=True)
    is_late = medians["before and after"] > BAR
    print(f"both transcripts within {BAR} s: {'no' if is_late else 'yes'}")
    sys.exit(int(is_late))


if __name__ == "__main__":
    main()

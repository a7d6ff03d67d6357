"""How long the Test tab waits for its transcripts.

    python tests/benchmarks/live.py [--times N] [--threads N] [--model FOLDER] [--adapter NAME]

An utterance of five seconds, as the page records it (48 kHz, mono, 16 bits), goes to a served studio, which reads it
with the starter, or with the model in FOLDER; then a bundled person speaks. From the last sample to all texts, in
seconds of the clock: the median and the longest of N; and the median of the processor seconds that the studio and its
model took, which other programs hardly change: with one thread they are what an idle machine would need. Both
transcripts of one run are due within 1.5 s, of a real model within 1.0 s; the others are printed too. Partial texts
are of an utterance that grows by half a second from one to the next, up to five.

The adapters are random and too small to change what is written. With *Deep* they are in every layer's q, k, v and o,
and each encodes the utterance by itself; with *Voice*, which Whisper starts with on a CPU, all share the encoder.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx
import numpy as np
import psutil
from browsing import Served, served

from studio.audio import read, wav_bytes
from studio.config import ADAPTERS, STARTER
from studio.evaluation.general_set import PEOPLE_FOLDER
from studio.models import adapters, load
from studio.runs.folder import RunFolder
from studio.starter import UNHEARD_FOLDER
from studio.ui.base_models import add
from studio.workspace import Workspace

SECONDS, RATE = 5.0, 48_000
BAR, REAL_BAR = 1.5, 1.0  # seconds, for both transcripts of one run of the starter, and of a real model
TERMS = "location code\norder number\nQuentin\nBoston\nextension\ninvoice\nMadrid\nzip code\nticket\nOslo"


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked, and of how many runs."""

    name: str
    runs: int
    terms: str = ""
    asks: str = "hear"
    short_frames: bool = False  # which all models but Whisper take no notice of


CASES = (
    Case("the base alone", 0),
    Case("before and after", 1),
    Case("before and after, short frames", 1, short_frames=True),
    Case("before and after, 10 key terms", 1, TERMS),
    Case("base and four adapters", 4),
    Case("base and four adapters, 10 key terms", 4, TERMS),
    Case("a partial text", 1, asks="partial"),
)


def utterance(model: str, seconds: float) -> bytes:
    """The first seconds of some speech, as the page sends them."""
    speech = UNHEARD_FOLDER if model == STARTER else PEOPLE_FOLDER
    clips = [read(path, RATE).samples for path in sorted(speech.rglob("*.flac"))[:3]]
    return wav_bytes(np.concatenate(clips)[: round(seconds * RATE)], RATE)


def finished_runs(workspace: Path, model: str, adapter: str, most: int) -> list[str]:
    """`most` runs with an adapter each."""
    import torch

    names = [f"voice-{number:04d}" for number in range(most)]
    for seed, name in enumerate(names):
        run = RunFolder(workspace / "outputs" / name)
        adapted = adapters.attach(load(model, "cpu"), 8, 16, 0.0, adapter, seed)
        for parameter in adapters.trainable(adapted):
            torch.nn.init.normal_(parameter, std=0.01)
        adapters.save(adapted, run.adapter)
        run.config.write_text(json.dumps({"run": name, "model": model, "dataset": "voice"}))
        run.done.touch()
    return names


def asked(
    studio: Served, client: httpx.Client, model: str, case: Case, runs: list[str], turn: int
) -> tuple[float, float]:
    """Seconds until the answer to `case` is here, by the clock and of processors."""
    seconds = SECONDS if case.asks == "hear" else SECONDS - 0.5 * (-turn % 10)
    form = {"run": runs, "model": model, "terms": case.terms, "short_frames": case.short_frames}
    files = {"sound": ("said.wav", utterance(model, seconds))}
    began, used = time.perf_counter(), processor_seconds(studio)
    client.post(f"studio/listen/{case.asks}", data=form, files=files).raise_for_status()
    return time.perf_counter() - began, processor_seconds(studio) - used


def processor_seconds(studio: Served) -> float:
    """What the studio and the processes that it started have used so far."""
    page = psutil.Process(studio.process.pid)
    times = [process.cpu_times() for process in (page, *page.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def main() -> None:
    """Print a line for each case; end with 1 where both transcripts are late."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", default=STARTER)
    parser.add_argument("--adapter", choices=ADAPTERS, default="deep")
    options, medians = parser.parse_args(), dict[str, float]()
    print(
        f"{f'{SECONDS:g} s of speech, {options.times} times':38}{'median, s':>12}{'longest, s':>12}{'processor, s':>14}"
    )
    with tempfile.TemporaryDirectory(prefix="studio-benchmark-") as folder:
        runs = finished_runs(Path(folder), options.model, options.adapter, max(case.runs for case in CASES))
        if options.model != STARTER:
            add(Workspace(Path(folder)), options.model)  # else the page refuses a path
        with served(Path(folder), OMP_NUM_THREADS=str(options.threads)) as studio, studio.client() as client:
            client.timeout = 300.0  # a busy machine loads a model slowly
            for case in CASES:
                chosen = runs[: case.runs]
                client.post("studio/listen/prepare", data={"run": chosen, "model": options.model}).raise_for_status()
                taken = [asked(studio, client, options.model, case, chosen, turn) for turn in range(options.times)]
                medians[case.name], own = (statistics.median(column) for column in zip(*taken, strict=True))
                print(f"{case.name:38}{medians[case.name]:12.2f}{max(taken)[0]:12.2f}{own:14.2f}", flush=True)
    bar = BAR if options.model == STARTER else REAL_BAR
    is_late = medians["before and after"] > bar
    print(f"both transcripts within {bar} s: {'no' if is_late else 'yes'}")
    sys.exit(int(is_late))


if __name__ == "__main__":
    main()

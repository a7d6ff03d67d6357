"""How far word starts are from where they are known to be: `python -m tests.benchmarks.alignment [--model FOLDER]`.

Without a model it measures the rough way alone. Median, 95th percentile and the share within 200 ms, in milliseconds
of the clock, on clips joined from single digits (with and without gaps, and with pauses inside), on the dev set's
connected digits as far as their joints can be found again, on sentences by espeak-ng, and on the same in noise.
The tables in README.md are its output.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from word_clips import TimedClip, connected_digits, joined_digits, spoken_sentences

from studio.inference.alignment.aligning import align
from studio.models import Recogniser, load

SPEECH = Path(__file__).resolve().parents[3] / "shared" / "speech"
SEED = 7  # other clips than those on which the weights were chosen
NOISE_DB = 15.0  # speech over white noise


def errors(recogniser: Recogniser | None, clips: Sequence[TimedClip]) -> list[float]:
    """Seconds by which each known start was missed; below 0: too early."""
    found = [(clip, align(recogniser, clip.samples, clip.text)) for clip in clips]
    return [
        times[0] - start
        for clip, words in found
        for (_, times), start in zip(words, clip.starts, strict=True)
        if start is not None
    ]


def noisy(clip: TimedClip) -> TimedClip:
    """The clip in white noise."""
    generator = np.random.default_rng(len(clip.samples))
    level = np.sqrt(np.mean(np.square(clip.samples))) * 10 ** (-NOISE_DB / 20)
    noise = generator.normal(0, level, len(clip.samples))
    return replace(clip, samples=(clip.samples + noise).astype(np.float32))


def sets(folder: Path, count: int) -> dict[str, Callable[[], list[TimedClip]]]:
    """What is measured."""
    return {
        "digits joined, 60 to 180 ms between": lambda: joined_digits(folder, count, SEED),
        "digits joined, 0 to 30 ms between": lambda: joined_digits(folder, count, SEED + 1, (0.0, 0.03)),
        "digits joined, 0.4 to 1.5 s between": lambda: joined_digits(folder, count, SEED + 2, (0.4, 1.5)),
        "fsdd_connected": lambda: list(connected_digits(folder, count)),
        "sentences by espeak-ng": lambda: spoken_sentences(count, SEED),
        "the same, 15 dB over white noise": lambda: [noisy(clip) for clip in spoken_sentences(count, SEED)],
    }


def row(name: str, found: Sequence[float], seconds: float) -> str:
    """One line of the table."""
    away = np.abs(found) * 1000
    middle, most = np.percentile(away, [50, 95])
    inside = float(np.mean(away <= 200) * 100)
    return f"| {name} | {len(away)} | {middle:.0f} | {most:.0f} | {inside:.1f} % | {seconds:.2f} |"


def main() -> None:
    """Print both tables."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--model", default="", help="a Whisper's folder or Hub id")
    asked.add_argument("--speech", type=Path, default=SPEECH, help="a folder with metadata.jsonl")
    asked.add_argument("--clips", type=int, default=24, help="of each set")
    options = asked.parse_args()
    for recogniser in ([load(options.model, "cpu")] if options.model else []) + [None]:
        title = recogniser.source if recogniser else "without a model"
        print(f"\n| {title} | words | median | 95 % | ≤ 200 ms | s a clip |")
        print("|---|---|---|---|---|---|")
        for name, make in sets(options.speech, options.clips).items():
            clips = make()
            began = time.perf_counter()
            found = errors(recogniser, clips)
            print(row(name, found, (time.perf_counter() - began) / len(clips)), flush=True)


if __name__ == "__main__":
    main()

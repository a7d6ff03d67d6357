"""How much memory import and export take as a dataset grows: `python -m tests.benchmarks.formats [--clips 10000 …]`.

Clips of 0.1 s, each another noise, so that lists and directories are what weighs. Every cell is a process of its own:
the most memory that it held at once, and its seconds. Figures of quality are given instead of measured: that takes half
the time of an import, and leaves nothing behind. Files are made by the hundred thousand: point TMPDIR at a fast disk.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from studio.audio import wav_bytes
from studio.data import quality
from studio.data.formats.plan import ImportPlan
from studio.data.import_export.exporting import export_data
from studio.data.import_export.importing import import_data
from studio.data.manifest import Dataset
from studio.data.utterance import Utterance

RATE = 8_000  # Hz
SECONDS = 0.1
SIZES = (10_000, 50_000, 100_000)
FIGURES = {"version": 1, "peak_db": -6.0, "rms_db": -20.0, "loudness_lufs": -23.0, "clipped_share": 0.0,
           "speech_seconds": 0.1, "silence_before": 0.0, "silence_after": 0.0, "longest_pause": 0.0, "dc_offset": 0.0,
           "bandwidth_hz": 4000}  # fmt: skip
NAMES = ("nemo", "csv", "lhotse", "parquet", "pairs")


def make(folder: Path, count: int) -> None:
    """A dataset of `count` clips, one in a hundred of a sentence that was said before."""
    dataset = Dataset.create(folder)
    with dataset.manifest.open("w") as stream:
        for number in range(count):
            noise = np.random.default_rng(number).normal(0, 0.1, round(RATE * SECONDS)).astype(np.float32)
            path = f"clips/{number:06}.wav"
            (folder / path).write_bytes(wav_bytes(noise, RATE))  # nothing here has to survive a power cut
            text = f"order number {number - number % 100 // 99} please"
            clip = Utterance.model_validate({"audio_filepath": path, "text": text, "duration": SECONDS})
            stream.write(clip.to_line() + "\n")


def work(what: str, name: str, source: Path, target: Path) -> None:
    """Do one thing, and print what it held at most, in bytes, and its seconds."""
    began = time.perf_counter()
    if what == "make":
        make(target, int(name))
    elif what == "export":
        export_data(Dataset.open(source), name, target)
    else:
        quality.remembered = lambda wave: FIGURES
        report = import_data(Dataset(target), ImportPlan([source]))
        assert not report.skipped, report.reasons
    unit = 1 if sys.platform == "darwin" else 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, time.perf_counter() - began)


def measured(*words: str | Path) -> tuple[float, float]:
    """Peak (bytes) and seconds of a process that does what `work` is told."""
    command = [sys.executable, "-m", "tests.benchmarks.formats", "--work", *map(str, words)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ.copy()).stdout
    peak, seconds = map(float, said.split())
    return peak, seconds


def table(root: Path, sizes: list[int], names: list[str]) -> None:
    """Print a row for each format and direction."""
    print(f"{'MB at most (s)':24}" + "".join(f"{count:>16,}" for count in sizes), flush=True)
    for count in sizes:
        measured("make", str(count), ".", root / str(count))
    for name in names:
        cells: dict[str, list[str]] = {"export": [], "import": []}
        for count in sizes:
            out = root / ("out.zip" if name == "pairs" else "out")
            for what, source, target in (("export", root / str(count), out), ("import", out, root / "back")):
                peak, seconds = measured(what, name, source, target)
                cells[what].append(f"{peak / 1e6:9.0f} ({seconds:.0f})")
            for left in (out, root / "back"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        for what, row in cells.items():
            print(f"{what} {name}".ljust(24) + "".join(f"{cell:>16}" for cell in row), flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--formats", nargs="*", default=list(NAMES))
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.work:
        what, name, source, target = wanted.work
        work(what, name, Path(source), Path(target))
        return
    with tempfile.TemporaryDirectory(prefix="studio-benchmark-") as folder:
        table(Path(folder), wanted.clips, wanted.formats)


if __name__ == "__main__":
    main()

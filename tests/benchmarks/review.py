"""How fast a large dataset is looked at and edited, beside the naive way: `python tests/benchmarks/review.py`.

Figures are of the server alone, in this process; the naive way reads and parses the whole manifest for every question,
as a program without a cache does. The empty tab is what the same question costs in a dataset without clips.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from studio.data.manifest import Dataset
from studio.data.store import lines, snapshot
from studio.data.utterance import Utterance
from studio.data.view.table import Table
from studio.workspace import write_atomically

WORDS = (
    "order",
    "number",
    "call",
    "one",
    "two",
    "three",
    "seven",
    "the",
    "of",
    "to",
    "in",
    "morning",
    "please",
    "again",
)
FIGURES = {
    "version": 1, "peak_db": -6.0, "rms_db": -20.0, "loudness_lufs": -23.0, "clipped_share": 0.0, "snr_db": 35.0,
    "speech_seconds": 2.0, "silence_before": 0.1, "silence_after": 0.1, "longest_pause": 0.1, "dc_offset": 0.0,
    "bandwidth_hz": 20000,
}  # fmt: skip


def crowded(folder: Path, clips: int) -> Dataset:
    """A dataset of `clips` lines, whose sounds nobody reads."""
    dataset = Dataset.create(folder)
    rng = random.Random(1)
    rows = []
    for number in range(clips):
        id = f"{number:06}"
        (dataset.folder / "clips" / f"{id}.wav").touch()
        clip = Utterance(
            id=id,
            audio_filepath=f"clips/{id}.wav",
            text=f"{' '.join(rng.choices(WORDS, k=6))} {number}",
            duration=rng.uniform(1, 9),
            speaker=rng.choice(["anna", "ben"]),
            split=rng.choices(["train", "validation", "test"], [7, 1, 2])[0],
            created_at=f"2026-11-{1 + number % 28:02}T10:00:00+00:00",
            quality=FIGURES,
            audio_sha256=id,
        )
        rows.append(clip.to_line() + "\n")
    dataset.manifest.write_text("".join(rows))
    time.sleep(0.05)
    return dataset


def median(call: Callable[[], object], times: int) -> float:
    """Milliseconds."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


class Naive:
    """The same questions with everything read and parsed each time."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.edits = 0

    def clips(self) -> list[Utterance]:
        rows = lines.split_lines(lines.read_bytes(self.dataset.manifest))
        return [row for row in map(lines.parse, rows) if isinstance(row, Utterance)]

    def page(self, first: int) -> list[Utterance]:
        return sorted(self.clips(), key=lambda clip: clip.created_at, reverse=True)[first : first + 50]

    def search(self) -> list[Utterance]:
        return [clip for clip in self.clips() if "morning" in clip.text and "please" in clip.text][:50]

    def filter(self) -> list[Utterance]:
        return [clip for clip in self.clips() if clip.duration < 3 and clip.speaker == "anna"][:50]

    def edit(self) -> None:
        self.edits += 1
        clips = self.clips()
        clips[self.edits] = clips[self.edits].model_copy(update={"text": f"naive {self.edits}"})
        write_atomically(self.dataset.manifest, "".join(clip.to_line() + "\n" for clip in clips))


def measured(dataset: Dataset, times: int) -> list[tuple[str, float, float]]:
    """What was asked, and the milliseconds that it took: ours, and the naive way."""
    naive, edits = Naive(dataset), iter(range(10**6))

    def edit() -> None:
        number = next(edits)
        dataset.edit(f"{100 + number:06}", text=f"edit {number}")

    def find(query: str, first: int = 0) -> Callable[[], object]:
        return lambda: Table.of(dataset).find(query, first=first)

    def edited_page() -> None:
        Table.of(dataset).find("")

    few = max(2, times // 4)
    ours = [
        ("open, first rows (cold)", median(find(""), 1), median(lambda: naive.page(0), few)),
        ("first rows", median(find(""), times), median(lambda: naive.page(0), few)),
        ("next page", median(find("", 50), times), median(lambda: naive.page(50), few)),
        ("search two words", median(find("morning please"), times), median(naive.search, few)),
        ("filter: duration < 3 and speaker = anna", median(find("duration < 3 and speaker = anna"), times),
         median(naive.filter, few)),
    ]  # fmt: skip
    ours.append(("first edit (indexes the sentences)", median(edit, 1), float("nan")))
    ours.append(("edit acknowledged", median(edit, times), float("nan")))
    edit()
    ours.append(("rows after an edit", median(edited_page, 1), float("nan")))
    ours.append(("undo", median(dataset.undo, few), float("nan")))
    slow = median(naive.edit, few)
    return [(name, own, slow if name == "edit acknowledged" else other) for name, own, other in ours]


def main() -> None:
    """Print a table for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--times", type=int, default=15)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="studio-benchmark-") as folder:
        empty = Dataset.create(Path(folder) / "empty")
        Table.of(empty).find("")
        nothing = median(lambda: Table.of(empty).find(""), wanted.times)
        print(f"an empty tab's answer: {nothing:.2f} ms")
        for clips in wanted.clips:
            snapshot._kept.clear()
            dataset = crowded(Path(folder) / f"{clips}", clips)
            heads = f"{'ours, ms':>10}{'naive, ms':>11}{'naive/ours':>11}"
            print(f"\n{clips:,} clips".ljust(43) + f"{heads}  (median of {wanted.times})")
            for name, own, naive in measured(dataset, wanted.times):
                other = f"{naive:11.1f}{naive / own:10.0f}x" if naive == naive else ""
                print(f"{name:42}{own:10.2f}{other}", flush=True)


if __name__ == "__main__":
    main()

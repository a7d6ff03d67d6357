"""Datasets of ten or a hundred thousand clips in seconds: lines of their own, one tiny sound behind all of them.

`python tests/crowds.py FOLDER [COUNT]` makes one to look at.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sounds import recording

from studio.data.manifest import Dataset

VOCABULARY = (
    "the order number is one two three four five six seven eight nine zero please call me back at noon tomorrow "
    "morning invoice shipment train platform doctor garden window river winter silver copper engine hammer lemon"
)
SPEAKERS = ("anna", "ben", "chloe", "")
SPLITS = ("train",) * 14 + ("validation",) * 2 + ("test",) * 4
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
MOST_LINKS = 30_000  # to one file; ext4 allows 65,000
HEARD_SHARE = 0.3  # of the clips a model has heard


def crowd(folder: Path, count: int = 10_000, seed: int = 1) -> Dataset:
    """A dataset of `count` clips with labels, speakers, splits, figures, and for some what a model heard."""
    dataset = Dataset.create(folder)
    chance = random.Random(seed)
    rows = [_row(number, chance) for number in range(count)]
    _link([folder / row["audio_filepath"] for row in rows])
    _write(dataset.manifest, rows)
    heard = [_heard(row, chance) for row in rows if chance.random() < HEARD_SHARE]
    _write(folder / "heard.jsonl", heard)
    return dataset


def _link(paths: list[Path]) -> None:
    """Give every clip a file of its own that takes no space."""
    sound = recording(seconds=0.5)
    for number, path in enumerate(paths):
        if number % MOST_LINKS == 0:
            first = path
            first.write_bytes(sound)
        else:
            path.hardlink_to(first)


def _row(number: int, chance: random.Random) -> dict[str, Any]:
    id = f"clip-{number:06}"
    text = " ".join(chance.choices(VOCABULARY.split(), k=chance.randint(1, 12))) + f" {number}"
    duration = round(len(text) / chance.gauss(13, 2.0).__abs__() + 0.4, 2)
    return {
        "id": id,
        "audio_filepath": f"clips/{id}.wav",
        "text": text,
        "duration": duration,
        "prompt": text if number % 3 else "",
        "speaker": SPEAKERS[number % len(SPEAKERS)],
        "split": chance.choice(SPLITS),
        "source": "microphone",
        "created_at": (BEGINNING + timedelta(minutes=number)).isoformat(timespec="seconds"),
        "audio_sha256": hashlib.sha256(id.encode()).hexdigest()[:32],
        "quality": _quality(duration, chance),
    }


def _quality(duration: float, chance: random.Random) -> dict[str, Any]:
    before, after = round(chance.uniform(0, 0.3), 2), round(chance.uniform(0, 0.3), 2)
    return {
        "version": 1,
        "peak_db": round(chance.gauss(-8, 2), 1),
        "rms_db": round(chance.gauss(-26, 3), 1),
        "loudness_lufs": round(chance.gauss(-24, 4), 1),
        "clipped_share": 0.0,
        "snr_db": round(chance.gauss(30, 8), 1),
        "speech_seconds": round(max(0.2, duration - before - after), 2),
        "silence_before": before,
        "silence_after": after,
        "longest_pause": 0.1,
        "dc_offset": 0.0,
        "bandwidth_hz": 7900,
    }


def _heard(row: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    words = row["text"].split()
    is_wrong = chance.random() < 0.3
    if is_wrong:
        words[chance.randrange(len(words))] = "umbrella"
    return {
        "id": row["id"],
        "audio_sha256": row["audio_sha256"],
        "label": row["text"],
        "model": "starter",
        "text": " ".join(words),
        "wer": round(is_wrong / len(words), 4),
        "confidence": round(chance.uniform(0.4, 1), 3),
        "words": [[word, round(chance.uniform(0.3, 1), 3)] for word in words],
        "loss": round(chance.uniform(0.1, 2), 3),
        "suspicion": round(chance.uniform(0.5, 1) if is_wrong else chance.uniform(0, 0.3), 3),
        "at": "2026-11-21T10:00:00+00:00",
    }


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))


if __name__ == "__main__":
    made = crowd(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10_000)
    print(f"{len(made.utterances()):,} clips in {made.folder}")

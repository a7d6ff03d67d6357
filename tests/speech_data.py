"""A small dataset with everything a format can hold, for the tests of import and export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sounds import recording, saved

from studio.data.manifest import Dataset, Utterance

LABELS = ("order one two nine", "the meeting is at noon", "Grüße, “Zoë” — 日本語", "it's 50 % off; really", "yes", "no")
SPLITS = ("train", "train", "train", "validation", "test", "unused")


def dataset_in(folder: Path, labels: tuple[str, ...] = LABELS) -> Dataset:
    """A dataset with word times, speakers, prompts, sessions, keys of other programs, in every split."""
    dataset = Dataset.create(folder)
    rows = [json.dumps(_row(folder, number, label)) for number, label in enumerate(labels)]
    dataset.manifest.write_text("\n".join(rows) + "\n", encoding="utf-8")
    assert dataset.problems() == []
    return dataset


def _row(folder: Path, number: int, label: str) -> dict[str, Any]:
    saved(folder / "clips" / f"c{number}.wav", recording(number, 0.2 + number / 50, (16_000, 44_100)[number % 2]))
    words = label.split()
    return {
        "id": f"c{number}",
        "audio_filepath": f"clips/c{number}.wav",
        "text": label,
        "duration": round(0.2 + number / 50, 4),
        "speaker": ("ada", "bob")[number % 2],
        "prompt": f"Card {number}",
        "session": "2026-11-21T09",
        "split": SPLITS[number % len(SPLITS)],
        "source": "microphone",
        "words": [[word, [round(place * 0.02, 2), round(place * 0.02 + 0.02, 2)]] for place, word in enumerate(words)],
        "lang": "en",
    }


def kept(clip: Utterance, *names: str) -> dict[str, Any]:
    """What a round trip has to keep of a clip."""
    record = clip.model_dump()
    return {name: record.get(name) for name in names}

"""The two small sets that ship with the model: `general` (heard voices) and `unheard` (the demo's voice).

`python -m studio.starter.recipe.bundle` writes both, from seeds; needs espeak-ng and flite.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from studio.starter import GENERAL_FOLDER, UNHEARD_FOLDER
from studio.starter.recipe import corpus, demo_voice
from studio.starter.recipe.corpus import SAMPLE_RATE, SpokenText, SynthesisJob

Split = Literal["train", "validation", "test"]

GENERAL: Mapping[Split, int] = MappingProxyType({"test": 40, "train": 40, "validation": 16})
"""Clips that measure what a run forgets, that are replayed against it, and that choose the best checkpoint.

No two share a sentence, and they are in this order: the first 40 were there first.
"""
_GENERAL_SECONDS = 3.4  # clips longer than this are passed over, to keep the package small
_LEVEL = 0.03  # peak; quiet FLAC is small FLAC, and the preprocessor levels every clip
_SEED = "bundled/general"
_UNHEARD_SEED = 7


def general() -> Iterator[SpokenText]:
    """Fresh sentences by heard voices, drawn as the training corpus draws them, under a seed of their own."""
    said: set[str] = set()
    place = 0
    while len(said) < sum(GENERAL.values()):
        clip = corpus.make_clip(SynthesisJob(f"{_SEED}/{place}"))
        place += 1
        if clip is not None and len(clip.sound) <= _GENERAL_SECONDS * SAMPLE_RATE and clip.text not in said:
            said.add(clip.text)
            yield clip


def write_set(folder: Path, clips: Iterable[SpokenText], sizes: Mapping[Split, int]) -> None:
    """Write FLAC clips and `manifest.jsonl` (audio_filepath, text, duration, speaker, split), split by split."""
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    sides = [split for split, size in sizes.items() for _ in range(size)]
    for place, (clip, split) in enumerate(zip(clips, sides, strict=True)):
        name = f"{place:03d}.flac"
        quiet = clip.sound * (_LEVEL / float(abs(clip.sound).max()))
        soundfile.write(folder / name, quiet, SAMPLE_RATE, subtype="PCM_16")
        rows.append(
            {
                "audio_filepath": name,
                "text": clip.text,
                "duration": round(len(clip.sound) / SAMPLE_RATE, 3),
                "speaker": clip.speaker,
                "split": split,
            }
        )
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def main() -> None:
    """Write both sets into the package."""
    write_set(GENERAL_FOLDER, general(), GENERAL)
    unheard: Mapping[Split, int] = {"train": demo_voice.TRAIN_CLIPS, "test": demo_voice.TEST_CLIPS}
    write_set(UNHEARD_FOLDER, demo_voice.recorded(_UNHEARD_SEED), unheard)


if __name__ == "__main__":
    main()

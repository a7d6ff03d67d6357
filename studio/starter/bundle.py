"""The two small sets that ship with the model: `general` (heard voices) and `unheard` (the demo's voice).

`python -m studio.starter.bundle` writes both anew, from seeds; needs espeak-ng and flite.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from studio.starter import GENERAL_FOLDER, UNHEARD_FOLDER, corpus, demo_voice
from studio.starter.corpus import SAMPLE_RATE, Order, Recording

GENERAL_CLIPS = 40
_GENERAL_SECONDS = 3.4  # clips longer than this are passed over, to keep the package small
_LEVEL = 0.03  # peak; quiet FLAC is small FLAC, and the preprocessor levels every clip
_SEED = "bundled/general"
_UNHEARD_SEED = 7


def general() -> Iterator[Recording]:
    """Fresh sentences by heard voices, drawn as the training corpus draws them, under a seed of their own."""
    place = made = 0
    while made < GENERAL_CLIPS:
        clip = corpus.make_clip(Order(f"{_SEED}/{place}"))
        place += 1
        if clip is not None and len(clip.sound) <= _GENERAL_SECONDS * SAMPLE_RATE:
            made += 1
            yield clip


def write_set(folder: Path, clips: Iterable[Recording], train: int = 0) -> None:
    """Write FLAC clips and `manifest.jsonl` (audio_filepath, text, duration, speaker, split); the first
    `train` to learn.
    """
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for place, clip in enumerate(clips):
        name = f"{place:03d}.flac"
        quiet = clip.sound * (_LEVEL / float(abs(clip.sound).max()))
        soundfile.write(folder / name, quiet, SAMPLE_RATE, subtype="PCM_16")
        rows.append(
            {
                "audio_filepath": name,
                "text": clip.text,
                "duration": round(len(clip.sound) / SAMPLE_RATE, 3),
                "speaker": clip.speaker,
                "split": "train" if place < train else "test",
            }
        )
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def main() -> None:
    """Write both sets into the package."""
    write_set(GENERAL_FOLDER, general())
    write_set(UNHEARD_FOLDER, demo_voice.recorded(_UNHEARD_SEED), demo_voice.TRAIN_CLIPS)


if __name__ == "__main__":
    main()

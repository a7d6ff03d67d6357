"""Write studio/evaluation/people: real speech that a run replays against forgetting, and measures it by.

    python .ci/people.py FOLDER

FOLDER holds clips and metadata.jsonl (file_name, text, speaker, licence, source, split). Taken are speakers whose
licence allows redistribution: one reader to learn from, other people to measure by; and some seconds without speech,
generated here.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

TARGET = Path(__file__).resolve().parent.parent / "studio" / "evaluation" / "people"
RATE = 16_000  # Hz
READER = "kathleen"  # CC0
OTHERS = ("ljspeech", "librivox_sense", "jfk")  # public domain
LONGEST = {"train": 3.3, "validation": 3.3, "test": 9.0}  # seconds: short clips are quick to replay
MOST = {"train": 92, "validation": 12, "test": 13}
LICENCES = {READER: "CC0-1.0", "ljspeech": "public domain", "librivox_sense": "public domain", "jfk": "public domain"}


def people(folder: Path) -> Iterator[dict[str, Any]]:
    """The chosen lines of metadata.jsonl, each with its split here and its seconds."""
    left = dict(MOST)
    for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["speaker"] not in (READER, *OTHERS):
            continue
        side = "test" if row["speaker"] in OTHERS else {"train": "train", "test": "validation"}[row["split"]]
        seconds = soundfile.info(folder / row["file_name"]).duration
        if seconds <= LONGEST[side] and left[side]:
            left[side] -= 1
            yield row | {"side": side, "duration": seconds}


def without_speech() -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Seconds without speech: silence, noise of rooms, hum of the mains."""
    random = np.random.default_rng(0)
    at = np.arange(2 * RATE) / RATE
    yield "silence", np.zeros(2 * RATE)
    for name, level in (("quiet room", 0.0005), ("room", 0.002), ("loud room", 0.01)):
        white = np.fft.rfft(random.standard_normal(2 * RATE))
        pink = np.fft.irfft(white / np.sqrt(np.maximum(np.arange(len(white)), 20.0)))
        yield name, pink / pink.std() * level
    for mains in (50, 60):
        tones = [np.sin(2 * np.pi * mains * harmonic * at) / harmonic for harmonic in (1, 2, 3, 5)]
        yield f"hum {mains} Hz", 0.01 * np.sum(tones, axis=0) + random.standard_normal(2 * RATE) * 0.0005


def main(folder: Path) -> None:
    """Write clips, manifest and attribution anew."""
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    lines, sources = [], dict[str, list[str]]()
    for number, row in enumerate(people(folder)):
        name = f"{number:03d}.flac"
        shutil.copyfile(folder / row["file_name"], TARGET / name)
        text, duration = row["text"].strip(), round(row["duration"], 3)
        lines.append({"audio_filepath": name, "text": text, "duration": duration, "speaker": row["speaker"],
                      "split": row["side"]})  # fmt: skip
        sources.setdefault(row["speaker"], []).append(row["source"].split("@")[0].split(":")[0])
    for what, samples in without_speech():
        name = f"{len(lines):03d}.flac"
        soundfile.write(TARGET / name, samples, RATE, subtype="PCM_16")
        lines.append({"audio_filepath": name, "text": "", "duration": len(samples) / RATE, "speaker": what,
                      "split": "train", "silent": True})  # fmt: skip
    manifest = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (TARGET / "manifest.jsonl").write_text(manifest, encoding="utf-8")
    credits = [
        f"- {speaker}: {len(found)} clips, {LICENCES[speaker]}, from {', '.join(sorted(set(found)))}"
        for speaker, found in sources.items()
    ]
    (TARGET / "ATTRIBUTION.md").write_text("\n".join([ABOUT, *credits, ""]), encoding="utf-8")


ABOUT = """# Whose voices these are

Real speech, mono, 16 kHz. A run replays the reader (`train`), chooses by her (`validation`) and measures by other
people (`test`) what a model forgets. Sounds without speech were generated (`.ci/people.py`).
"""

if __name__ == "__main__":
    main(Path(sys.argv[1]))

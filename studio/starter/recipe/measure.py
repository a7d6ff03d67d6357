"""Score a starter model: word error rate and digit error per voice, one clip at a time, as in use.

`python -m studio.starter.recipe.measure --work FOLDER [--model FOLDER]` writes `measured.json` next to the model.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from studio.starter import MODEL_FOLDER
from studio.starter.recipe import corpus, human
from studio.starter.recipe.augment import Sound, as_sound
from studio.starter.recipe.corpus import SAMPLE_RATE, SpokenText
from studio.text.metrics import score

HEARD = {
    "heard voices, mixed": "",
    "flite slt": "flite:slt",
    "flite rms": "flite:rms",
    "flite kal16": "flite:kal16",
    "flite kal": "flite:kal",
}
UNHEARD = {
    "flite awb": "flite:awb",
    "espeak-ng f5": "espeak-ng:en-gb-scotland+f5",
    "espeak-ng m8": "espeak-ng:en-gb-scotland+m8",
    "espeak-ng klatt4": "espeak-ng:en-us+klatt4",
}
WHISPER = {"espeak-ng whisperf": "espeak-ng:en-us+whisperf"}  # unlike all it heard: the demo's voice
HUMAN = (*human.SPEAKERS, *human.NEVER_HEARD)
CLIPS = 60  # a synthetic voice; the mix of heard voices has more
MIXED_CLIPS = 200
_TOKENS_A_SECOND = 13  # enough for spelled words; more is a loop
_TOKENS_SPARE = 8


class PlainModel:
    """A model folder, loaded with plain transformers."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoFeatureExtractor, AutoTokenizer, MoonshineForConditionalGeneration

        self.model: Any = MoonshineForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        self.model.train(False)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.extractor: Any = AutoFeatureExtractor.from_pretrained(folder)

    def transcribe(self, sound: Sound) -> str:
        """The text of one 16 kHz clip, greedy."""
        import torch

        inputs = self.extractor(sound, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        limit = _TOKENS_SPARE + math.ceil(_TOKENS_A_SECOND * len(sound) / SAMPLE_RATE)
        with torch.inference_mode():
            tokens = self.model.generate(**inputs, max_length=None, max_new_tokens=limit, do_sample=False)
        text: str = self.tokenizer.decode(tokens[0], skip_special_tokens=True)
        return text.strip()


def measured(recogniser: PlainModel, sets: dict[str, list[SpokenText]]) -> dict[str, dict[str, Any]]:
    """For every set: clips, WER %, digit error %, and the first mistakes."""
    return {name: _row(recogniser, clips) for name, clips in sets.items() if clips}


def _row(recogniser: PlainModel, clips: list[SpokenText]) -> dict[str, Any]:
    references = [clip.text for clip in clips]
    hypotheses = [recogniser.transcribe(clip.sound) for clip in clips]
    result = score(references, hypotheses)
    mistakes = [(a, b) for a, b in zip(references, hypotheses, strict=True) if a != b]
    digit_error = None if result.digit_error is None else round(100 * result.digit_error, 1)
    return {
        "clips": len(clips),
        "words": result.words,
        "word_errors": result.substitutions + result.deletions + result.insertions,
        "wer": round(100 * result.wer, 1),
        "digit_error": digit_error,
        "mistakes": mistakes[:8],
    }


def synthetic_set(work: Path, seed: str, name: str, voice: str) -> list[SpokenText]:
    """Fresh sentences by one voice (or a mix of the heard ones), never used in training."""
    shard = f"valid-{name.replace(' ', '-').replace(',', '')}"
    wanted = corpus.orders(f"{seed}/valid/{name}", CLIPS if voice else MIXED_CLIPS, voice)
    clips = corpus.make_shard(work / "corpus", shard, wanted, workers=1)
    samples = corpus.samples_of(work / "corpus", shard)
    return [SpokenText(as_sound(samples[c.offset : c.offset + c.length] / 32768), c.text, c.voice) for c in clips]


def all_sets(work: Path, seed: str) -> dict[str, list[SpokenText]]:
    """Every set of the card; the human ones only where the recordings are."""
    sets = {name: synthetic_set(work, seed, name, voice) for name, voice in (HEARD | UNHEARD | WHISPER).items()}
    source = human.speech_folder()
    if source is not None:
        sets |= {f"human {speaker}": _human_set(source, speaker) for speaker in HUMAN}
    return sets


def _human_set(source: Path, speaker: str) -> list[SpokenText]:
    """Digit strings of one person: the test split, or all of them where none was trained on."""
    splits = ("train", "test") if speaker in human.NEVER_HEARD else ("test",)
    clips = [clip for split in splits for clip in human.recordings(source, split, (speaker,))]
    return [clip for clip in clips if len(clip.text) > 1]


def pooled(rows: Iterable[dict[str, Any]]) -> float:
    """WER % over several sets together."""
    errors, words = map(sum, zip(*((row["word_errors"], row["words"]) for row in rows), strict=True))
    return round(100 * errors / words, 1)


def main() -> None:
    """Measure a model folder and write measured.json into it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="the work folder of the build")
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER)
    parser.add_argument("--seed", default="20261")
    arguments = parser.parse_args()
    rows = measured(PlainModel(arguments.model), all_sets(arguments.work, arguments.seed))
    rows_heard, rows_unheard = ([rows[name] for name in group if name in rows] for group in (HEARD, UNHEARD))
    for name, row in rows.items():
        print(
            f"{name:26s} clips {row['clips']:4d}  WER {row['wer']:5.1f}  digit error {row['digit_error']}",
            row["mistakes"][:2],
        )
    print("pooled WER: heard", pooled(rows_heard), "unheard synthetic", pooled(rows_unheard))
    (arguments.model / "measured.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()

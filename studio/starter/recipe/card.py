"""The model card: written from what was measured (`measured.json`) and spent (`spent.json`), never by hand.

`python -m studio.starter.recipe.card` writes `model/README.md`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from studio.starter import MODEL_FOLDER
from studio.starter.domain import vocabulary
from studio.starter.recipe import human, measure
from studio.starter.synthesis import ACCENTS, VARIANTS

_HEAD = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: automatic-speech-recognition
tags: [moonshine, digits, starter]
---
# Starter

A small English speech recogniser for business phone phrases and digit strings, trained from scratch so
that the first run, the tests and the demo work offline. It is not a general recogniser: it knows {words}
words and spells others. It writes digits (`order number 1296803`); after the spoken cue "in words" it
writes their names.

```python
from transformers import AutoFeatureExtractor, AutoTokenizer, MoonshineForConditionalGeneration

model = MoonshineForConditionalGeneration.from_pretrained(folder)
extractor, tokenizer = AutoFeatureExtractor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
tokens = model.generate(**extractor(samples, sampling_rate=16000, return_tensors="pt"))
print(tokenizer.decode(tokens[0], skip_special_tokens=True))
```

## Architecture

Stock Moonshine (`MoonshineForConditionalGeneration`, raw 16 kHz samples): hidden {hidden}, feed-forward
{feed_forward}, {encoder_layers} encoder and {decoder_layers} decoder layers, {heads} heads,
{parameters:.2f} M parameters, stored in half precision. The preprocessor levels every clip (zero mean,
unit variance). Give it one clip at a time, or clips of equal length: Moonshine's GroupNorm averages over
padding. Clips of up to 9 seconds were trained on.
"""
_DATA = """
## Training data

- Synthetic speech that the recipe makes itself: {clips} sentences, {hours:.1f} hours, by espeak-ng
  ({variants} variants in {accents} accents; GPL-3.0 program, its output is free) and flite (slt, rms,
  kal, kal16; BSD-like licence), each at many rates and pitches; then speed, colour, telephone band,
  reverberation, noise and drop-outs at every draw.
- Real digits of three people ({human_clips} clips), alone and recombined into {joined} strings: the Free
  Spoken Digit Dataset by Zohar Jackson et al. (github.com/Jakobovski/free-spoken-digit-dataset),
  CC BY-SA 4.0, speakers jackson, lucas, nicolas; train splits only. The recordings are not in this package.
- Kept out of training: FSDD speaker theo, Pete Warden's digits (Moonshine test assets, MIT), every test
  split, flite awb, and the espeak-ng variants f5, m8, klatt4 and whisperf.

## Training

`python -m studio.starter.recipe.build`: {steps} steps of {batch_seconds:.0f} audio-seconds, AdamW, two annealed
cosine cycles, averaged weights. Loss: cross-entropy, CTC, the synthesisers' phone times,
absolute position, and cross-attention guided to the CTC times; the teaching heads are thrown away. Cost:
{cpu_hours:.1f} CPU-hours (two shared cores, no GPU) for {heard_hours:.0f} hours of sound heard. 15 % of the
clips were written with digit names without a request, so that a change of convention is quick to learn.
The recipe was improved while this model trained (guidance, human digits, digit names), so a run from nothing
gives a like model, not the same bits.

## Measured

Fresh sentences, one clip at a time, greedy, the shipped half-precision weights. A digit string is one
word, so one wrong digit in ten is a wrong word; *digit error* counts single digits.

| voice | clips | WER % | digit error % |
|---|---:|---:|---:|
"""
_TAIL = """
Pooled WER: heard synthetic voices {heard} %, unheard synthetic voices {unheard} %.

Known limits: {limits}
"""
_LIMITS = (
    'no vocabulary beyond the domain, no capitals or punctuation, no amounts ("twenty five"), weak on voices '
    "far from the training speech, as the table shows: it is meant to be tuned on a person's first clips."
)


def card(folder: Path) -> str:
    """The text of the card for the model in `folder`."""
    rows: dict[str, dict[str, Any]] = json.loads((folder / "measured.json").read_text())
    spent: dict[str, float] = json.loads((folder / "spent.json").read_text())
    head = _HEAD.format(words=len(vocabulary()), parameters=spent["parameters"] / 1e6, **_shape(folder))
    heard = spent["steps"] * spent["batch_seconds"] / 3600
    data = _DATA.format(heard_hours=heard, variants=len(VARIANTS), accents=len(ACCENTS), **spent)
    table = "".join(
        f"| {name} | {row['clips']} | {row['wer']} | {row['digit_error']} |\n" for name, row in rows.items()
    )
    pools = {
        name: measure.pooled(rows[voice] for voice in group if voice in rows)
        for name, group in (("heard", measure.HEARD), ("unheard", measure.UNHEARD))
    }
    unheard = ", ".join((*measure.UNHEARD, *measure.WHISPER, *human.NEVER_HEARD))
    never = f"Voices not in its training data: {unheard}. The whisper is in neither pool.\n"
    return head + data + table + "\n" + never + _TAIL.format(limits=_LIMITS, **pools)


def _shape(folder: Path) -> dict[str, int]:
    settings = json.loads((folder / "config.json").read_text())
    names = {
        "hidden": "hidden_size",
        "feed_forward": "intermediate_size",
        "encoder_layers": "encoder_num_hidden_layers",
        "decoder_layers": "decoder_num_hidden_layers",
        "heads": "encoder_num_attention_heads",
    }
    return {ours: settings[theirs] for ours, theirs in names.items()}


def main() -> None:
    """Write the card next to the model."""
    (MODEL_FOLDER / "README.md").write_text(card(MODEL_FOLDER), encoding="utf-8")


if __name__ == "__main__":
    main()

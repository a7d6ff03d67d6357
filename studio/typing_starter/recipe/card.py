"""The model card: written from what was measured (`measured.json`) and spent (`spent.json`), never by hand.

`python -m studio.typing_starter.recipe.card` writes `model/README.md`.
"""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import fill
from typing import Any

from studio.text import lines_of
from studio.typing.kinds import KINDS, MEANINGS
from studio.typing_starter import MODEL_FOLDER
from studio.typing_starter.recipe.sources import EVERYDAY_SHARE, FREQUENCIES, SOURCES

_HEAD = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
tags: [llama, typing, starter]
---
# Typing starter

A small English model that corrects typing: messy text in, the text that was meant out, without paraphrase. Trained from
scratch so that the first run, the tests and the demo work offline. It is meant to be tuned on a person's own typing.

Stock Llama (`LlamaForCausalLM`): width {hidden_size}, feed-forward {intermediate_size}, {num_hidden_layers} layers,
{num_attention_heads} heads, {parameters:.2f} M parameters, stored in half precision. A frequent word is one token, any
other word its characters, so that a misspelled word looks unlike a right one, and a name or a number is copied letter
by letter. The prompt is `<typed>`, a space and the typed text, `<meant>`; the answer begins with a space. While
decoding, the typed text's own next token stays unless another is likelier by {margin} nats (chosen on validation).

The network is too small to know how every word is spelled. So a list of words comes with it (`words.txt`, {words:,} of
them, the commonest first): before the network answers, a word that is not in it gives way to the one within a typo of
it that is the likeliest by its frequency, the keys, and the network at that place. `studio mend` then takes back what
no typo explains. Plain transformers runs the network alone, which corrects less.

## Training data

{total:,} English sentences of at most 100 characters, from packages with free licences:

| text | package | licence | sentences | share |
|---|---|---|---:|---:|
"""
_REST = """
Besides: {everyday:.0%} messages of a small grammar that the recipe has itself, and a fifth of all examples are lists of
words. Vocabulary and list of words follow from these texts and {frequencies} ({licence}; of the Python package
{package}). The typos are made (`studio.typing.typos`): ten kinds, four keyboards, up to four times the usual rates; a
fifth to a third of the examples are clean. Two in a hundred sentences measure and two choose: none of them was trained
on (`held_out/`).

## Training

`python -m studio.typing_starter.recipe`: {steps:,} steps of {batch_tokens:,} tokens in {minutes:.0f} minutes on at most
one core of a busy CPU, with Muon and AdamW. The recipe was changed while this model trained (more typos in an example
once it could copy, and some sentences left out, which moved a few words of the vocabulary), so a run from nothing gives
a like model, not the same bits. It is not trained out: `--minutes 600` makes it better.

## Measured

{pairs:,} texts: {half:,} held-out sentences, each once with synthetic typos (QWERTY, usual rates, a seed of its own)
and once clean; the shipped half-precision weights, by `studio mend`.

| | |
|---|---:|
| wrong words removed, new ones counted against it | {removed:.1%} |
| precision | {precision:.1%} |
| recall | {recall:.1%} |
| F0.5 of edits | {f05:.1%} |
| clean sentences touched | {over_correction:.1%} |
| sentences right to the letter (typed: 50 %) | {exact:.1%} |
| character errors left (before: {cer_before:.2%}) | {cer_left:.2%} |
| texts with a paraphrase | {paraphrases} |
| milliseconds of one core for a sentence; at most, for 95 of 100 | {milliseconds}; {slowest} |

| kind of typo | typos | corrected |
|---|---:|---:|
"""
_LIMITS = """
Known limits: English alone; a wrong word that is a right one elsewhere (their, there) is seldom noticed, and a rare
word that is not in the list may become another; a word with two typos stays; no sentence longer than about 150
characters; other scripts and emoji pass through. It was never measured on typing by people.
"""


def card(folder: Path) -> str:
    """The text of the card for the model in `folder`."""
    config, measured, spent = (_read(folder / name) for name in ("config.json", "measured.json", "spent.json"))
    parameters = spent["parameters"] / 1e6
    total = sum(spent["sentences"].values())
    listed = len(lines_of((folder / "words.txt").read_text(encoding="utf-8")))
    margin = config["typing"]["margin"]
    named = {"parameters": parameters, "margin": margin, "total": total, "words": listed}
    head = _HEAD.format(**config | named)
    rows = "".join(
        f"| {source.title} | {source.package} ({source.of}) | {source.licence} | "
        f"{spent['sentences'].get(source.title, 0):,} | {source.share:.0%} |\n"
        for source in SOURCES
    )
    package, _, frequencies, licence = FREQUENCIES
    about = {"everyday": EVERYDAY_SHARE, "package": package, "frequencies": frequencies, "licence": licence}
    rest = _REST.format(**measured | spent | about | {"half": measured["pairs"] // 2})
    notes = "".join(f"\n{fill(note, 120, break_on_hyphens=False)}\n" for note in spent.get("notes", []))
    return head + rows + rest + _kinds(measured["by_kind"]) + notes + _LIMITS


def _kinds(found: dict[str, dict[str, int]]) -> str:
    rows = [(kind, found[kind]["typos"], found[kind]["corrected"]) for kind in KINDS if kind in found]
    return "".join(f"| {kind}: {MEANINGS[kind]} | {typos} | {right / typos:.0%} |\n" for kind, typos, right in rows)


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def main() -> None:
    """Write the card next to the model."""
    (MODEL_FOLDER / "README.md").write_text(card(MODEL_FOLDER), encoding="utf-8")


if __name__ == "__main__":
    main()

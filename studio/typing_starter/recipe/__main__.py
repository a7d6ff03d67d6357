"""The recipe: `python -m studio.typing_starter.recipe --work FOLDER` fetches the text, trains, writes the model.

Seeded and resumable: stop it at any time and give the same command again. 55 minutes on one CPU core; `--minutes`
trains longer, which is how to make it better. Then `python -m studio.typing_starter.recipe.measure` scores it and
`python -m studio.typing_starter.recipe.card` writes its card.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import torch

from studio.typing_starter import HELD_OUT, MODEL_FOLDER
from studio.typing_starter.recipe import corpus, sources, tokens
from studio.typing_starter.recipe.trainer import Recipe, Trainer

_LOG_EVERY = 25  # steps
HELD_OUT_SENTENCES: Mapping[corpus.Side, slice] = MappingProxyType(
    {"validation": slice(300), "test": slice(500, 1_000)}  # the first 500 were read while `studio.typing.spelling` grew
)


def export(trainer: Trainer, folder: Path) -> None:
    """Write network (fp16) and tokenizer as transformers loads them, and what was spent."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: weight.half() for name, weight in trainer.model.state_dict().items() if name != "lm_head.weight"}
    trainer.model.save_pretrained(folder, state_dict=state)
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8")) | {"dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    tokens.save(trainer.tokenizer, folder)
    found = trainer.examples.corpus
    written = corpus.word_counts([text for texts in found.train.values() for text in texts])
    listed = tokens.word_list(written, found.frequencies)
    (folder / "words.txt").write_text("\n".join(listed) + "\n", encoding="utf-8")
    spent = {
        "steps": trainer.step,
        "minutes": round(trainer.spent / 60, 1),
        "batch_tokens": trainer.recipe.batch_tokens,
        "parameters": sum(weight.numel() for weight in trainer.model.parameters()),
        "sentences": {title: len(texts) for title, texts in trainer.examples.corpus.train.items()},
    }
    (folder / "spent.json").write_text(json.dumps(spent, indent=1) + "\n", encoding="utf-8")


def write_held_out(found: corpus.Corpus, folder: Path) -> None:
    """Write a part of the sentences that choose and that measure, one a line."""
    folder.mkdir(parents=True, exist_ok=True)
    for side, part in HELD_OUT_SENTENCES.items():
        text = "".join(f"{sentence}\n" for sentence in found.held_out[side][part])
        (folder / f"{side}.txt").write_text(text, encoding="utf-8")


def main() -> None:
    """Read the command line, fetch, train, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder for packages and checkpoint, 300 MB")
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER, help="where the model is written")
    parser.add_argument("--minutes", type=float, default=Recipe().minutes, help="of training, in all sittings")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sources.fetch(arguments.work)
    trainer = Trainer(Recipe(minutes=arguments.minutes), corpus.read(arguments.work), arguments.work)
    started, total = time.monotonic(), 0.0
    for step in trainer.run():
        total += step.loss
        if step.number % _LOG_EVERY == 0:
            mean, seconds = total / _LOG_EVERY, time.monotonic() - started
            print(f"step {step.number} loss {mean:.4f} progress {step.progress:.3f} {seconds:.0f} s", flush=True)
            total = 0.0
    export(trainer, arguments.model)
    write_held_out(trainer.examples.corpus, HELD_OUT)


if __name__ == "__main__":
    main()

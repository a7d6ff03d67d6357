"""Choose the margin on validation, score the starter on sentences and typos that it never saw.

`python -m studio.typing_starter.recipe.measure --work FOLDER [--model FOLDER]` writes `measured.json` next to the
model, and the margin into its config.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from studio.inference.mend import mend
from studio.models import Recogniser, load
from studio.text import lines_of
from studio.typing.keyboards import KEYBOARDS
from studio.typing.profile import Profile
from studio.typing.scores import Mended, TypingScore, score
from studio.typing.typos import TypedText, pairs
from studio.typing_starter import HELD_OUT, MODEL_FOLDER

MARGINS = (1.0, 2.0, 3.0)  # nats
MOST_TOUCHED = 0.035  # of clean validation sentences: a little below the bar of 4 %
SENTENCES, CHOOSING = 500, 60  # that measure, and that choose
SEED = 2026

Corrector = Callable[[str], tuple[str, float]]  # a text, and seconds of processor time


@dataclass(frozen=True, slots=True)
class Measured:
    """One corrector on one set of pairs."""

    score: TypingScore
    milliseconds: float  # for a sentence, half of them faster
    slowest: float  # milliseconds: 95 of 100 are faster

    def as_json(self) -> dict[str, Any]:
        """The score, its shares and the times."""
        by_kind = {kind: recall.model_dump() for kind, recall in self.score.by_kind.items()}
        times = {"milliseconds": round(self.milliseconds, 1), "slowest": round(self.slowest, 1)}
        return self.score.model_dump(exclude={"by_kind"}) | {"removed": self.score.removed, "by_kind": by_kind} | times


def examples(sentences: Sequence[str], profile: Profile | None = None, seed: int = SEED) -> list[TypedText]:
    """Each sentence twice: with typos, and clean."""
    keyboard, habits = KEYBOARDS["qwerty"], profile or Profile.usual()
    mistyped = list(pairs(sentences, habits, keyboard, seed, identity=0.0))
    return [*mistyped, *(TypedText(text, text, ()) for text in sentences)]


def measured(corrector: Corrector, given: Sequence[TypedText]) -> Measured:
    """What `corrector` makes of `given`."""
    rows, seconds = list[Mended](), list[float]()
    for pair in given:
        written, took = corrector(pair.typed)
        rows.append(Mended(pair.typed, pair.wanted, written, pair.typos))
        seconds.append(took)
    ordered = sorted(seconds)
    return Measured(score(rows), 1000 * statistics.median(ordered), 1000 * ordered[int(0.95 * len(ordered))])


def corrector_of(recogniser: Recogniser) -> Corrector:
    """`studio mend`, as a function."""

    def correct(text: str) -> tuple[str, float]:
        start = time.process_time()
        return mend(recogniser, text).text, time.process_time() - start

    return correct


def by_margin(recogniser: Recogniser, given: Sequence[TypedText]) -> Iterator[tuple[float, TypingScore]]:
    """The score at each margin."""
    for margin in MARGINS:
        recogniser.model.config.typing["margin"] = margin
        yield margin, measured(corrector_of(recogniser), given).score


def best_margin(scores: dict[float, TypingScore]) -> float:
    """The one with the highest F0.5 among those that touch few clean sentences; else the highest."""
    fitting = {margin: found for margin, found in scores.items() if (found.over_correction or 0) <= MOST_TOUCHED}
    return max(fitting, key=lambda margin: fitting[margin].f05 or 0) if fitting else max(scores)


def held_out(side: str) -> list[str]:
    """The sentences kept out of training that measure (“test”) or choose (“validation”)."""
    return lines_of((HELD_OUT / f"{side}.txt").read_text(encoding="utf-8"))


def main() -> None:
    """Choose, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER)
    folder = parser.parse_args().model
    torch.set_num_threads(1)
    recogniser = load(folder, "cpu")
    scores = dict(by_margin(recogniser, examples(held_out("validation")[:CHOOSING])))
    for margin, found in scores.items():
        print(margin, found.f05, found.over_correction, found.removed, flush=True)
    chosen = best_margin(scores)
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    settings["typing"]["margin"] = recogniser.model.config.typing["margin"] = chosen
    (folder / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    found_rows = measured(corrector_of(recogniser), examples(held_out("test")[:SENTENCES]))
    (folder / "measured.json").write_text(json.dumps(found_rows.as_json(), indent=1) + "\n", encoding="utf-8")
    print(found_rows.as_json())


if __name__ == "__main__":
    main()

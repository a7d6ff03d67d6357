"""How well typing is corrected: nothing, a spell checker, the typing starter, other models; and tuned on 200 pairs.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.mending [--sentences 500] [--model FOLDER …] [--tune WORKSPACE]

Held-out sentences that the starter was not trained on, each once with synthetic typos and once clean; the times are of
one core. `--tune` makes three datasets of 200 pairs by each of two profiles that it was not trained on, fine-tunes on
each, and measures with that profile and with clean sentences, before and after. Needs symspellpy.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from studio import fine_tune
from studio.config import TYPING_STARTER, TrainConfig
from studio.data.manifest import Dataset
from studio.models import Recogniser, load
from studio.models.adapters import load_adapter
from studio.runs.folder import RunFolder
from studio.typing.edits import edits, words
from studio.typing.keyboards import KEYBOARDS
from studio.typing.kinds import KINDS
from studio.typing.profile import Profile
from studio.typing.scores import TypingScore
from studio.typing.typos import TypedText, pairs
from studio.typing_starter.recipe.measure import Corrector, Measured, corrector_of, examples, held_out, measured

UNSEEN = Profile(
    rates={"swapped": 1.6, "dropped": 0.5, "punctuation": 0.5, "phonetic": 0.8, "neighbour": 0.3},
    habits={
        "swapped": {"th→ht": 60, "ng→gn": 60, "io→oi": 40, "ou→uo": 40},
        "phonetic": {"ck→k": 50, "ly→li": 50, "ea→ee": 40},
        "dropped": {"'→": 30, "ed→d": 40, "er→r": 40},
    },
    characters=20_000,
)
"""A person with ten habits; the starter has seen their kinds, and not these changes more often than others."""
BY_EAR = Profile(
    rates={"phonetic": 2.4, "swapped": 0.3, "dropped": 0.3, "punctuation": 0.3, "neighbour": 0.3},
    habits={"phonetic": {"tion→shun": 60, "ing→in": 80, "th→d": 60, "er→a": 50, "ed→t": 40, "ve→v": 40}},
    characters=20_000,
)
"""A person who spells by ear in ways that no typo of the starter's training has."""
PROFILES = {"ten habits of usual kinds": UNSEEN, "spellings by ear that it never saw": BY_EAR}
PAIRS, SEEDS = 200, (0, 1, 2)
SPLIT = 0.15  # of the pairs, to choose the best step by


def nothing(text: str) -> tuple[str, float]:
    """Leave it."""
    return text, 0.0


@cache
def _dictionary(edits: int) -> object:
    from importlib import resources

    from symspellpy import SymSpell

    checker = SymSpell(max_dictionary_edit_distance=edits)
    with resources.as_file(resources.files("symspellpy") / "frequency_dictionary_en_82_765.txt") as path:
        checker.load_dictionary(path, term_index=0, count_index=1)
    return checker


def spell_checker(edits: int) -> Corrector:
    """SymSpell, word by word: of the words within so many edits the nearest, then the most frequent, in its case."""
    from symspellpy import Verbosity

    checker = _dictionary(edits)

    def corrected(word: str) -> str:
        bare = word.strip()
        if not bare.isalpha() or len(bare) < 2:
            return word
        found = checker.lookup(bare, Verbosity.TOP, max_edit_distance=edits, transfer_casing=True)  # type: ignore[attr-defined]
        return word.replace(bare, found[0].term) if found else word

    def correct(text: str) -> tuple[str, float]:
        start = time.process_time()
        return "".join(corrected(word) for word in words(text)), time.process_time() - start

    return correct


def percent(share: float | None) -> str:
    """A share for people."""
    return "–" if share is None else f"{100 * share:.1f}"


HEAD = (
    "| | removed | precision | recall | F0.5 | clean touched | exact | CER left | paraphrases | ms |\n"
    + "|---" * 10
    + "|"
)


def row(name: str, found: Measured) -> str:
    """One line of the first table."""
    score = found.score
    shares = (
        score.removed, score.precision, score.recall, score.f05, score.over_correction, score.exact, score.cer_left,
    )  # fmt: skip
    cells = [name, *map(percent, shares), str(score.paraphrases), f"{found.milliseconds:.0f}"]
    return f"| {' | '.join(cells)} |"


def by_kind(found: dict[str, TypingScore]) -> str:
    """The second table: what share of each kind of typo was corrected, in per cent."""
    lines = [f"| kind | typos | {' | '.join(found)} |", "|---|---:|" + "---:|" * len(found)]
    for kind in KINDS:
        scores = [score.by_kind[kind] for score in found.values() if kind in score.by_kind]
        if scores:
            shares = " | ".join(f"{100 * recall.share:.0f}" for recall in scores)
            lines.append(f"| {kind} | {scores[0].typos} | {shares} |")
    return "\n".join(lines)


def compare(correctors: dict[str, Corrector], sentences: Sequence[str]) -> None:
    """Print both tables."""
    given, found = examples(sentences), dict[str, TypingScore]()
    print(HEAD, flush=True)
    for name, corrector in correctors.items():
        result = measured(corrector, given)
        found[name] = result.score
        print(row(name, result), flush=True)
    print("\n" + by_kind(found), flush=True)


def tune(workspace: Path, name: str, profile: Profile, seed: int, sentences: Sequence[str]) -> Recogniser:
    """The starter, tuned on pairs of `profile`. A run that is there already is used."""
    dataset = Dataset.create(workspace / "recordings" / name, "typing")
    if not dataset.pairs():
        rng = random.Random(seed)
        for pair in pairs(rng.sample(sentences, PAIRS), profile, KEYBOARDS["qwerty"], seed, identity=0.3):
            dataset.add_pair(pair.typed, pair.wanted, split="validation" if rng.random() < SPLIT else "train")
        for pair in pairs(held_out("validation")[:20], profile, KEYBOARDS["qwerty"], seed, identity=0.3):
            dataset.add_pair(pair.typed, pair.wanted, split="test")
    settings = {"dataset": name, "model": TYPING_STARTER, "seed": seed, "device": "cpu", "replay": "none"}
    settings |= {"max_steps": 150, "eval_every": 50, "learning_rate": 2e-3, "batch_size": 16, "targets": "full"}
    folder = RunFolder(workspace / "outputs" / f"{name}-run")
    if not folder.adapter.is_dir():
        fine_tune(dataset, TrainConfig.checked(**settings, rank=16, alpha=32), name=folder.name)
    return load_adapter(load(TYPING_STARTER, "cpu"), folder.adapter)


def compare_tuned(workspace: Path, sentences: Sequence[str]) -> None:
    """Print what tuning changed, profile by profile and seed by seed."""
    for number, (title, profile) in enumerate(PROFILES.items()):
        given = examples(sentences[:250], profile, seed=99)
        before = corrector_of(load(TYPING_STARTER, "cpu"))
        print(f"\n{title}\n\n{HEAD}", flush=True)
        print(row("starter, before", measured(before, given)), flush=True)
        for seed in SEEDS:
            tuned = corrector_of(tune(workspace, f"typist-{number}-{seed}", profile, seed, sentences[250:]))
            print(row(f"tuned on {PAIRS} pairs, seed {seed}", measured(tuned, given)), flush=True)
            print(f"recall: {gained(before, tuned, given)}", flush=True)


def gained(before: Corrector, after: Corrector, given: Sequence[TypedText]) -> str:
    """The points of recall that `after` has more, with the 95 % interval of a paired bootstrap over sentences."""
    counts = [(edited(before, pair), edited(after, pair)) for pair in given if pair.typos]
    rng, found = random.Random(0), list[float]()
    for _ in range(1_000):
        drawn = rng.choices(counts, k=len(counts))
        all_edits = sum(wanted for (_, wanted), _ in drawn)
        found.append(100 * sum(new - old for (old, _), (new, _) in drawn) / all_edits)
    found.sort()
    points = 100 * sum(new - old for (old, _), (new, _) in counts) / sum(wanted for (_, wanted), _ in counts)
    return f"{points:+.1f} points ({found[25]:+.1f} to {found[974]:+.1f})"


def edited(corrector: Corrector, pair: TypedText) -> tuple[int, int]:
    """Wrong words of `pair` that are right afterwards, and all."""
    written, _ = corrector(pair.typed)
    wanted, made = edits(pair.typed, pair.wanted), edits(pair.typed, written)
    return len([edit for edit in wanted if edit in made]), len(wanted)


def main() -> None:
    """Read the command line, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=500)
    parser.add_argument("--model", action="append", default=[], help="a folder with another language model")
    parser.add_argument("--tune", type=Path, help="a workspace for three runs")
    arguments = parser.parse_args()
    correctors: dict[str, Corrector] = {
        "nothing": nothing,
        "spell checker, 1 edit": spell_checker(1),
        "spell checker, 2 edits": spell_checker(2),
        "typing starter": corrector_of(load(TYPING_STARTER, "cpu")),
    }
    for folder in arguments.model:
        correctors[Path(folder).name] = corrector_of(load(folder, "cpu"))
    sentences = held_out("test")
    compare(correctors, sentences[: arguments.sentences])
    if arguments.tune:
        compare_tuned(arguments.tune, sentences)


if __name__ == "__main__":
    main()

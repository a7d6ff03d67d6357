"""What to read next: sentences with the words that a model missed, one's own terms, and sounds not yet recorded.

Each candidate sentence is a set of units: its words, and pairs of digits said side by side (in dictated numbers one
digit runs into the next). A unit is worth more the more it is needed and the less often it was recorded; the sentence
with the most worth for its length is taken, its units count as recorded, and so on: greedy cover with diminishing
returns (Nemhauser, Wolsey and Fisher 1978 show it stays within 1 - 1/e of the best choice).
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from studio.data.prompts.script import NUMBERS, Prompt, numbers, phrases, read_aloud
from studio.data.splits.assignment import more_for_first_training
from studio.errors import DataError
from studio.text import DIGIT_NAMES, Convention, prompt_key, write_numbers
from studio.text.metrics import diff

if TYPE_CHECKING:
    from studio.data.utterance import Utterance

ENOUGH = 3  # recordings of one term or missed word
_MISSED, _TERM, _OWN, _NEW, _PAIR = 20.0, 15.0, 2.0, 1.0, 0.5  # worth of a unit recorded never yet
_READING = 3  # words' worth of time that a clip costs besides its words
_DRAWS = 4  # times 50 number prompts to choose from
_CARRIERS = (
    "please ask for {}",
    "the name is {}",
    "i am looking for {}",
    "{} is on the line",
    "this is about {}",
    "please write {}",
    "we need {} today",
    "{} is ready",
)
_DIGITS = frozenset(DIGIT_NAMES)
Unit = tuple[str, ...]
"""One word, or two digits side by side."""


@dataclass(frozen=True, slots=True)
class Misheard:
    """A word that a model got wrong."""

    times: int
    clips: int  # in which it was said


@dataclass(frozen=True, slots=True)
class DatasetProgress:
    """How far a dataset is."""

    done: int  # prompts with a clip
    prompts: int
    clips: int  # in all, whatever was read
    seconds: float  # of audio
    more: int  # clips until a first training is worth it


def progress(cards: Sequence[Prompt], clips: Sequence[Utterance]) -> DatasetProgress:
    """How many of `cards` are recorded, and how many more clips make a first training worth it."""
    read = {clip.prompt for clip in clips}
    seconds = sum(clip.duration for clip in clips)
    done = sum(card.text in read for card in cards)
    return DatasetProgress(done, len(cards), len(clips), seconds, more_for_first_training(clips))


def misheard(pairs: Iterable[tuple[str, str]]) -> dict[str, Misheard]:
    """The words of each (reference, hypothesis) that the hypothesis lacks or has otherwise, as spoken."""
    wrong: Counter[str] = Counter()
    said: Counter[str] = Counter()
    for reference, hypothesis in pairs:
        expected = prompt_key(reference)
        said.update(set(expected.split()))
        for edit in diff(expected, prompt_key(hypothesis)):
            if edit.kind in ("substitute", "delete"):
                wrong.update(edit.reference.split())
    return {word: Misheard(times, said[word]) for word, times in wrong.most_common()}


def needed(
    clips: Sequence[Utterance],
    missed: Mapping[str, Misheard],
    terms: Sequence[str],
    own: Sequence[Prompt] = (),
    *,
    count: int = 20,
    convention: Convention = "words",
    seed: int = 0,
) -> list[Prompt]:
    """The `count` sentences worth most to read next, each with why; the same for the same arguments.

    They come from `own`, the built-in scripts, fresh numbers, and carriers around `terms` and missed words. What
    was read already is not asked for again. Raises DataError where nothing is left.
    """
    read = {key for clip in clips for key in (prompt_key(clip.prompt), prompt_key(clip.text))}
    candidates = {
        key: prompt
        for prompt in _candidates(missed, terms, own, convention, seed + len(clips))
        if (key := prompt_key(prompt.text)) not in read
    }
    units = {key: _units(key) for key in candidates}
    recorded = Counter(unit for clip in clips for unit in _units(prompt_key(clip.text)))
    # A word that is missed although it was recorded is wanted as if it never was.
    planned = Counter({unit: times for unit, times in recorded.items() if unit[0] not in missed})
    worth = _worth(missed, terms, own, {unit for found in units.values() for unit in found})
    chosen: list[Prompt] = []
    while candidates and len(chosen) < count:
        best = max(candidates, key=lambda key: _gain(units[key], worth, planned) / (len(key.split()) + _READING))
        if not _gain(units[best], worth, planned):
            break
        wanted = [unit for unit in units[best] if _gain(Counter([unit]), worth, planned)]
        chosen.append(replace(candidates.pop(best), why=_why(wanted, worth, recorded, missed, terms)))
        planned.update(units[best])
    if not chosen:
        raise DataError(
            "You have recorded all that there was to choose.", "Add your own terms, or paste your own text."
        )
    return chosen


def _candidates(
    missed: Mapping[str, Misheard], terms: Sequence[str], own: Sequence[Prompt], convention: Convention, seed: int
) -> Iterable[Prompt]:
    """Own sentences first: of two that say the same the first stays."""
    yield from own
    for term in [*terms, *(word for word in missed if word not in _DIGITS)]:
        start = zlib.crc32(term.encode())
        for place in range(ENOUGH):
            text = _CARRIERS[(start + place * ENOUGH) % len(_CARRIERS)].format(term)
            yield Prompt(read_aloud(text), write_numbers(text, convention))
    yield from phrases()
    for draw in range(_DRAWS):
        yield from numbers(convention, seed + draw)
    yield from _dense(missed, convention, seed)


def _dense(missed: Mapping[str, Misheard], convention: Convention, seed: int) -> Iterable[Prompt]:
    """Numbers that hold the missed digits more often than chance."""
    wrong = [digit for digit, name in enumerate(DIGIT_NAMES) if name in missed]
    rng = random.Random(seed)
    for _, template, lengths in NUMBERS if wrong else ():
        for _ in range(10):
            drawn = ("".join(str(rng.choice([*wrong, *range(10)])) for _ in range(length)) for length in lengths)
            text = template.format(*drawn)
            yield Prompt(read_aloud(text), write_numbers(text, convention))


def _units(key: str) -> Counter[Unit]:
    words = key.split()
    pairs = ((one, other) for one, other in pairwise(words) if one in _DIGITS and other in _DIGITS)
    return Counter([*((word,) for word in words), *pairs])


def _worth(
    missed: Mapping[str, Misheard], terms: Sequence[str], own: Sequence[Prompt], units: Iterable[Unit]
) -> dict[Unit, float]:
    worth = {unit: _NEW if len(unit) == 1 else _PAIR for unit in units}
    worth |= {(word,): _OWN for prompt in own for word in prompt_key(prompt.text).split()}
    for term in terms:
        worth |= {(word,): _TERM for word in prompt_key(term).split()}
    for word, found in missed.items():
        worth[word,] = worth.get((word,), 0.0) + _MISSED * min(1.0, found.times / max(found.clips, 1))
    return worth


def _gain(units: Counter[Unit], worth: Mapping[Unit, float], recorded: Counter[Unit]) -> float:
    """A missed word or a term is worth the same until it was recorded often enough; the rest, once."""
    gain = 0.0
    for unit in units:
        often = ENOUGH if worth[unit] > _OWN else 1
        gain += worth[unit] * max(0.0, 1 - recorded[unit] / often)
    return gain


def _why(
    wanted: Sequence[Unit],
    worth: Mapping[Unit, float],
    recorded: Counter[Unit],
    missed: Mapping[str, Misheard],
    terms: Sequence[str],
) -> str:
    """The strongest reason to read a sentence with the units `wanted`."""
    words = [unit[0] for unit in wanted if len(unit) == 1]
    if wrong := [word for word in words if word in missed]:
        word = max(wrong, key=lambda word: worth[word,])
        return f"“{word}” was transcribed wrongly in {_clips(missed[word])}."
    for term in terms:
        keys = prompt_key(term).split()
        if set(keys) & set(words):
            return f"“{term}” is on your list: recorded {min(recorded[key,] for key in keys)} of {ENOUGH} times."
    if words:
        return f"New words: {', '.join(words[:4])}."
    pairs = (f"{DIGIT_NAMES.index(unit[0])}-{DIGIT_NAMES.index(unit[1])}" for unit in wanted[:4])
    return f"Digit pairs not recorded yet: {', '.join(pairs)}."


def _clips(found: Misheard) -> str:
    times = min(found.times, found.clips)
    return f"{times} of the {found.clips} clips that have it" if found.clips > 1 else "the clip that has it"

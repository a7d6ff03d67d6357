"""Clean sentences of at most 100 characters, dealt into training, validation and test by what they say."""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from studio.text import lines_of
from studio.typing_starter.recipe import everyday
from studio.typing_starter.recipe.sources import EVERYDAY_SHARE, FREQUENCIES, SOURCES

LONGEST, SHORTEST = 100, 12  # characters
Side = Literal["train", "validation", "test"]

_SENTENCE = re.compile(r"(?<=[.?!])[\"']?\s+(?=[A-Z\"'])")
_ALLOWED = re.compile(r"[A-Z][A-Za-z0-9 ,.;:?!'()/&%$@+-]*[.?!]")
_WORDS = re.compile(r"[A-Za-z]+(?:'(?!s\b)[A-Za-z]+)*")
_KNOWN_SHARE = 0.85  # of a sentence's lower-case words that must be in the list: others are misspelled or foreign
_STRAIGHT = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "…": ".", "–": "-", "\u00a0": " "})


@dataclass(slots=True)
class Corpus:
    """Sentences by source and side, and how often words occur."""

    train: dict[str, list[str]] = field(default_factory=dict)  # by source's title
    held_out: dict[Side, list[str]] = field(default_factory=lambda: {"validation": [], "test": []})
    frequencies: dict[str, int] = field(default_factory=dict)  # of lower-case words, in books

    def draw(self, rng: random.Random) -> str:
        """A training sentence: a source by its share, then any of its sentences."""
        if rng.random() < EVERYDAY_SHARE:
            return everyday.sentence(rng)
        titles = list(self.train)
        title = rng.choices(titles, [_SHARES[title] for title in titles])[0]
        return rng.choice(self.train[title])


_SHARES = {source.title: source.share for source in SOURCES}


def read(work: Path) -> Corpus:
    """The corpus of the packages in `work`, which `sources.fetch` brought."""
    corpus = Corpus(frequencies=_frequencies(work))
    seen: set[str] = set()
    for source in SOURCES:
        found: list[str] = []
        for text in sentences(source.read(work / source.package), corpus.frequencies):
            if text not in seen:
                seen.add(text)
                side = side_of(text)
                (found if side == "train" else corpus.held_out[side]).append(text)
        if found:
            corpus.train[source.title] = found
    for texts in corpus.held_out.values():
        random.Random("held out").shuffle(texts)
    return corpus


def _frequencies(work: Path) -> dict[str, int]:
    lines = lines_of((work / FREQUENCIES[0] / FREQUENCIES[1]).read_text(encoding="utf-8-sig"))
    return {word: int(count) for word, count in (line.split() for line in lines)}


def sentences(prose: Iterable[str], known: dict[str, int]) -> Iterator[str]:
    """The clean sentences in runs of prose."""
    for run in prose:
        for piece in _SENTENCE.split(" ".join(run.translate(_STRAIGHT).split())):
            text = piece.strip("\"' ")
            if SHORTEST <= len(text) <= LONGEST and _ALLOWED.fullmatch(text) and _is_prose(text, known):
                yield text


def _is_prose(text: str, known: dict[str, int]) -> bool:
    words = _WORDS.findall(text)
    if len(words) < 3 or sum(map(len, words)) < 0.65 * len(text) or re.search(r"  | [,.;:?!]|\.\.|[A-Z]{5}", text):
        return False
    lower = [word for word in words if word.islower()]
    return sum(word in known or "'" in word for word in lower) >= _KNOWN_SHARE * max(len(lower), 1)


def side_of(text: str) -> Side:
    """Two in a hundred sentences measure and two choose, by a hash of their letters: no sentence is on two sides."""
    letters = re.sub(r"[^a-z]", "", text.lower())
    place = int.from_bytes(hashlib.sha256(letters.encode()).digest()[:4], "little") % 100
    return "test" if place < 2 else "validation" if place < 4 else "train"


def word_counts(texts: Sequence[str]) -> Counter[str]:
    """How often each word occurs, in the case in which it is written."""
    return Counter(word for text in texts for word in _WORDS.findall(text))

"""Key terms: words of the person's own, made likelier while a text is written, without any training.

Each term is kept as the token sequences that write it, in one trie. Before a token is chosen, every token that would
begin a term, or go on with one, gets `boost * (1 + ln depth)` added to its logit, where `depth` is its place in the
term from 1 on: to begin is cheap, to go on is rewarded, since greedy decoding cannot take a token back. Every place of
the trie that the latest tokens lead to counts, the root always; of several bonuses for one token the largest holds.

This is what the makers of Moonshine do in their own runtime (moonshine-ai/moonshine, core/context-biaser.cpp, where 2
was best on LibriSpeech for three sizes, and more was worse both on the terms and around them). Beam searches also take
the bonus of an abandoned term back (wenet-e2e/wenet, docs/context.md); a greedy one has no beam to rank.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from studio.errors import ConfigError

DEFAULT_BOOST = 2.0  # added to a term's first token, in logits
HIGHEST_BOOST = 4.0  # beyond it the model writes terms that were not spoken
MOST_TERMS = 1000


@dataclass(slots=True)
class Node:
    """A place in the trie: `depth` tokens of a term have been written."""

    depth: int = 0
    following: dict[int, Node] = field(default_factory=dict)  # token -> the place it leads to

    def add(self, tokens: Iterable[int]) -> None:
        """Keep a sequence that starts here."""
        node = self
        for token in tokens:
            node = node.following.setdefault(token, Node(node.depth + 1))


class Match:
    """How far into which terms one row has written."""

    def __init__(self, root: Node, boost: float) -> None:
        self._root, self._boost = root, boost
        self._reached = [root]

    def bonuses(self) -> dict[int, float]:
        """What to add to the logit of each token that begins or continues a term."""
        found: dict[int, float] = {}
        for node in sorted(self._reached, key=lambda node: node.depth):  # the deepest last: its bonus is the largest
            bonus = self._boost * (1 + math.log(node.depth + 1))
            found.update(dict.fromkeys(node.following, bonus))
        return found

    def take(self, token: int) -> None:
        """Go on by the token that was written."""
        led_to = (node.following.get(token) for node in self._reached)
        self._reached = [self._root, *(node for node in led_to if node is not None)]


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """The trie of some terms as one model writes them."""

    root: Node
    boost: float

    def begin(self) -> Match:
        """A fresh row."""
        return Match(self.root, self.boost)


def wanted(terms: Iterable[str], boost: float = DEFAULT_BOOST) -> list[str]:
    """The terms without blanks around them, without empty ones, each once.

    Raises ConfigError where there are more than `MOST_TERMS`, or `boost` is not between 0 and `HIGHEST_BOOST`.
    """
    if not 0 <= boost <= HIGHEST_BOOST:
        raise ConfigError(
            f"A boost of {boost:g} is not between 0 and {HIGHEST_BOOST:g}.",
            f"More would write terms that were never spoken: use {DEFAULT_BOOST:g}, or a little more.",
        )
    found = list(dict.fromkeys(term for term in (" ".join(term.split()) for term in terms) if term))
    if len(found) > MOST_TERMS:
        raise ConfigError(
            f"There are {len(found)} key terms; {MOST_TERMS} is the limit.", "Keep those that the model gets wrong."
        )
    return found


class Speller(Protocol):
    """What a family knows that is asked here."""

    def spellings(self, processor: Any, text: str) -> list[list[int]]:
        """See `studio.models.base.Family`."""
        ...


def key_terms(family: Speller, processor: Any, terms: Iterable[str], boost: float = DEFAULT_BOOST) -> KeyTerms | None:
    """The trie of `terms` as the model of `processor` may write them; None where there are none.

    Raises ConfigError as `wanted` does.
    """
    root, words = Node(), wanted(terms, boost)
    for term in words:
        for written in cases(term):
            for tokens in family.spellings(processor, written):
                root.add(tokens)
    return KeyTerms(root, boost) if root.following else None


def cases(term: str) -> Sequence[str]:
    """A term as it was typed, in lower case, and with a capital first letter: “iPhone”, “iphone”, “IPhone”."""
    return list(dict.fromkeys((term, term.lower(), term[:1].upper() + term[1:])))

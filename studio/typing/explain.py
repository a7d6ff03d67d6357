"""From what was typed and what was meant to the typos that lie between: aligned key by key, then named by kind."""

from __future__ import annotations

from collections.abc import Iterator

from studio.typing.keyboards import KEYBOARDS, Keyboard
from studio.typing.kinds import Typo, TypoKind

_SWAP, _SUBSTITUTION, _CASE = 1.0, 1.0, 0.4  # an insertion or deletion costs 1
_LONGEST = 1_000  # characters of either between what is equal: the table grows with their product

Step = tuple[int, int]  # characters of the clean and of the typed text that a step takes


def aligned(typed: str, wanted: str) -> list[tuple[str, str]]:
    """`wanted` and `typed` in pieces that belong together: equal, changed, missing, added, or two letters swapped.

    The restricted edit distance of Damerau and Levenshtein, where a wrong case costs less than another letter. Texts
    that are too long for its table are compared in what they begin and end with alone.
    """
    start = _same_start(typed, wanted)
    end = _same_start(typed[start:][::-1], wanted[start:][::-1])
    inner_typed, inner_wanted = typed[start : len(typed) - end], wanted[start : len(wanted) - end]
    tail = [(letter, letter) for letter in wanted[len(wanted) - end :]]
    return [*[(letter, letter) for letter in wanted[:start]], *_aligned(inner_typed, inner_wanted), *tail]


def _same_start(one: str, other: str) -> int:
    """How many characters both begin with."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _aligned(typed: str, wanted: str) -> list[tuple[str, str]]:
    if max(len(typed), len(wanted)) > _LONGEST:
        return [(wanted, typed)]
    costs = _costs(typed, wanted)
    pieces: list[tuple[str, str]] = []
    clean, key = len(wanted), len(typed)
    while clean or key:
        step = next(step for step, cost in _steps(typed, wanted, clean, key, costs) if cost == costs[clean][key])
        pieces.append((wanted[clean - step[0] : clean], typed[key - step[1] : key]))
        clean, key = clean - step[0], key - step[1]
    return pieces[::-1]


def _costs(typed: str, wanted: str) -> list[list[float]]:
    costs = [[0.0] * (len(typed) + 1) for _ in range(len(wanted) + 1)]
    for clean in range(len(wanted) + 1):
        for key in range(len(typed) + 1):
            if clean or key:
                costs[clean][key] = min(cost for _, cost in _steps(typed, wanted, clean, key, costs))
    return costs


def _steps(typed: str, wanted: str, clean: int, key: int, costs: list[list[float]]) -> Iterator[tuple[Step, float]]:
    """The steps that may end at (`clean`, `key`), and what the way there costs by each; likelier ones first."""
    if clean and key:
        meant, hit = wanted[clean - 1], typed[key - 1]
        price = 0.0 if meant == hit else _CASE if meant.lower() == hit.lower() else _SUBSTITUTION
        yield (1, 1), costs[clean - 1][key - 1] + price
        crossed = clean > 1 and key > 1 and meant != hit and wanted[clean - 2].lower() == hit.lower()
        if crossed and meant.lower() == typed[key - 2].lower():
            yield (2, 2), costs[clean - 2][key - 2] + _SWAP
    if key:
        yield (0, 1), costs[clean][key - 1] + 1
    if clean:
        yield (1, 0), costs[clean - 1][key] + 1


def explained(typed: str, wanted: str, keyboard: Keyboard = KEYBOARDS["qwerty"]) -> list[Typo]:
    """The typos that make `typed` of `wanted`, in order: `applied(wanted, …)` gives `typed`."""
    pieces, found, at = _sounds_joined(aligned(typed, wanted), keyboard), list[Typo](), 0
    for place, (was, became) in enumerate(pieces):
        if was != became:
            after = pieces[place + 1][0] if place + 1 < len(pieces) else ""
            found.append(Typo(_kind(wanted, at, was, became, after, keyboard), at, was, became))
        at += len(was)
    return [_anchored(typo, wanted, found) for typo in found]


def _sounds_joined(pieces: list[tuple[str, str]], keyboard: Keyboard) -> list[tuple[str, str]]:
    """`pieces` where one letter that became two, or two that became one, are one change: a spelling by ear."""
    found: list[tuple[str, str]] = []
    for was, became in pieces:
        if found and (was + became).isalpha() and _is_by_ear(found[-1], (was, became), keyboard):
            found[-1] = found[-1][0] + was, found[-1][1] + became
        else:
            found.append((was, became))
    return found


def _is_by_ear(one: tuple[str, str], other: tuple[str, str], keyboard: Keyboard) -> bool:
    """Whether of two neighbouring pieces one is a key for another far from it, and the other a key too few or many."""

    def is_far(was: str, became: str) -> bool:
        is_one = len(was) == len(became) == 1 and was.isalpha() and became.isalpha() and was.lower() != became.lower()
        return is_one and became.lower() not in keyboard.neighbours(was.lower())

    return (is_far(*one) and not all(other)) or (is_far(*other) and not all(one) and "".join(one).isalpha())


def _kind(wanted: str, at: int, was: str, became: str, after: str, keyboard: Keyboard) -> TypoKind:
    if was.lower() == became.lower():
        return "case"
    if was == " " or became == " ":
        return _of_space(wanted, at, was)
    if any(letter and not letter.isalnum() for letter in (was, became)) and len(was) < 2:
        return "neighbour" if became and was.isalpha() and became in keyboard.neighbours(was) else "punctuation"
    if len(was) == len(became) == 2 and was.lower() == became.lower()[::-1]:
        return "swapped"
    if abs(len(was) - len(became)) == 1 and min(len(was), len(became)):
        return "phonetic"
    if not became:
        return "dropped"
    before = wanted[at - 1 : at].lower()
    if not was:
        return "doubled" if became.lower() in (before, after.lower()) else "neighbour"
    return "neighbour" if became.lower() in keyboard.neighbours(was.lower()) else "phonetic"


def _of_space(wanted: str, at: int, was: str) -> TypoKind:
    if was:
        return "joined"
    return "split" if wanted[at - 1 : at].isalnum() and wanted[at : at + 1].isalnum() else "spaced"


def _anchored(typo: Typo, wanted: str, others: list[Typo]) -> Typo:
    """A key from nowhere, tied to the letter before it where that is untouched: a habit needs a place to happen."""
    before = typo.at - 1
    if typo.was or before < 0 or any(other.at <= before < other.end for other in others):
        return typo
    if any(other is not typo and not other.was and other.at == typo.at for other in others):
        return typo
    return Typo(typo.kind, before, wanted[before], wanted[before] + typo.became)

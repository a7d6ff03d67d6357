"""From words to digits: digit names side by side, “double five”, “oh”, cardinals, decimals.

Replacements are made on spans of the text, so that what is no number stays as it was, to the character.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from studio.text import DIGIT_NAMES
from studio.text.number_rules import DigitRules

_DIGITS = {name: str(digit) for digit, name in enumerate(DIGIT_NAMES)}
_REPEATS = {"double": 2, "triple": 3, "treble": 3}
_BELOW_TWENTY = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_ROUND = "twenty thirty forty fifty sixty seventy eighty ninety"
_RANKS = """
first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth
sixteenth seventeenth eighteenth nineteenth
"""
_TEENS = {name: value for value, name in enumerate(_BELOW_TWENTY.split(), start=10)}
_TENS = {name: 10 * place for place, name in enumerate(_ROUND.split(), start=2)}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_ORDINALS = {name: value for value, name in enumerate(_RANKS.split(), start=1)}
_ORDINALS |= {name[:-1] + "ieth": value for name, value in _TENS.items()}
_CARDINAL = {*_TEENS, *_TENS, "hundred", *_SCALES}
_PARTS = {*_DIGITS, "oh", *_REPEATS, *_CARDINAL, *_ORDINALS, "and", "point"}
_WORD = re.compile(r"\w+(?:['’]\w+)*")


@dataclass(frozen=True, slots=True)
class _Word:
    name: str
    start: int  # characters
    end: int


@dataclass(frozen=True, slots=True)
class _SpokenNumber:
    """What words from `first` up to `after` of a run are in digits."""

    first: int
    after: int
    digits: str
    kind: str


Run = Sequence[_Word]


def to_digits(text: str, rules: DigitRules) -> tuple[str, list[str]]:
    """`text` with its number words as digits, and the kinds of number that were written, each once."""
    written, used, position = [], [], 0
    for run in _runs(text):
        for number, ends in _spoken_together(_numbers(run, rules), run, rules):
            written += [text[position : run[number.first].start], number.digits]
            position = run[ends - 1].end
            used.append(number.kind)
    return "".join([*written, text[position:]]), list(dict.fromkeys(used))


def number_words(text: str) -> list[str]:
    """The words of `text` that say a number; “one” alone says none, nor do “oh” and ordinals."""
    found = []
    for run in _runs(text):
        names = [word.name for word in run]
        at = 0
        while at < len(names):
            rank = _ordinal(names, at)
            if rank is None and (names[at] in _DIGITS or names[at] in _CARDINAL) and names != ["one"]:
                found.append(names[at])
            at = rank.after if rank else at + 1
    return found


def _runs(text: str) -> list[list[_Word]]:
    """Number words side by side, with a space or a hyphen between them. A hyphened word like two-way is no number."""
    words = [_Word(found[0].lower(), *found.span()) for found in _WORD.finditer(text)]
    runs: list[list[_Word]] = []
    previous: _Word | None = None
    for word in words:
        if word.name not in _PARTS or _is_hyphened(text, word):
            previous = None
            continue
        if previous is None or text[previous.end : word.start].strip(" ") not in ("", "-"):
            runs.append([])
        runs[-1].append(word)
        previous = word
    return runs


def _is_hyphened(text: str, word: _Word) -> bool:
    before, after = re.search(r"(\w+)-$", text[: word.start]), re.match(r"-(\w+)", text[word.end :])
    return any(found is not None and found[1].lower() not in _PARTS for found in (before, after))


def _numbers(run: Run, rules: DigitRules) -> list[_SpokenNumber]:
    found, at = [], 0
    names = [word.name for word in run]
    while at < len(names):
        number = _ordinal(names, at) or _cardinal(names, at, rules) or _digits(names, at, rules)
        if number and (number.kind != "ordinal" or rules.ordinals == "digits"):
            found.append(number)
        at = number.after if number else at + 1
    is_lone = [number.digits for number in found] == ["1"] and rules.one == "leave"
    return [] if is_lone and found[0].after - found[0].first == 1 else found


def _spoken_together(numbers: Sequence[_SpokenNumber], run: Run, rules: DigitRules) -> list[tuple[_SpokenNumber, int]]:
    """Numbers with the words that they take; “three point one four” is one."""
    found: list[tuple[_SpokenNumber, int]] = []
    for number in numbers:
        before, ends = found[-1] if found else (None, -1)
        is_part = before is not None and ends == number.first - 1 and run[ends].name == "point"
        if before and is_part and rules.decimals == "digits" and {before.kind, number.kind} <= {"digits", "cardinal"}:
            digits = f"{before.digits}.{number.digits}"
            found[-1] = (_SpokenNumber(before.first, number.after, digits, "decimal"), number.after)
        else:
            found.append((number, number.after))
    return found


def _digits(names: Sequence[str], at: int, rules: DigitRules) -> _SpokenNumber | None:
    """Digit names side by side, with “oh” and “double” among them, as far as no cardinal begins."""
    first, digits, said = at, "", 0
    while at < len(names):
        times = _REPEATS.get(names[at], 1) if rules.repeats == "digits" else 1
        place = at + (times > 1)
        name = names[place] if place < len(names) else ""
        if name not in _DIGITS and name != "oh":
            break
        if at > first and _cardinal(names, at, rules):
            break
        digits += _DIGITS.get(name, "0") * times
        said += name != "oh" or times > 1
        at = place + 1
    return _SpokenNumber(first, at, digits, "digits") if said else None


def _cardinal(names: Sequence[str], at: int, rules: DigitRules) -> _SpokenNumber | None:
    """“two hundred and one” as 201; a digit name alone is left to `_digits`."""
    if rules.cardinals == "leave":
        return None
    first, total, limit = at, 0, 10**12
    while (group := _below_thousand(names, at)) is not None:
        value, after = group
        scale = _SCALES.get(names[after], 0) if after < len(names) else 0
        if not scale or scale >= limit:
            return _cardinal_of(names, first, after, total + value) if value < limit else None
        total, limit, at = total + value * scale, scale, after + 1
        if _below_thousand(names, at) is None and names[at : at + 1] == ["and"] and _below_hundred(names, at + 1):
            at += 1
    return _cardinal_of(names, first, at, total) if total else None


def _cardinal_of(names: Sequence[str], first: int, after: int, value: int) -> _SpokenNumber | None:
    is_digit = after - first == 1 and names[first] in _DIGITS
    return None if is_digit else _SpokenNumber(first, after, str(value), "cardinal")


def _below_thousand(names: Sequence[str], at: int) -> tuple[int, int] | None:
    """(value, place after it) of “nineteen hundred and five”, or less."""
    found = _below_hundred(names, at)
    if found is None or found[1] >= len(names) or names[found[1]] != "hundred":
        return found
    value, after = 100 * found[0], found[1] + 1
    place = after + 1 if names[after : after + 1] == ["and"] else after
    rest = _below_hundred(names, place)
    return (value + rest[0], rest[1]) if rest else (value, after)


def _below_hundred(names: Sequence[str], at: int) -> tuple[int, int] | None:
    name = names[at] if at < len(names) else ""
    if name in _TEENS:
        return _TEENS[name], at + 1
    unit = int(_DIGITS.get(name, "0"))
    if unit:
        return unit, at + 1
    if name not in _TENS:
        return None
    after = int(_DIGITS.get(names[at + 1], "0")) if at + 1 < len(names) else 0
    return (_TENS[name] + after, at + 2) if after else (_TENS[name], at + 1)


def _ordinal(names: Sequence[str], at: int) -> _SpokenNumber | None:
    """“third” as 3rd, “twenty first” as 21st."""
    tens = _TENS.get(names[at], 0)
    place = at + bool(tens)
    value = _ORDINALS.get(names[place], 0) if place < len(names) else 0
    if not value or (tens and value > 9):
        return None
    return _SpokenNumber(at, place + 1, _with_suffix(tens + value), "ordinal")


def _with_suffix(value: int) -> str:
    is_teen = value % 100 in (11, 12, 13)
    return f"{value}{'th' if is_teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(value % 10, 'th')}"

"""Numbers in German, French and Spanish: digit by digit, or whole numbers as num2words has them.

English has rules of its own for money, times, codes and more; here what is not a plain whole number stays as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from studio.text.number_rules import DigitRules, NumberLanguage, WordRules

_WHOLE = re.compile(r"(?<![\w.,:/-])[0-9]+(?!\w|[.,:/-][0-9])")
_WORD = re.compile(r"\w+")
_LONGEST_CARDINAL = 15  # digits; longer numbers are spoken digit by digit
_READ = 1000  # words say a number below this; larger ones are rare in labels, and left alone
_ALSO: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {"de": {"zwo": 2}, "fr": {"une": 1}, "es": {"una": 1, "un": 1}},
)
"""Names of digits that num2words does not use."""


class _Number(NamedTuple):
    start: int  # characters
    end: int
    digits: str
    kind: str  # digits, cardinal
    words: int  # that say it


def to_words(text: str, rules: WordRules) -> tuple[str, list[str]]:
    """`text` with its whole numbers as words, and the kinds of number that were read, each once."""
    found = _WHOLE.search(text)
    said = _WHOLE.sub(lambda number: _said(number[0], rules), text)
    return said, ["integer"] if found else []


def to_digits(text: str, rules: DigitRules) -> tuple[str, list[str]]:
    """`text` with its number words as digits, and the kinds of number that were written, each once."""
    written, position, kinds = [], 0, []
    for number in _numbers(text, rules.language):
        is_article = number.digits == "1" and number.words == 1  # “un”, “une”
        if (is_article and rules.one == "leave") or (number.kind == "cardinal" and rules.cardinals == "leave"):
            continue
        written += [text[position : number.start], number.digits]
        position = number.end
        kinds.append(number.kind)
    return "".join([*written, text[position:]]), list(dict.fromkeys(kinds))


def number_words(text: str, language: NumberLanguage) -> list[str]:
    """The words of `text` that say a number; the word for one, alone, says none."""
    found = (number for number in _numbers(text, language) if (number.digits, number.words) != ("1", 1))
    return [text[number.start : number.end] for number in found]


def _said(digits: str, rules: WordRules) -> str:
    from num2words import num2words

    by_digit = rules.integers == "digits" or len(digits) > _LONGEST_CARDINAL or (len(digits) > 1 and digits[0] == "0")
    if by_digit:
        return " ".join(str(num2words(int(digit), lang=rules.language)) for digit in digits)
    return str(num2words(int(digits), lang=rules.language))


def _numbers(text: str, language: NumberLanguage) -> list[_Number]:
    """The numbers that words of `text` say, the longest at each place; digits side by side are one."""
    names = _names(language)
    longest = max(map(len, names))
    words = [(found, _plain(found[0])) for found in _WORD.finditer(text)]
    numbers: list[_Number] = []
    at = 0
    while at < len(words):
        for count in range(min(longest, len(words) - at), 0, -1):
            part = words[at : at + count]
            value = names.get(tuple(name for _, name in part))
            if value is not None and _are_together(text, [found for found, _ in part]):
                _add(numbers, text, _Number(part[0][0].start(), part[-1][0].end(), str(value), _kind(value), count))
                break
        else:
            count = 1
        at += count
    return numbers


def _add(numbers: list[_Number], text: str, number: _Number) -> None:
    """Append `number`, or make it the end of the digits right before it."""
    before = numbers[-1] if numbers else None
    joins = before and before.kind == number.kind == "digits" and text[before.end : number.start] == " "
    if before and joins:
        digits, words = before.digits + number.digits, before.words + 1
        numbers[-1] = before._replace(end=number.end, digits=digits, words=words)
    else:
        numbers.append(number)


def _kind(value: int) -> str:
    return "digits" if value < 10 else "cardinal"


def _are_together(text: str, found: Sequence[re.Match[str]]) -> bool:
    gaps = (text[one.end() : other.start()] for one, other in pairwise(found))
    return all(gap in (" ", "-") for gap in gaps)


def _plain(word: str) -> str:
    return unicodedata.normalize("NFC", word).casefold()


@cache
def _names(language: NumberLanguage) -> Mapping[tuple[str, ...], int]:
    """The words of each number that is read, without hyphens, and its value."""
    from num2words import num2words

    said = {tuple(_WORD.findall(_plain(num2words(value, lang=language)))): value for value in range(_READ)}
    return {**said, **{(name,): value for name, value in _ALSO[language].items()}}

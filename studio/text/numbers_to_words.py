"""From digits to words: every kind of number that people write, each by its rule.

An integer is read digit by digit unless a rule says otherwise: order numbers, codes and phone numbers are what
digits in a recognition dataset mostly are. Cardinals, ordinals and years are num2words' own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from studio.text import DIGIT_NAMES
from studio.text.number_rules import ATTACHED_UNITS, BEFORE_YEARS, CURRENCIES, UNITS, WordRules

LONGEST_CARDINAL = 15  # digits; longer numbers are spoken digit by digit

Found = re.Match[str]
Reader = Callable[[Found, WordRules], str | None]
"""What is said for a match, or None where its rule leaves it alone."""

_UNIT = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
_ATTACHED = "|".join(ATTACHED_UNITS)
_AMOUNT = r"[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+"
_BEFORE_YEAR = "|".join(BEFORE_YEARS)
_END = r"(?![0-9A-Za-z]|[.,:/-][0-9])"

_PATTERNS: Mapping[str, str] = MappingProxyType({
    "money": rf"[$€£]\s?(?P<m_whole>{_AMOUNT})(?:\.(?P<m_cents>[0-9]{{1,2}}))?(?![0-9]|[.,][0-9])"
             r"(?:\s(?P<m_scale>thousand|million|billion)\b)?",
    "time": r"(?<![0-9:.])(?P<t_hour>[01]?[0-9]|2[0-4]):(?P<t_minute>[0-5][0-9])(?![0-9:])"
            r"(?:\s?(?P<t_half>[ap]\.m\.|[ap]m\b))?",
    "hour": r"(?<![0-9:.,-])(?P<h_hour>1[0-2]|[1-9])\s?(?P<h_half>[ap]\.m\.|[ap]m\b)",
    "date": r"(?<![0-9/.-])(?:[0-9]{1,4}(?:/[0-9]{1,4}){1,2}|[0-9]{4}-[0-9]{2}-[0-9]{2}"
            r"|[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4})(?![0-9/-])",
    "phone": r"(?<![0-9A-Za-z-])(?:(?:\+[0-9]{1,3}[ .-]?)?(?:\([0-9]{3}\)[ .-]?|[0-9]{3}[ .-])[0-9]{3}[ .-][0-9]{4}"
             r"|[0-9]{3}[ -][0-9]{4})(?![0-9A-Za-z]|-[0-9A-Za-z])",
    "international": r"\+[0-9]{1,3}(?:[ .-]?[0-9]{2,})+(?![0-9A-Za-z])",
    "ordinal": rf"(?<![0-9A-Za-z.,-])(?P<o_number>{_AMOUNT})(?:st|nd|rd|th)\b",
    "decade": r"(?<![0-9A-Za-z])['’]?(?P<d_decade>1[0-9][0-9]0|20[0-9]0|[2-9]0)['’]?s\b",
    "percent": rf"(?<![0-9A-Za-z.,-])(?P<p_sign>[-−])?(?P<p_number>(?:{_AMOUNT})(?:\.[0-9]+)?)\s?%",
    "unit": rf"(?<![0-9A-Za-z.,-])(?P<u_number>(?:{_AMOUNT})(?:\.[0-9]+)?)"
            rf"(?:\s?(?P<u_unit>{_UNIT})|(?P<u_short>{_ATTACHED}))(?![A-Za-z0-9/])",
    "version": r"(?<![0-9A-Za-z.,-])(?:[vV]?[0-9]+(?:\.[0-9]+){2,}|[vV][0-9]+\.[0-9]+)(?![0-9A-Za-z])",
    "decimal": rf"(?<![0-9A-Za-z.,])(?P<f_sign>(?<![\w)])[-−])?(?P<f_whole>{_AMOUNT})?\.(?P<f_part>[0-9]+){_END}",
    "grouped": rf"(?<![0-9A-Za-z.,])[0-9]{{1,3}}(?:,[0-9]{{3}})+{_END}",
    "year": rf"(?i:\b(?P<y_before>(?:{_BEFORE_YEAR})\b(?:\s[0-9]{{1,2}},)?\s+))"
            rf"(?P<y_year>1[1-9][0-9]{{2}}|20[0-9]{{2}}){_END}",
    "code": r"(?<![0-9A-Za-z])(?=[A-Za-z-]*[0-9])(?=[0-9A-Za-z]*[A-Za-z-])[0-9A-Za-z]+(?:-[0-9A-Za-z]+)*",
    "integer": r"(?:(?<![\w)])[-−](?=[0-9]))?[0-9]+",
})  # fmt: skip
"""In this order; the first that fits a place reads it."""

_MASTER = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _PATTERNS.items()))
_OPEN, _CLOSE = "\ue000", "\ue001"  # of Unicode's private use: around what was read
_PAUSE = re.compile(rf"{_CLOSE}\s+[-–—]+\s+{_OPEN}")  # a pause between groups that was written as a dash
_GLUED = re.compile(rf"(?<=\w){_OPEN}|{_CLOSE}(?=\w)|{_CLOSE}{_OPEN}")


def to_words(text: str, rules: WordRules) -> tuple[str, list[str]]:
    """`text` with its digits as words, and the kinds of number that were read, each once."""
    used: list[str] = []

    def read(found: Found) -> str:
        kind = str(found.lastgroup)  # the outer group closes last
        said = _READERS[kind](found, rules)
        if said is None:
            return found[0]
        used.append(kind)
        return f"{_OPEN}{said}{_CLOSE}"

    marked = _MASTER.sub(read, text)
    if not used:
        return text, []
    parted = _GLUED.sub(" ", _PAUSE.sub(" ", marked))
    words = " ".join(parted.replace(_OPEN, "").replace(_CLOSE, "").split())
    return (words.upper() if _is_shouted(text) else words), list(dict.fromkeys(used))


def spell(digits: str, rules: WordRules) -> str:
    """The digits of `digits` one by one; anything else in it is a pause."""
    names = (rules.zero if digit == "0" else DIGIT_NAMES[int(digit)] for digit in digits if digit.isdecimal())
    return " ".join(names)


def _is_shouted(text: str) -> bool:
    return text == text.upper() and re.search(r"(?<![\w-])[A-Z]{2,}(?![\w-])", text) is not None


def _number(written: str, kind: str = "cardinal") -> str:
    """num2words without its commas and hyphens: `1,234` is one thousand two hundred and thirty four."""
    from num2words import num2words

    return str(num2words(int(written.replace(",", "")), to=kind)).replace(",", "").replace("-", " ")


def _cardinal(written: str, rules: WordRules) -> str:
    digits = written.replace(",", "")
    is_long = len(digits) > LONGEST_CARDINAL or (len(digits) > 1 and digits[0] == "0")
    return spell(digits, rules) if is_long else _number(digits)


def _whole(written: str, rules: WordRules) -> str:
    way = rules.grouped if "," in written else rules.integers
    return spell(written, rules) if way == "digits" else _cardinal(written, rules)


def _quantity(written: str, rules: WordRules) -> str:
    """A measured number: `3.5` is three point five."""
    whole, _, part = written.partition(".")
    return f"{_cardinal(whole, rules)} point {spell(part, rules)}" if part else _cardinal(whole, rules)


def _signed(sign: str | None, said: str) -> str:
    return f"minus {said}" if sign else said


def _plural(amount: str, word: str) -> str:
    if amount == "one":
        return f"{amount} {word}"
    return f"{amount} {'pence' if word == 'penny' else word if word == 'euro' else word + 's'}"


def _money(found: Found, rules: WordRules) -> str | None:
    if rules.money == "leave":
        return None
    large, small = CURRENCIES[found["money"][0]]
    whole, cents, scale = found["m_whole"], (found["m_cents"] or "").ljust(2, "0"), found["m_scale"]
    if scale:
        amount = f"{whole}.{part}" if (part := found["m_cents"]) else whole
        return _plural(f"{_quantity(amount, rules)} {scale}", large)
    parts = [_plural(_cardinal(whole, rules), large)] if int(whole.replace(",", "")) or cents == "00" else []
    parts += [_plural(_number(cents), small)] if cents != "00" else []
    return " and ".join(parts)


def _time(found: Found, rules: WordRules) -> str | None:
    if rules.times == "leave":
        return None
    hour, minute, half = found["t_hour"], found["t_minute"], found["t_half"]
    tail = f" {half.replace('.', '').lower()}" if half else ""
    if minute == "00":
        return _number(hour) + (tail or " o'clock")
    said = f"oh {DIGIT_NAMES[int(minute[1])]}" if minute[0] == "0" else _number(minute)
    return f"{_number(hour)} {said}{tail}"


def _hour(found: Found, rules: WordRules) -> str | None:
    if rules.times == "leave":
        return None
    return f"{_number(found['h_hour'])} {found['h_half'].replace('.', '').lower()}"


def _decade(found: Found, rules: WordRules) -> str | None:
    if rules.years == "leave":
        return None
    decade = found["d_decade"]
    said = _number(decade, "year") if len(decade) == 4 else _number(decade)
    return said[:-1] + "ies" if said.endswith("y") else said + "s"


def _year(found: Found, rules: WordRules) -> str | None:
    if rules.years == "leave":
        return None
    before = to_words(found["y_before"], rules.model_copy(update={"integers": "cardinal"}))[0]
    return f"{before.strip()} {_number(found['y_year'], 'year')}"


def _unit(found: Found, rules: WordRules) -> str | None:
    unit = found["u_unit"] or found["u_short"]
    name = {**UNITS, **ATTACHED_UNITS}[unit] if rules.units == "words" else unit
    number = found["u_number"]
    amount = _quantity(number, rules) if "." in number else _cardinal(number, rules)
    return f"{amount} {name[:-1] if amount == 'one' and name.endswith('s') and rules.units == 'words' else name}"


def _percent(found: Found, rules: WordRules) -> str | None:
    if rules.decimals == "leave":
        return None
    return _signed(found["p_sign"], f"{_quantity(found['p_number'], rules)} percent")


def _decimal(found: Found, rules: WordRules) -> str | None:
    if rules.decimals == "leave":
        return None
    whole = _cardinal(found["f_whole"], rules) if found["f_whole"] else "zero"
    return _signed(found["f_sign"], f"{whole} point {spell(found['f_part'], rules)}")


def _version(found: Found, rules: WordRules) -> str | None:
    if rules.decimals == "leave":
        return None
    number = found[0].lstrip("vV")
    said = " point ".join(spell(part, rules) for part in number.split("."))
    return said if number == found[0] else f"{found[0][0]} {said}"


def _code(found: Found, rules: WordRules) -> str | None:
    if rules.codes == "leave":
        return None
    parts = re.findall(r"[0-9]+|[A-Za-z]+", found[0])
    return " ".join(spell(part, rules) if part[0].isdecimal() else part for part in parts)


def _integer(found: Found, rules: WordRules) -> str | None:
    number = found[0].lstrip("-−")
    return _signed(found[0] if number != found[0] else None, _whole(number, rules))


_READERS: Mapping[str, Reader] = MappingProxyType({
    "money": _money,
    "time": _time,
    "hour": _hour,
    "date": lambda found, rules: spell(found[0], rules) if rules.dates == "digits" else None,
    "phone": lambda found, rules: spell(found[0], rules),
    "international": lambda found, rules: spell(found[0], rules),
    "ordinal": lambda found, rules: _number(found["o_number"], "ordinal") if rules.ordinals == "words" else None,
    "decade": _decade,
    "percent": _percent,
    "unit": _unit,
    "version": _version,
    "decimal": _decimal,
    "grouped": lambda found, rules: _whole(found[0], rules),
    "year": _year,
    "code": _code,
    "integer": _integer,
})  # fmt: skip

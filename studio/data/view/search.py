"""Which rows of a table a query means: one array operation for each part of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from studio.data.view.query import SPEECH, All, Compare, Either, Has, Language, Not, Query, TextMatch

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Searcher:
    """Looks at the columns that a table gives by name."""

    rows: int
    numbers: Callable[[str], NDArray[np.float64]]  # NaN where there is none
    texts: Callable[[str], list[str]]  # in lower case, empty where there is none
    flags: Callable[[str], Mask]
    language: Language = SPEECH

    def mask(self, query: Query) -> Mask:
        """Of each row, whether it matches, (rows,)."""
        match query:
            case All(terms):
                return reduce(np.logical_and, map(self.mask, terms), np.ones(self.rows, np.bool_))
            case Either(terms):
                return reduce(np.logical_or, map(self.mask, terms), np.zeros(self.rows, np.bool_))
            case Not(term):
                return ~self.mask(term)
            case Has(flag):
                return self.flags(flag)
            case TextMatch(text):
                return self._each("said", lambda said: text in said)
            case Compare(field, _, float(value)):
                return _compared(self.numbers(field), query.operator, value)
            case Compare(field, _, str(value)) if self.language.fields[field].kind == "date":
                return self._dated(query.operator, value)
            case Compare(field, operator, value):
                return self._written(field, operator, str(value))

    def _each(self, field: str, test: Callable[[str], bool]) -> Mask:
        return np.fromiter(map(test, self.texts(field)), np.bool_, self.rows)

    def _written(self, field: str, operator: str, value: str) -> Mask:
        is_part = "~" in operator or field == "finding"  # which lists several
        found = self._each(field, (lambda text: value in text) if is_part else (lambda text: value == text))
        return ~found if "!" in operator else found

    def _dated(self, operator: str, value: str) -> Mask:
        """`2026-11` is the whole month: after it means in December or later."""
        tests: dict[str, Callable[[str], bool]] = {
            "=": lambda at: at.startswith(value),
            "!=": lambda at: not at.startswith(value),
            "<": lambda at: bool(at) and at < value,
            "<=": lambda at: bool(at) and (at < value or at.startswith(value)),
            ">": lambda at: at > value and not at.startswith(value),
            ">=": lambda at: at >= value,
        }
        return self._each("created", tests[operator])


def _compared(column: NDArray[np.float64], operator: str, value: float) -> Mask:
    """Rows without the figure match nothing, not even “is not”."""
    known: Mask = ~np.isnan(column)
    equal: Mask = np.isclose(column, value, rtol=0, atol=1e-9)
    found: dict[str, Mask] = {
        "=": equal,
        "!=": known & ~equal,
        "<": column < value,
        "<=": column <= value,
        ">": column > value,
        ">=": column >= value,
    }
    return found[operator]

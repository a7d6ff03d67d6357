"""Where keys lie: four layouts, and which keys a finger can hit instead of the right one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

from studio.errors import ConfigError

KeyboardName = Literal["qwerty", "qwertz", "azerty", "phone"]

_REACH = 1.25  # keys: the centres of two neighbours are no farther apart


@dataclass(frozen=True, slots=True)
class Keyboard:
    """Rows of keys from the top, and how far each row is set in, in keys."""

    name: KeyboardName
    rows: tuple[str, ...]
    insets: tuple[float, ...]

    def places(self) -> dict[str, tuple[float, float]]:
        """Every key with the centre of its cap: keys from the left, rows from the top."""
        return {
            key: (inset + column, float(row))
            for row, (keys, inset) in enumerate(zip(self.rows, self.insets, strict=True))
            for column, key in enumerate(keys)
        }

    def neighbours(self, key: str) -> str:
        """The keys around `key`, in the case of `key`; empty where the layout does not have it."""
        found = _neighbours(self).get(key.lower(), "")
        return found.upper() if key.isupper() else found


@cache
def _neighbours(keyboard: Keyboard) -> dict[str, str]:
    places = keyboard.places()

    def near(key: str, other: str) -> bool:
        (x, y), (left, top) = places[key], places[other]
        return key != other and (left - x) ** 2 + (top - y) ** 2 <= _REACH**2

    return {key: "".join(other for other in places if near(key, other)) for key in places}


_DESK = (-0.5, 0.0, 0.25, 0.75)  # the rows of a desk keyboard are staggered
KEYBOARDS: Mapping[str, Keyboard] = MappingProxyType(
    {
        "qwerty": Keyboard("qwerty", ("1234567890", "qwertyuiop", "asdfghjkl;", "zxcvbnm,./"), _DESK),
        "qwertz": Keyboard("qwertz", ("1234567890", "qwertzuiopü", "asdfghjklöä", "yxcvbnm,.-"), _DESK),
        "azerty": Keyboard("azerty", ("&é\"'(-è_çà", "azertyuiop", "qsdfghjklm", "wxcvbn,;:!"), _DESK),
        "phone": Keyboard("phone", ("qwertyuiop", "asdfghjkl", "zxcvbnm"), (0.0, 0.5, 1.5)),
    }
)


def keyboard_named(name: str) -> Keyboard:
    """The layout `name`. Raises ConfigError with those that there are."""
    if name not in KEYBOARDS:
        raise ConfigError(f"Unknown keyboard “{name}”.", f"Choose one of {', '.join(KEYBOARDS)}.")
    return KEYBOARDS[name]

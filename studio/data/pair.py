"""One typing pair, what was typed and what was meant: one line of the `manifest.jsonl` of a typing dataset."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from studio.config import Kind
from studio.data.utterance import Example, Origin, hashed_split
from studio.errors import DataError

LONGEST_SIDE = 2_000  # characters: a long paragraph; a model for a phone's keyboard takes a sentence or two
_INVISIBLE = ("Cc", "Cs")  # Unicode categories: control characters, and halves of a surrogate pair


class Pair(Example):
    """What was typed, written as `input`, and what was meant, written as `output`."""

    model_config = ConfigDict(populate_by_name=True)

    kind: ClassVar[Kind] = "typing"
    noun: ClassVar[str] = "pair"
    editable: ClassVar[frozenset[str]] = frozenset({"typed", "text", "prompt", "speaker", "session", "split"})
    together: ClassVar[tuple[str, ...]] = ("id", "typed", "text", "split", "source")
    optional: ClassVar[tuple[str, ...]] = ("duration", "prompt", "speaker", "session", "key_times", "backspaces")

    typed: str = Field(alias="input")  # as the fingers left it: nothing in it was corrected
    text: str = Field(alias="output")  # what should be there; empty in a pair that waits for it
    source: Origin = "import"
    key_times: list[float] | None = None  # seconds after the first key, of each key; only where the person agreed
    backspaces: int = Field(0, ge=0)  # how often Backspace was pressed

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, line: Any) -> Any:
        """A line of another program has no id or split: they follow from its two sides, the same each time."""
        if not isinstance(line, dict) or ("id" in line and "split" in line):
            return line
        typed, text = (str(line.get(name, "")) for name in ("input", "output"))
        both = f"{typed}\n{text}".encode("utf-8", "replace")
        return {"id": hashlib.sha256(both).hexdigest()[:16], "split": hashed_split(text)} | line

    @model_validator(mode="after")
    def _has_two_sides(self) -> Self:
        if self.split != "unused" and not (self.typed.strip() and self.text.strip()):
            empty = "output" if self.typed.strip() else "input"
            raise ValueError(f"the {empty} is empty: write both sides, before the pair trains or measures")
        return self

    @property
    def given_hash(self) -> str:
        """SHA-256 of what was typed."""
        return hashlib.sha256(self.typed.encode("utf-8", "replace")).hexdigest()

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to correct: such pairs teach a model to leave text alone."""
        return self.typed == self.text


def checked_typed(text: str) -> str:
    """`text` as it was typed, on one line and composed (NFC); the spaces in it are kept, doubled ones too.

    Raises DataError where nothing is left, or it is longer than a pair can be.
    """
    return _checked_side(text, "typed text", "Type the sentence.")


def checked_meant(text: str) -> str:
    """`text` as it should be written, in the same form. Raises DataError as `checked_typed` does."""
    return _checked_side(text, "corrected text", "Write what was meant.")


def _checked_side(text: str, name: str, remedy: str) -> str:
    if len(text) > LONGEST_SIDE:
        what = f"The {name} is {len(text):,} characters long; one side of a pair can have {LONGEST_SIDE:,} at most."
        raise DataError(what, "Cut it into sentences.")
    if text.isprintable():  # no line break, no control character
        one_line = text
    else:
        spaced = re.sub(r"\r\n|\s", _as_space, text.strip())
        one_line = "".join(" " if unicodedata.category(char) in _INVISIBLE else char for char in spaced)
    side = unicodedata.normalize("NFC", one_line).strip()
    if not side:
        raise DataError(f"The {name} is empty.", remedy)
    return side


def _as_space(match: re.Match[str]) -> str:
    """A line break or tab becomes a space; a space of another kind, as in French, stays."""
    return " " if match[0] in ("\r\n", "\n", "\r", "\t", "\v", "\f", "\x85", "\u2028", "\u2029") else match[0]

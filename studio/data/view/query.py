"""What a person types to find clips: `wer > 0.3`, `duration < 1 and not speaker = anna`, words of the label.

query   = part { "or" part }
part    = term { ["and"] term }
term    = "not" term | "(" query ")" | field operator value | "has" flag | word | "quoted words"
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Literal, NoReturn

from pydantic import BaseModel, Field

from studio.errors import DataError

LONGEST = 2_000  # characters
DEEPEST = 50  # parentheses and “not” within each other

Kind = Literal["number", "text", "choice", "date"]
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "~", "!~"]


class Selection(BaseModel):
    """Clips that are changed together: by id, or all that match a query, of which the page showed `expected`."""

    ids: list[str] | None = Field(None, max_length=200_000)
    query: str | None = None
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class QueryField:
    """Something to sort by and to ask for."""

    kind: Kind
    what: str  # a sentence without its full stop, for the page's help
    unit: str = ""
    choices: tuple[str, ...] = ()


FIELDS: Mapping[str, QueryField] = MappingProxyType(
    {
        "text": QueryField("text", "The label: what was said"),
        "prompt": QueryField("text", "The prompt that was read aloud"),
        "heard": QueryField("text", "The latest transcript by a model"),
        "speaker": QueryField("choice", "Who speaks"),
        "session": QueryField("choice", "The session in which it was recorded"),
        "split": QueryField("choice", "What it is for", choices=("train", "validation", "test", "unused")),
        "source": QueryField("choice", "Where it comes from", choices=("microphone", "import", "live", "synthetic")),
        "quality": QueryField("choice", "The verdict on the recording", choices=("fine", "look", "re-record")),
        "finding": QueryField("text", "What was found in the recording, such as clipped or quiet"),
        "duration": QueryField("number", "Length of the recording", "s"),
        "words": QueryField("number", "Words in the label", "words"),
        "pace": QueryField("number", "How fast it was spoken", "characters/s"),
        "loudness": QueryField("number", "Loudness of the speech", "LUFS"),
        "snr": QueryField("number", "Speech over background noise", "dB"),
        "peak": QueryField("number", "The loudest sample", "dBFS"),
        "wer": QueryField("number", "Word error rate of that transcript against the label; 0.3 or 30%", "of 1"),
        "confidence": QueryField("number", "How sure the model was", "of 1"),
        "loss": QueryField("number", "How badly the label fits the sound, to the model", "nats/token"),
        "suspicion": QueryField("number", "How likely the label is wrong", "of 1"),
        "created": QueryField("date", "When it was recorded: 2026-11, 2026-11-01, today, yesterday (UTC)"),
        "id": QueryField("text", "The name of the clip"),
    }
)
SHOWN_AS: Mapping[str, str] = MappingProxyType(
    {"label": "text", "length": "duration", "verdict": "quality", "sitting": "session", "from": "source",
     "recorded": "created"}
)  # fmt: skip
"""What the page writes over its columns, for those who type what they see."""
FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "digits": "The label holds digits",
        "numbers": "The label has a number in words",
        "heard": "A model has transcribed it",
        "prompt": "It was recorded from a prompt",
        "speaker": "The speaker is known",
        "twins": "The same recording is there twice",
        "findings": "Something was found in the recording",
        "times": "Its words have times",
    }
)


PAIR_FIELDS: Mapping[str, QueryField] = MappingProxyType(
    {
        "text": QueryField("text", "The corrected text: what was meant"),
        "typed": QueryField("text", "What was typed"),
        "prompt": QueryField("text", "The prompt that was typed"),
        "speaker": QueryField("choice", "Who types"),
        "session": QueryField("choice", "The session in which it was typed"),
        "split": FIELDS["split"],
        "source": QueryField("choice", "Where it comes from", choices=("keyboard", "import", "live", "synthetic")),
        "quality": QueryField("choice", "The verdict on the pair", choices=("fine", "look")),
        "finding": QueryField("text", "What was found in the pair, such as secret or paraphrase"),
        "edits": QueryField("number", "Characters that differ between the two sides", "characters"),
        "changed": QueryField("number", "Characters that differ, as a share; 0.1 or 10%", "of 1"),
        "words": QueryField("number", "Words in the corrected text", "words"),
        "characters": QueryField("number", "Characters in the corrected text", "characters"),
        "duration": QueryField("number", "How long the typing took", "s"),
        "pace": QueryField("number", "How fast it was typed", "characters/min"),
        "backspaces": QueryField("number", "How often Backspace was pressed", "times"),
        "created": QueryField("date", "When it was typed: 2026-11, 2026-11-01, today, yesterday (UTC)"),
        "id": QueryField("text", "The name of the pair"),
    }
)
PAIR_FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "typos": "Its two sides differ",
        "prompt": "It was typed from a prompt",
        "speaker": "It is known who typed",
        "twins": "The same text was typed twice",
        "findings": "Something was found in the pair",
        "times": "The times of its keys were kept",
    }
)


@dataclass(frozen=True, slots=True)
class Language:
    """The columns and flags that a person can ask for in a dataset of one kind."""

    fields: Mapping[str, QueryField]
    flags: Mapping[str, str]


SPEECH = Language(FIELDS, FLAGS)
TYPING = Language(PAIR_FIELDS, PAIR_FLAGS)


@dataclass(frozen=True, slots=True)
class Compare:
    """A field against a value, which is a number for a number, and in lower case otherwise."""

    field: str
    operator: Operator
    value: float | str


@dataclass(frozen=True, slots=True)
class Has:
    """One of `FLAGS`."""

    flag: str


@dataclass(frozen=True, slots=True)
class TextMatch:
    """Text, in lower case, that is in the label, the prompt or the id."""

    text: str


@dataclass(frozen=True, slots=True)
class Not:
    """What must not be."""

    term: Query


@dataclass(frozen=True, slots=True)
class All:
    """What must all be; of nothing, every clip is it."""

    terms: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """What one of must be."""

    terms: tuple[Query, ...]


Query = Compare | Has | TextMatch | Not | All | Either

_TOKEN = re.compile(
    r'\s*(?:(?P<quoted>"[^"]*"|“[^”]*”)|(?P<mark>[()]|[<>!]=|<>|==|!~|[=<>~])|(?P<word>(?:(?![<>!]=|!~)[^\s()"“=<>~])+)|(?P<bad>\S))'
)
_NUMBER = re.compile(r"([+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+))\s*(%|[a-zA-Z/]*)")
_UNITS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "s": {"s": 1, "sec": 1, "seconds": 1, "ms": 0.001, "min": 60},
        "of 1": {"%": 0.01},
        "dB": {"db": 1},
        "dBFS": {"db": 1, "dbfs": 1},
        "LUFS": {"lufs": 1, "db": 1},
    }
)
_OPERATORS: Mapping[str, Operator] = MappingProxyType({"==": "=", "<>": "!="})
_DATE = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2}(?:t\d{2}(?::\d{2}(?::\d{2})?)?)?)?)?")


def parse(text: str, language: Language = SPEECH) -> Query:
    """What `text` asks for, in the `language` of a kind of dataset. Raises DataError, which shows where it is wrong."""
    if len(text) > LONGEST:
        raise DataError(f"The search is longer than {LONGEST:,} characters.", "Search for less at once.")
    return _Parser(text, language).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: Literal["quoted", "mark", "word", "end"]
    text: str
    at: int


class _Parser:
    def __init__(self, text: str, language: Language) -> None:
        self.text = text
        self.fields, self.flags = language.fields, language.flags
        self.shown_as = {shown: field for shown, field in SHOWN_AS.items() if field in self.fields}
        self.depth = 0
        self.place = 0
        self.tokens = self._tokens()

    def _tokens(self) -> list[_Token]:
        found: list[_Token] = []
        for match in _TOKEN.finditer(self.text):
            kind = match.lastgroup
            start = match.start(kind or 0)
            if kind == "quoted":
                found.append(_Token("quoted", match["quoted"][1:-1], start))
            elif kind == "mark" or kind == "word":
                found.append(_Token("mark" if kind == "mark" else "word", match[kind], start))
            else:
                self.fail("The closing quotation mark is missing", start, 'Write “…” or "…".')
        return [*found, _Token("end", "", len(self.text))]

    def whole(self) -> Query:
        query = All(()) if len(self.tokens) == 1 else self.query()
        left = self.now
        if left.kind != "end":
            self.fail(f"There is one “{left.text}” too many", left.at, "Remove it, or open a “(” before it.")
        return query

    @property
    def now(self) -> _Token:
        return self.tokens[self.place]

    def take(self) -> _Token:
        token = self.now
        self.place += token.kind != "end"
        return token

    def is_word(self, *words: str) -> bool:
        return self.now.kind == "word" and self.now.text.casefold() in words

    def is_mark(self, text: str) -> bool:
        return self.now.kind == "mark" and self.now.text == text

    def query(self) -> Query:
        parts = [self.part()]
        while self.is_word("or"):
            self.take()
            parts.append(self.part())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def part(self) -> Query:
        terms = [self.term()]
        while True:
            if self.is_word("and"):
                self.take()
            elif self.now.kind == "end" or self.is_mark(")") or self.is_word("or"):
                return terms[0] if len(terms) == 1 else All(tuple(terms))
            terms.append(self.term())

    def term(self) -> Query:
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail("There are too many parentheses within each other", self.now.at, "Search for less at once.")
        found = self._term()
        self.depth -= 1
        return found

    def _term(self) -> Query:
        token = self.take()
        if token.kind == "quoted":
            return TextMatch(token.text.casefold())
        if token.kind == "mark" and token.text == "(":
            return self.closed(self.query(), token)
        if token.kind != "word" or token.text.casefold() in ("and", "or"):
            self.fail("A word, a column or “(” is missing", token.at, "For example: duration < 1 or split = test.")
        if token.text.casefold() == "not":
            return Not(self.term())
        if self.now.kind == "mark" and self.now.text not in "()":
            return self.comparison(token)
        if token.text.casefold() == "has" and (flag := self.flag()):
            return Has(flag)
        return TextMatch(token.text.casefold())

    def closed(self, query: Query, opened: _Token) -> Query:
        if not self.is_mark(")"):
            self.fail(
                "The “)” is missing that belongs to this “(”", opened.at, "Close it, or put it in quotation marks."
            )
        self.take()
        return query

    def flag(self) -> str:
        """The flag that comes now; empty where “has” is only a word of a label."""
        said = self.now.text.casefold() if self.now.kind == "word" else ""
        found = next((flag for flag in self.flags if said and said in (flag, flag.removesuffix("s"))), "")
        self.place += bool(found)
        return found

    def comparison(self, name: _Token) -> Query:
        field = self.shown_as.get(name.text.casefold(), name.text.casefold())
        if field not in self.fields:
            self.fail(f"Unknown column “{name.text}”", name.at, _meant(field, (*self.fields, *self.shown_as)))
        sign = self.take()
        value = self.take()
        if value.kind in ("mark", "end"):
            self.fail(
                f"A value is missing after “{name.text} {sign.text}”", value.at, "For example: " + self.example(field)
            )
        operator: Operator = _OPERATORS.get(sign.text, sign.text)  # type: ignore[arg-type]
        return Compare(field, operator, self.value(field, operator, value))

    def value(self, field: str, operator: Operator, token: _Token) -> float | str:
        column = self.fields[field]
        said = token.text.casefold().strip()
        if column.kind in ("text", "choice") and operator[0] in "<>":
            self.fail(f"“{field}” is not a number", token.at, f"For example: {self.example(field)}.")
        if column.kind == "number":
            return self.number(column, operator, token)
        if column.kind == "date":
            return self.date(operator, said, token)
        if column.choices and operator in ("=", "!=") and said not in column.choices:
            self.fail(f"“{field}” is never “{token.text}”", token.at, _meant(said, column.choices))
        return said

    def number(self, column: QueryField, operator: Operator, token: _Token) -> float:
        match = _NUMBER.fullmatch(token.text.strip().replace("−", "-"))
        units = _UNITS.get(column.unit, {})
        unit = match[2].lower() if match else ""
        if match is None or operator in ("~", "!~") or (unit and unit not in {**units, column.unit.lower(): 1}):
            say = f"A number{f' ({column.unit})' if column.unit else ''} is missing here"
            self.fail(say, token.at, "Compare it by =, <, <=, > or >=, for example: > 0.3.")
        return float(match[1].replace(",", ".")) * units.get(unit, 1)

    def date(self, operator: Operator, said: str, token: _Token) -> str:
        today = datetime.now(UTC).date()
        said = {"today": str(today), "yesterday": str(today - timedelta(days=1))}.get(said, said)
        if not _DATE.fullmatch(said) or not said.isascii() or operator in ("~", "!~"):
            self.fail(f"“{token.text}” is not a date", token.at, "Write it as 2026-11 or 2026-11-01.")
        return said.upper()

    def example(self, field: str) -> str:
        column = self.fields[field]
        if column.kind == "number":
            return f"{field} > 0.3"
        if column.kind == "date":
            return f"{field} > 2026-11-01"
        return f"{field} = {column.choices[0] if column.choices else 'anna'}"

    def fail(self, what: str, at: int, remedy: str) -> NoReturn:
        """Raise DataError that shows the place by a caret."""
        before, after = self.text[:at][-40:], self.text[at:][:40]
        raise DataError(f"{what}: “{before}‸{after}”.", remedy)


def _meant(said: str, names: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(said[:40], names, 1)
    return f"Did you mean “{close[0]}”?" if close else f"There are: {', '.join(names)}."

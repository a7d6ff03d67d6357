"""Words and digits: how text is compared, split and read out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Literal

from studio.text.number_rules import DigitRules, NumberLanguage

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_DIGIT_OF = {name: str(digit) for digit, name in enumerate(DIGIT_NAMES)}
_NAME = rf"(?:{'|'.join(DIGIT_NAMES)}|oh)"
_RUN = re.compile(rf"(?<!\S){_NAME}(?:\s+{_NAME})*(?!\S)", re.IGNORECASE)  # digit names side by side

WITHOUT_SPACES = "[\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
"""A character of a script that puts no spaces between words: Thai, Lao, Tibetan, Burmese, Khmer, kana, Chinese."""

Convention = Literal["words", "digits"]
"""How a label writes a number that was read out: `one two nine` or `129`."""


def lines_of(text: str) -> list[str]:
    """The lines of `text` without their ends: cut at line feeds alone, where str.splitlines cuts at U+2028 too."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines if lines[-1] else lines[:-1]


def digits_to_words(text: str) -> str:
    """Every ASCII digit of `text` as its name: `order 129` becomes `order one two nine`."""
    spelled = re.sub(r"[0-9]", lambda match: f" {DIGIT_NAMES[int(match[0])]} ", text)
    return " ".join(spelled.split())


def words_to_digits(text: str) -> str:
    """Every run of digit names in `text` as one string of digits: `order one oh nine` becomes `order 109`.

    The inverse of `digits_to_words` wherever no two digit strings are adjacent.
    """
    words: list[str] = []
    joins = False
    for word in _RUN.sub(_zeros, text).split():
        digit = _DIGIT_OF.get(word.lower())
        if digit is None:
            words.append(word)
        elif joins:
            words[-1] += digit
        else:
            words.append(digit)
        joins = digit is not None
    return " ".join(words)


def write_numbers(text: str, convention: Convention) -> str:
    """`text` with its digits, or digit names, written by `convention`."""
    return digits_to_words(text) if convention == "words" else words_to_digits(text)


def plain(text: str) -> str:
    """`text` in lower case without punctuation (apostrophes within words stay), single-spaced."""
    text = unicodedata.normalize("NFKC", text).casefold()
    text = re.sub(r"(?<=\w)['’](?=\w)", "'", text)
    return " ".join(re.sub(r"[^\w\s']|(?<!\w)'|'(?!\w)|_", " ", text).split())


def spoken(text: str) -> str:
    """`plain` text with digits as their names: what was said, whichever convention wrote it."""
    words = plain(digits_to_words(plain(text)))  # again: spelling `90's` out frees its apostrophe
    return _RUN.sub(_zeros, words)


def whisper(text: str) -> str:
    """`text` by Whisper's English normaliser (Radford et al. 2022, appendix C): no case, punctuation, fillers or
    contractions, American spelling, and numbers as digits, so that `one two` and `12` are the same.
    """
    return _whisper()(text)


@cache
def _whisper() -> Callable[[str], str]:
    """transformers ships the rules; the table of spellings comes with Whisper's models, and so with this package."""
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    normalise: Callable[[str], str] = EnglishTextNormalizer(american_spellings())
    return lambda text: " ".join(normalise(text).split())


def american_spellings() -> dict[str, str]:
    """British spelling -> American, as Whisper's English normaliser has them."""
    table = resources.files("studio.text").joinpath("spellings.txt").read_text("utf-8")
    return dict(line.split("\t") for line in lines_of(table) if not line.startswith("#"))


def whisper_basic(text: str) -> str:
    """`text` by Whisper's normaliser for languages other than English (the same appendix): no case, no punctuation, and
    nothing in brackets; accents stay.
    """
    return _whisper_basic()(text)


@cache
def _whisper_basic() -> Callable[[str], str]:
    from transformers.models.whisper.english_normalizer import BasicTextNormalizer

    normalise: Callable[[str], str] = BasicTextNormalizer(remove_diacritics=False)
    return lambda text: " ".join(normalise(text).split())


def _spoken_in(language: NumberLanguage) -> Callable[[str], str]:
    """As `spoken`, in another language: every number that is written or said becomes its digits, one by one."""

    def normalise(text: str) -> str:
        from studio.text.numbers_elsewhere import to_digits

        digits, _ = to_digits(plain(text), DigitRules(language=language, one="digits"))
        return " ".join(re.sub(r"[0-9]", r" \g<0> ", digits).split())

    return normalise


def _zeros(run: re.Match[str]) -> str:
    """A run of digit names with every "oh" as "zero"; alone, "oh" is an exclamation."""
    words = run[0].split()
    said = {word.lower() for word in words}
    return run[0] if said == {"oh"} else " ".join("zero" if word.lower() == "oh" else word for word in words)


NORMALISERS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "exact": lambda text: " ".join(text.split()),
        "plain": plain,
        "spoken": spoken,
        "spoken-de": _spoken_in("de"),
        "spoken-fr": _spoken_in("fr"),
        "spoken-es": _spoken_in("es"),
        "whisper": whisper,
        "whisper-basic": whisper_basic,
    }
)
"""How two texts are made comparable before errors are counted. Reports always name the one used:
`spoken` and `whisper` deliberately hide whether digits or words were written, `exact` shows it."""

COMPARED: Mapping[str, str] = MappingProxyType(
    {
        "exact": "as they are written",
        "plain": "without case and punctuation",
        "spoken": "as they are spoken: digits and their names count as the same",
        "spoken-de": "as they are spoken in German: numbers in digits and in words count as the same",
        "spoken-fr": "as they are spoken in French: numbers in digits and in words count as the same",
        "spoken-es": "as they are spoken in Spanish: numbers in digits and in words count as the same",
        "whisper": "by Whisper's English normaliser, for which “one two” and “12” are the same",
        "whisper-basic": "by Whisper's normaliser for other languages: without case, punctuation and brackets",
    }
)
"""The normalisers in words: “the texts compared …”."""


def spoken_name(language: str) -> str:
    """The normaliser that counts what was said in `language`, a code such as “de”, however numbers are written."""
    return name if (name := f"spoken-{language}") in NORMALISERS else "spoken"


def prompt_key(text: str) -> str:
    """What makes two prompts the same sentence, however they are written: splits are cut by it."""
    return spoken(text)


def lacks_spaces(texts: Iterable[str]) -> bool:
    """Whether `texts` are of a language that puts no spaces between words: most of their letters are of such a script.

    Errors are counted in characters there, since a whole sentence looks like one word.
    """
    joined = "".join(texts)
    return 2 * len(re.findall(WITHOUT_SPACES, joined)) > sum(char.isalpha() for char in joined)


def spread(text: str) -> str:
    """`text` with a space around each character of a script without spaces, so that each counts as a word."""
    return " ".join(re.sub(WITHOUT_SPACES, r" \g<0> ", text).split())


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its noun, and verb, in the right number: “1 clip”, “1,200 clips”, “1 clip is”, “2 clips are”."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"

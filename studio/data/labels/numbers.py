"""Numbers in labels: all as words or all as digits, and which labels are not yet so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from studio.data.labels.proposals import Proposal, propose
from studio.data.manifest import Utterance
from studio.text import Convention, numbers_elsewhere, numbers_to_words, words_to_numbers
from studio.text.cleaning import clean
from studio.text.number_rules import DigitRules, NumberLanguage, WordRules

_DIGITS = re.compile(r"\S*\d\S*")  # any script's


class ConventionViolation(BaseModel):
    """A label that is not in the convention, and the parts that are not."""

    model_config = ConfigDict(frozen=True)

    id: str
    text: str
    found: list[str]


def rewrite(text: str, rules: WordRules | DigitRules) -> tuple[str, list[str]]:
    """`text` with its numbers by `rules`, and what was done; a label without such numbers stays as it is.

    Where numbers change, dashes and punctuation artefacts of the label are cleaned with them.
    """
    cleaned, artefacts = clean(text)
    written, kinds = _rewritten(cleaned, rules)
    return (written, [*kinds, *artefacts]) if written != cleaned else (text, [])


def numbers(clips: Iterable[Utterance], rules: WordRules | DigitRules) -> list[Proposal]:
    """What would change in `clips`: to words with WordRules, to digits with DigitRules."""
    return propose(clips, lambda text: rewrite(text, rules))


def offenders(
    clips: Iterable[Utterance], convention: Convention, language: NumberLanguage = "en"
) -> list[ConventionViolation]:
    """Every label that still holds digits, where words are wanted; or number words, where digits are."""
    found = ((clip, still_holds(clip.text, convention, language)) for clip in clips)
    return [ConventionViolation(id=clip.id, text=clip.text, found=list(parts)) for clip, parts in found if parts]


def still_holds(text: str, convention: Convention, language: NumberLanguage = "en") -> Sequence[str]:
    """The parts of `text` that `convention` forbids."""
    if convention == "words":
        return _DIGITS.findall(text)
    is_english = language == "en"
    return words_to_numbers.number_words(text) if is_english else numbers_elsewhere.number_words(text, language)


def _rewritten(text: str, rules: WordRules | DigitRules) -> tuple[str, list[str]]:
    is_english = rules.language == "en"
    if isinstance(rules, WordRules):
        return numbers_to_words.to_words(text, rules) if is_english else numbers_elsewhere.to_words(text, rules)
    return words_to_numbers.to_digits(text, rules) if is_english else numbers_elsewhere.to_digits(text, rules)

"""Numbers in German, French and Spanish labels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.data.labels.numbers import rewrite, still_holds
from studio.text import NORMALISERS, spoken_name
from studio.text.metrics import score
from studio.text.number_rules import DigitRules, NumberLanguage, WordRules

LANGUAGES: list[NumberLanguage] = ["de", "fr", "es"]

BY_DIGIT = [
    ("de", "Bestellung 1296803", "Bestellung eins zwei neun sechs acht null drei"),
    ("fr", "commande 4071", "commande quatre zéro sept un"),
    ("es", "pedido 4071", "pedido cuatro cero siete uno"),
]
WHOLE = [
    ("de", "25 Kisten", "fünfundzwanzig Kisten"),
    ("de", "Nummer 007", "Nummer null null sieben"),
    ("fr", "71 caisses", "soixante et onze caisses"),
    ("es", "22 cajas", "veintidós cajas"),
]


@pytest.mark.parametrize(("language", "written", "said"), BY_DIGIT)
def test_an_order_number_is_read_digit_by_digit_and_back(language: NumberLanguage, written: str, said: str) -> None:
    assert rewrite(written, WordRules(language=language))[0] == said
    assert rewrite(said, DigitRules(language=language))[0] == written
    assert not still_holds(said, "words", language)
    assert still_holds(said, "digits", language)


@pytest.mark.parametrize(("language", "written", "said"), WHOLE)
def test_a_whole_number_is_said_as_people_say_it(language: NumberLanguage, written: str, said: str) -> None:
    assert rewrite(written, WordRules(language=language, integers="cardinal"))[0].replace("-", " ") == said
    assert rewrite(said, DigitRules(language=language))[0] == written


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "A12 kostet 5,20 am 3.4.2026 um 10:45"),
        ("fr", "un chat et une souris"),
        ("es", "una casa"),
        ("de", "die Reinigung"),
    ],
)
def test_what_is_no_whole_number_stays_as_it_is(language: NumberLanguage, text: str) -> None:
    assert rewrite(text, WordRules(language=language)) == (text, [])
    assert rewrite(text, DigitRules(language=language)) == (text, [])


def test_a_digit_after_a_cardinal_does_not_join_it() -> None:
    assert rewrite("Gleis fünfundzwanzig drei", DigitRules(language="de"))[0] == "Gleis 25 3"
    assert rewrite("Nummer eins zwo", DigitRules(language="de"))[0] == "Nummer 12"
    assert rewrite("Gleis fünfundzwanzig", DigitRules(language="de", cardinals="leave"))[0] == "Gleis fünfundzwanzig"


@pytest.mark.parametrize("language", LANGUAGES)
@given(digits=st.text("0123456789", min_size=2, max_size=9))
def test_any_digits_come_back_as_they_were(language: NumberLanguage, digits: str) -> None:
    said = rewrite(f"x {digits} y", WordRules(language=language))[0]
    assert not any(char.isdigit() for char in said)
    assert rewrite(said, DigitRules(language=language))[0] == f"x {digits} y"


@pytest.mark.parametrize("language", LANGUAGES)
@given(number=st.integers(0, 999))
def test_any_number_below_a_thousand_comes_back_as_it_was(language: NumberLanguage, number: int) -> None:
    said = rewrite(f"x {number} y", WordRules(language=language, integers="cardinal"))[0]
    assert rewrite(said, DigitRules(language=language, one="digits"))[0] == f"x {number} y"


@given(text=st.text(max_size=80))
def test_any_text_is_rewritten_without_a_fault_and_twice_the_same(text: str) -> None:
    for language in LANGUAGES:
        once = rewrite(text, WordRules(language=language))[0]
        assert rewrite(once, WordRules(language=language))[0] == once
        rewrite(text, DigitRules(language=language))


@pytest.mark.parametrize(
    ("language", "digits", "said", "other"),
    [
        ("de", "Zimmer 129.", "zimmer eins zwei neun", "Zimmer hundertachtundzwanzig"),
        ("de", "25 Minuten", "fünfundzwanzig Minuten", "zwei sechs Minuten"),
        ("fr", "Le 42, vite!", "le quarante-deux vite", "le quarante vite"),
        ("es", "Sala 305", "sala tres cero cinco", "sala trescientos seis"),
    ],
)
def test_numbers_in_digits_and_in_words_count_as_the_same_in_their_own_language(
    language: str, digits: str, said: str, other: str
) -> None:
    name = spoken_name(language)
    assert name == f"spoken-{language}"
    assert score([digits], [said], name).wer == 0
    assert score([digits], [other], name).wer > 0


def test_a_language_without_number_rules_is_counted_by_the_names_of_english_digits() -> None:
    assert spoken_name("ja") == spoken_name("en") == "spoken"


def test_whispers_normaliser_of_other_languages_keeps_accents_and_drops_punctuation_and_brackets() -> None:
    assert NORMALISERS["whisper-basic"]("¿Dónde está el Café? [ruido]") == "dónde está el café"

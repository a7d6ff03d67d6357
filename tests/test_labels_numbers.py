"""Numbers in labels, from digits to words and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.data.labels.numbers import numbers, offenders, rewrite, still_holds
from studio.data.utterance import Utterance
from studio.text import DIGIT_NAMES
from studio.text.cleaning import FIXES, clean
from studio.text.number_rules import BEFORE_YEARS, UNITS, DigitRules, WordRules
from studio.text.numbers_to_words import to_words
from studio.text.words_to_numbers import number_words, to_digits

SPELL_ALL = WordRules(money="words", times="words", years="words", dates="digits", units="words")
LEAVE_ALL = WordRules(codes="leave", ordinals="leave", decimals="leave")

# As the default rules write it.
TO_WORDS = [
    ("order 1296803", "order one two nine six eight zero three"),
    ("Order 129!", "Order one two nine!"),
    ("order 129.", "order one two nine."),
    ("0", "zero"),
    ("5", "five"),
    ("10", "one zero"),
    ("007", "zero zero seven"),
    ("12 34", "one two three four"),
    ("5, 6, 7", "five, six, seven"),
    ("5,6,7", "five,six,seven"),
    ("(5)", "(five)"),
    ("“5”", "five"),
    ("the “5” key", 'the "five" key'),
    ("room 5?", "room five?"),
    ("5's", "five's"),
    ("ticket#7", "ticket#seven"),
    ("order:129", "order:one two nine"),
    ("129 - 680 - 3", "one two nine six eight zero three"),
    ("129 – 680", "one two nine six eight zero"),
    ("order 129 — please", "order one two nine please"),
    ("123456789012345678", "one two three four five six seven eight nine zero one two three four five six seven eight"),
    ("ORDER 129", "ORDER ONE TWO NINE"),
    ("GATE 4, PLEASE", "GATE FOUR, PLEASE"),
    ("gate １２", "gate one two"),
    ("no numbers here", "no numbers here"),
    ("a dash – without numbers", "a dash – without numbers"),
    # phone numbers
    ("555-0199", "five five five zero one nine nine"),
    ("(415) 555 0123", "four one five five five five zero one two three"),
    ("(415) 555-0123", "four one five five five five zero one two three"),
    ("415-555-0123", "four one five five five five zero one two three"),
    ("415.555.0123", "four one five five five five zero one two three"),
    ("415 555 0123", "four one five five five five zero one two three"),
    ("+1 415-555-0123", "one four one five five five five zero one two three"),
    ("+49 30 1234567", "four nine three zero one two three four five six seven"),
    ("1-800-555-0199", "one eight zero zero five five five zero one nine nine"),
    ("call 555-0199.", "call five five five zero one nine nine."),
    ("dial (415) 555 0123, please", "dial four one five five five five zero one two three, please"),
    # codes
    ("A-12", "A one two"),
    ("B52", "B five two"),
    ("gate B52 is open", "gate B five two is open"),
    ("mp3", "mp three"),
    ("3D", "three D"),
    ("x5y", "x five y"),
    ("AB-12-CD", "AB one two CD"),
    ("COVID-19", "COVID one nine"),
    ("10-12", "one zero one two"),
    ("follow-up 5", "follow-up five"),
    ("location 4F7", "location four F seven"),
    # ordinals
    ("1st", "first"),
    ("2nd", "second"),
    ("the 3rd of May", "the third of May"),
    ("4th", "fourth"),
    ("12th", "twelfth"),
    ("21st", "twenty first"),
    ("100th", "one hundredth"),
    ("1,000th", "one thousandth"),
    ("the 5th, please", "the fifth, please"),
    # amounts
    ("1,234", "one thousand two hundred and thirty four"),
    ("1,000,000", "one million"),
    ("12,500 clips", "twelve thousand five hundred clips"),
    ("-5 degrees", "minus five degrees"),
    ("−5", "minus five"),
    # decimals, percentages, versions
    ("3.14", "three point one four"),
    ("0.5", "zero point five"),
    (".5", "zero point five"),
    ("12.05", "twelve point zero five"),
    ("-1.5", "minus one point five"),
    ("1,234.5", "one thousand two hundred and thirty four point five"),
    ("it is 3.14.", "it is three point one four."),
    ("50%", "fifty percent"),
    ("50 %", "fifty percent"),
    ("12.5 %", "twelve point five percent"),
    ("-3%", "minus three percent"),
    ("version 1.2.3", "version one point two point three"),
    ("v1.2", "v one point two"),
    # units stay, their number is read
    ("5 km", "five km"),
    ("12kg", "twelve kg"),
    ("3.5 cm", "three point five cm"),
    ("20 °C", "twenty °C"),
    ("5m", "five m"),
    # left alone until a rule says otherwise
    ("$5.20", "$5.20"),
    ("$1,234.50", "$1,234.50"),
    ("$3.5 million", "$3.5 million"),
    ("€ 5", "€ 5"),
    ("10:45", "10:45"),
    ("at 10:45 am", "at 10:45 am"),
    ("at 5pm", "at 5pm"),
    ("10 am", "10 am"),
    ("in 1999", "in 1999"),
    ("since 2024", "since 2024"),
    ("March 3, 1999", "March 3, 1999"),
    ("May 2026", "May 2026"),
    ("the 1990s", "the 1990s"),
    ("the 90s", "the 90s"),
    ("the '90s", "the '90s"),
    ("12/05/2026", "12/05/2026"),
    ("2026-05-12", "2026-05-12"),
    ("12.05.2026", "12.05.2026"),
    ("1/2", "1/2"),
    ("24/7", "24/7"),
    # what looks like a year by itself is a number like any other
    ("order 1999", "order one nine nine nine"),
    ("2026", "two zero two six"),
]

BY_RULE = [
    ("$5", "five dollars"),
    ("$1", "one dollar"),
    ("$5.20", "five dollars and twenty cents"),
    ("$5.00", "five dollars"),
    ("$0.99", "ninety nine cents"),
    ("$1.01", "one dollar and one cent"),
    ("£1.01", "one pound and one penny"),
    ("£2.50", "two pounds and fifty pence"),
    ("€ 5", "five euro"),
    ("$3.5 million", "three point five million dollars"),
    ("$1,234.50", "one thousand two hundred and thirty four dollars and fifty cents"),
    ("10:45", "ten forty five"),
    ("10:05 pm", "ten oh five pm"),
    ("9:00", "nine o'clock"),
    ("9:00 am", "nine am"),
    ("at 5pm", "at five pm"),
    ("10 a.m. sharp", "ten am sharp"),
    ("in 1999", "in nineteen ninety nine"),
    ("since 2026", "since twenty twenty six"),
    ("in 2005", "in two thousand and five"),
    ("year 1900", "year nineteen hundred"),
    ("March 3, 1999", "March three, nineteen ninety nine"),
    ("the 1990s", "the nineteen nineties"),
    ("the 90s", "the nineties"),
    ("1/2", "one two"),
    ("12/05/2026", "one two zero five two zero two six"),
    ("5 km", "five kilometers"),
    ("1 km", "one kilometer"),
    ("60 mph", "sixty miles per hour"),
    ("20 °C", "twenty degrees Celsius"),
]

OTHERWISE = [
    (WordRules(zero="oh"), "order 105", "order one oh five"),
    (WordRules(integers="cardinal"), "order 129", "order one hundred and twenty nine"),
    (WordRules(integers="cardinal"), "order 007", "order zero zero seven"),
    (WordRules(integers="cardinal"), "12 apples", "twelve apples"),
    (WordRules(grouped="digits"), "1,234", "one two three four"),
    (LEAVE_ALL, "A-12", "A-12"),
    (LEAVE_ALL, "the 3rd", "the 3rd"),
    (LEAVE_ALL, "3.14", "3.14"),
    (LEAVE_ALL, "50 %", "50 %"),
    (LEAVE_ALL, "1.2.3", "1.2.3"),
]

TO_DIGITS = [
    ("order one two nine six eight zero three", "order 1296803"),
    ("Order one two nine!", "Order 129!"),
    ("double five", "55"),
    ("triple seven two", "7772"),
    ("treble nine", "999"),
    ("double oh seven", "007"),
    ("one double two three", "1223"),
    ("double check the order", "double check the order"),
    ("oh five", "05"),
    ("five oh", "50"),
    ("one oh one", "101"),
    ("oh oh seven", "007"),
    ("oh", "oh"),
    ("oh I see", "oh I see"),
    ("Oh, five", "Oh, 5"),
    ("five, six", "5, 6"),
    ("five. Six", "5. 6"),
    ("five and six", "5 and 6"),
    ("press two for sales", "press 2 for sales"),
    ("one moment please", "one moment please"),
    ("this one", "this one"),
    ("one", "one"),
    ("one two", "12"),
    ("gate one, please", "gate one, please"),
    ("zero", "0"),
    ("ten", "10"),
    ("nineteen", "19"),
    ("twenty five", "25"),
    ("twenty-five", "25"),
    ("Twenty-Five", "25"),
    ("twenty twenty", "20 20"),
    ("five fifty five", "5 55"),
    ("nineteen ninety nine", "19 99"),
    ("nine hundred", "900"),
    ("nineteen hundred", "1900"),
    ("two hundred and one", "201"),
    ("one hundred and twenty three", "123"),
    ("one hundred twenty three", "123"),
    ("two thousand and five", "2005"),
    ("twelve thousand five hundred", "12500"),
    ("one million two hundred thousand", "1200000"),
    ("three point one four", "3.14"),
    ("twelve point five percent", "12.5 percent"),
    ("point five", "point 5"),
    ("a hundred", "a hundred"),
    ("no-one", "no-one"),
    ("two-way radio", "two-way radio"),
    ("someone often", "someone often"),
    ("twenty first", "twenty first"),
    ("the third", "the third"),
    ("ORDER ONE TWO", "ORDER 12"),
    ("order 12 five", "order 12 5"),
    ("five's", "five's"),
]

DIGITS_OTHERWISE = [
    (DigitRules(one="digits"), "gate one", "gate 1"),
    (DigitRules(repeats="leave"), "double five", "double 5"),
    (DigitRules(cardinals="leave"), "twenty five", "twenty 5"),
    (DigitRules(decimals="leave"), "three point one", "3 point 1"),
    (DigitRules(ordinals="digits"), "the third", "the 3rd"),
    (DigitRules(ordinals="digits"), "first, second, fourth", "1st, 2nd, 4th"),
    (DigitRules(ordinals="digits"), "twenty first", "21st"),
    (DigitRules(ordinals="digits"), "the twelfth", "the 12th"),
    (DigitRules(ordinals="digits"), "the thirtieth", "the 30th"),
]


def test_the_tables_hold_what_was_promised() -> None:
    assert len(TO_WORDS) + len(BY_RULE) + len(OTHERWISE) + len(TO_DIGITS) + len(DIGITS_OTHERWISE) >= 200


@pytest.mark.parametrize(("written", "said"), TO_WORDS)
def test_digits_become_words_by_the_default_rules(written: str, said: str) -> None:
    assert rewrite(written, WordRules())[0] == said


@pytest.mark.parametrize(("written", "said"), BY_RULE)
def test_money_times_years_dates_and_units_are_read_where_a_rule_asks(written: str, said: str) -> None:
    assert rewrite(written, SPELL_ALL)[0] == said


@pytest.mark.parametrize(("rules", "written", "said"), OTHERWISE)
def test_each_rule_changes_what_it_says(rules: WordRules, written: str, said: str) -> None:
    assert rewrite(written, rules)[0] == said


@pytest.mark.parametrize(("said", "written"), TO_DIGITS)
def test_words_become_digits(said: str, written: str) -> None:
    assert rewrite(said, DigitRules())[0] == written


@pytest.mark.parametrize(("rules", "said", "written"), DIGITS_OTHERWISE)
def test_each_rule_of_the_way_back_changes_what_it_says(rules: DigitRules, said: str, written: str) -> None:
    assert rewrite(said, rules)[0] == written


# The domain of the way there and back: digit strings of any length, said digit by digit, each after at least one
# word that is neither a number word nor one that gives numbers another reading (units, am and pm, what stands before
# years), and not a lone “one”, which stays a word both ways.
SPECIAL = {*BEFORE_YEARS, *(unit.lower() for unit in UNITS), "am", "pm", "thousand", "million", "billion"}
carriers = st.from_regex(r"[a-z]{2,8}(?:-[a-z]{2,8})?", fullmatch=True).filter(
    lambda word: (
        number_words(f"{word} two one") == ["two", "one"]
        and not SPECIAL & set(word.split("-"))
        and not {"oh", "double", "triple", "treble", "point", "and", "first", "second", "third"} & set(word.split("-"))
        and to_digits(f"five {word}", DigitRules(ordinals="digits"))[0] == f"5 {word}"
    )
)
digit_strings = st.text("0123456789", min_size=1, max_size=24)


@given(st.lists(st.tuples(carriers, digit_strings), min_size=1, max_size=4), st.sampled_from(["", ".", "?", " please"]))
def test_words_to_digits_to_words_is_where_it_began(parts: list[tuple[str, str]], end: str) -> None:
    said = " ".join(f"{word} {' '.join(DIGIT_NAMES[int(digit)] for digit in digits)}" for word, digits in parts) + end
    written = to_digits(said, DigitRules())[0]
    assert to_words(written, WordRules())[0] == said
    expected = " ".join(f"{word} {'one' if digits == '1' else digits}" for word, digits in parts) + end
    assert written == expected


@given(st.text(max_size=40))
def test_no_text_breaks_it_and_twice_is_once(text: str) -> None:
    for rules in (WordRules(), SPELL_ALL, DigitRules(), DigitRules(ordinals="digits", one="digits")):
        once = rewrite(text, rules)[0]
        assert rewrite(once, rules)[0] == once


@given(st.text("0123456789 .,:-/$%()abAB'–’s", max_size=24))
def test_a_label_of_numbers_is_read_once_and_for_all(text: str) -> None:
    once = rewrite(text, SPELL_ALL)[0]
    assert rewrite(once, SPELL_ALL)[0] == once


def test_two_digit_strings_never_run_into_their_neighbours() -> None:
    for text in ("a5b", "5%3", "x(5)y", "5$3", "5é5"):
        said = to_words(text, SPELL_ALL)[0]
        assert not any(char.isdigit() for char in said)
        assert all(word.strip("()%$.,") in {*DIGIT_NAMES, "a", "b", "x", "y", "é", "percent", "dollars"}
                   or "(" in word for word in said.split())  # fmt: skip


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("order – now", "order now"),
        ("order—now", "order now"),
        ("wait…", "wait."),
        ("well... okay", "well okay"),
        ("“order five”", "order five"),
        ("it’s", "it's"),
        ("hello , please", "hello, please"),
        ("a,b", "a, b"),
        ("1,234", "1,234"),
        ("[noise] hi", "hi"),
        ("<unk> yes", "yes"),
        ("a < b > c", "a < b > c"),
        ("- order", "order"),
        ("yes -", "yes"),
        ("order  five", "order five"),
        ("x\u200by", "xy"),
        ("AT&amp;T", "AT&T"),
        ("follow-up", "follow-up"),
        ("yes!!", "yes!"),
        ("what?!", "what?!"),
        ("５５", "55"),
        ("Mr. Smith .", "Mr. Smith."),
        ("don't", "don't"),
        ("3.14", "3.14"),
        ("10:45", "10:45"),
    ],
)
def test_artefacts_are_cleaned_and_nothing_else(text: str, cleaned: str) -> None:
    after, used = clean(text)
    assert after == cleaned
    assert bool(used) == (text != cleaned)
    assert set(used) <= FIXES.keys()


@given(st.text(max_size=40))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = clean(text)[0]
    assert clean(once)[0] == once


def clip(text: str, number: int = 0) -> Utterance:
    return Utterance(id=f"c{number}", audio_filepath=f"clips/{number}.wav", text=text, duration=1.0, split="train")


def test_a_proposal_names_the_label_before_and_after_and_the_rule() -> None:
    (found,) = numbers([clip("call 555-0199 on the 3rd"), clip("nothing to do", 1)], WordRules())
    assert found.id == "c0"
    assert found.before == "call 555-0199 on the 3rd"
    assert found.after == "call five five five zero one nine nine on the third"
    assert found.rule == "phone, ordinal"


def test_the_validator_lists_what_is_not_in_the_convention_and_the_parts() -> None:
    clips = [clip("order one two"), clip("order 12, gate A-3", 1), clip("٣", 2), clip("one moment", 3), clip("ten", 4)]
    assert [(item.id, item.found) for item in offenders(clips, "words")] == [("c1", ["12,", "A-3"]), ("c2", ["٣"])]
    assert [(item.id, item.found) for item in offenders(clips, "digits")] == [("c0", ["one", "two"]), ("c4", ["ten"])]


@given(st.lists(st.tuples(carriers, digit_strings), min_size=1, max_size=4))
def test_what_was_rewritten_passes_the_validator(parts: list[tuple[str, str]]) -> None:
    text = " ".join(f"{word} {digits}" for word, digits in parts)
    assert not still_holds(rewrite(text, WordRules())[0], "words")
    said = rewrite(text, WordRules())[0]
    assert not still_holds(rewrite(said, DigitRules(one="digits"))[0], "digits")

"""Labels that are not written like the others are found, and mended in the way of most."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import pytest

from studio.data.labels.style import StyleFinding, case_of, findings, knows
from studio.data.utterance import Utterance
from studio.errors import ModelError
from studio.models import locate
from studio.starter import domain

PLAIN = ["please hold", "call me back", "yes", "no problem", "go back", "next page", "last page", "see you"]


def clips(*texts: str) -> list[Utterance]:
    fields = {"audio_filepath": "clips/x.wav", "duration": 1.0, "split": "train"}
    return [Utterance.model_validate({"id": f"c{n}", "text": text, **fields}) for n, text in enumerate(texts)]


def found(texts: Sequence[str], kind: str) -> StyleFinding | None:
    return next((item for item in findings(clips(*texts)) if item.kind == kind), None)


def mended(finding: StyleFinding | None) -> list[tuple[str, str]]:
    assert finding is not None
    return [(item.before, item.after) for item in finding.proposals]


def test_capitals_among_small_letters_are_found_and_made_small() -> None:
    finding = found([*PLAIN, "SEND THE INVOICE", "Open the door"], "shouting")
    assert mended(finding) == [("SEND THE INVOICE", "send the invoice")]
    assert finding is not None
    assert "8 of 10 labels are written in lower case" in finding.what
    assert mended(found([*PLAIN, "Open the door"], "case")) == [("Open the door", "open the door")]


def test_capitals_are_kept_where_all_are_written_so() -> None:
    loud = [text.upper() for text in PLAIN]
    assert findings(clips(*loud)) == []
    assert mended(found([*loud, "go away"], "case")) == [("go away", "GO AWAY")]


def test_a_sentence_begins_with_a_capital_where_most_do() -> None:
    sentences = [text.capitalize() + "." for text in PLAIN]
    assert mended(found([*sentences, "“call Anna.”", "USA calling."], "case")) == [("“call Anna.”", "“Call Anna.”")]
    assert mended(found([*sentences, "CALL ANNA NOW."], "shouting")) == [("CALL ANNA NOW.", "Call anna now.")]


@pytest.mark.parametrize(
    ("text", "case"),
    [
        ("A B C", "none"),
        ("OK", "none"),
        ("call Anna", "mixed"),
        ("Call Anna", "sentence"),
        ("NASA", "upper"),
        ("GO UP", "upper"),
        ("129", "none"),
        ("été", "lower"),
    ],
)
def test_spelled_letters_and_short_names_are_no_shouting(text: str, case: str) -> None:
    assert case_of(text) == case


def test_a_missing_mark_is_only_missing_where_most_others_have_one() -> None:
    ended = [f"{text}." for text in PLAIN]
    assert mended(found([*ended, "where is it", "go on,"], "ending")) == [
        ("where is it", "where is it?"),
        ("go on,", "go on."),
    ]
    assert mended(found([*PLAIN, "go on."], "ending")) == [("go on.", "go on")]
    assert found([*ended[:4], *PLAIN[:4]], "ending") is None  # nobody knows what is wanted
    assert found(["go on.", "yes"], "ending") is None  # too few to tell


def test_numbers_in_two_ways_are_written_in_the_way_of_most() -> None:
    words = ["gate five", "order one two", "code nine"]
    assert mended(found([*words, "gate 7"], "numbers")) == [("gate 7", "gate seven")]
    digits = ["gate 5", "order 12", "code 9"]
    assert mended(found([*digits, "gate seven"], "numbers")) == [("gate seven", "gate 7")]
    assert found([*words, "yes"], "numbers") is None


def test_what_no_rule_can_mend_is_counted_and_shown_all_the_same() -> None:
    finding = found(["gate five", "order one two", "code nine", "at 10:45"], "numbers")
    assert finding is not None
    assert (finding.count, finding.proposals, finding.examples) == (1, [], ["at 10:45"])


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("quotes", "it’s late", "it's late"),
        ("dashes", "yes – no", "yes no"),
        ("spaces", "two  spaces", "two spaces"),
        ("marks", "yes , no", "yes, no"),
        ("tags", "[noise] yes", "yes"),
        ("entities", "you &amp; me", "you & me"),
        ("unseen", "zero\u200bwidth", "zerowidth"),
    ],
)
def test_each_artefact_is_a_finding_of_its_own(kind: str, before: str, after: str) -> None:
    assert mended(found([*PLAIN, before], kind)) == [(before, after)]


def test_characters_that_the_tokenizer_does_not_know_are_replaced_by_what_it_knows() -> None:
    known = knows(locate("starter"))
    assert known("a")
    assert known("7")
    assert not known("é")
    assert not known("A")
    (finding,) = (
        item for item in findings(clips("café", "Yes", "10 €", "it’s fine"), known) if item.kind == "tokenizer"
    )
    assert mended(finding) == [("café", "cafe"), ("Yes", "yes"), ("it’s fine", "it's fine")]
    assert finding.count == 4  # nobody knows what to write for €
    assert "10 €" in finding.examples or finding.count > len(finding.examples)


def test_a_model_without_a_tokenizer_is_refused_in_words(tmp_path: object) -> None:
    with pytest.raises(ModelError, match=r"no tokenizer\.json"):
        knows(locate("echo"))


@pytest.mark.thorough
def test_ten_thousand_labels_take_about_a_second() -> None:
    rng = random.Random(0)
    texts = [domain.utterance(rng).text for _ in range(10_000)]
    for place in range(0, 10_000, 50):
        texts[place] = f"“{texts[place].upper()}” – yes…"
    many = clips(*texts)
    known = knows(locate("starter"))
    began = time.process_time()
    assert findings(many, known)
    assert time.process_time() - began < 10  # 0.6 s on a quiet core, 3 on a crowded one; all pairs would take minutes

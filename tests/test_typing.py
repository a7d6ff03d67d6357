"""Typed text as strings: typos are seeded and of known kinds, explained again, and counted as edits of words."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import ConfigError
from studio.typing import edits as word_edits
from studio.typing.explain import aligned, explained
from studio.typing.keyboards import KEYBOARDS, keyboard_named
from studio.typing.kinds import KINDS, MEANINGS, Typo, TypoKind, applied
from studio.typing.pieces import LONGEST, pieces
from studio.typing.profile import USUAL_RATES, Profile
from studio.typing.safe import kept, spans
from studio.typing.scores import Mended, score
from studio.typing.typos import IDENTITY, LEAST_IDENTITY, pairs, typed

QWERTY = KEYBOARDS["qwerty"]
TEXTS = [
    "I don't know whether they're coming, but I'll ask Anna tomorrow.",
    "Could you please send me the report before Friday?",
    "It's quite necessary to receive their address by Monday.",
    "The weather is getting better, isn't it?",
]
a_text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=60)
near_text = st.text("ab c'.", max_size=14)


def only(kind: TypoKind, rate: float = 4.0) -> Profile:
    return Profile(rates={kind: rate})


# Keyboards


@pytest.mark.parametrize("name", list(KEYBOARDS))
def test_neighbours_are_mutual_and_never_the_key_itself(name: str) -> None:
    keyboard = KEYBOARDS[name]
    for key in keyboard.places():
        around = keyboard.neighbours(key)
        assert around
        assert key not in around
        assert all(key in keyboard.neighbours(other) for other in around)


def test_layouts_differ_where_they_should() -> None:
    assert "t" in KEYBOARDS["qwertz"].neighbours("z")
    assert "x" in QWERTY.neighbours("z")
    assert "q" in KEYBOARDS["azerty"].neighbours("w")
    assert "q" in QWERTY.neighbours("w")
    assert "e" not in KEYBOARDS["azerty"].neighbours("w")
    assert QWERTY.neighbours("G") == QWERTY.neighbours("g").upper()
    assert QWERTY.neighbours("€") == ""


def test_an_unknown_keyboard_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="qwertz"):
        keyboard_named("dvorak")


# Typos


@given(a_text, st.integers(0, 2**32), st.sampled_from(sorted(KEYBOARDS)))
def test_any_text_can_be_mistyped_and_its_typos_say_how(text: str, seed: int, keyboard: str) -> None:
    made = typed(text, Profile.usual(), KEYBOARDS[keyboard], random.Random(seed))
    assert made == typed(text, Profile.usual(), KEYBOARDS[keyboard], random.Random(seed))
    assert applied(text, made.typos) == made.typed
    assert all(typo.was != typo.became for typo in made.typos)


@pytest.mark.parametrize("kind", KINDS)
def test_a_profile_of_one_kind_makes_that_kind_alone(kind: TypoKind) -> None:
    made = list(pairs(TEXTS * 20, only(kind), QWERTY, seed=1, identity=0.0))
    assert {typo.kind for pair in made for typo in pair.typos} == {kind}
    assert sum(bool(pair.typos) for pair in made) > len(made) / 2
    assert MEANINGS[kind]


def test_a_third_of_the_pairs_and_more_are_clean() -> None:
    assert IDENTITY >= LEAST_IDENTITY
    made = list(pairs([f"{text} {place}" for place in range(250) for text in TEXTS], Profile.usual(), QWERTY, 3))
    assert sum(pair.typed == pair.wanted for pair in made) / len(made) >= LEAST_IDENTITY


def test_another_seed_makes_other_typos_and_the_same_seed_the_same() -> None:
    def made(seed: int) -> list[str]:
        return [pair.typed for pair in pairs(TEXTS * 5, Profile.usual(), QWERTY, seed)]

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_no_two_typos_fall_into_one_word() -> None:
    for pair in pairs(TEXTS * 50, Profile(rates=dict.fromkeys(KINDS, 3.0)), QWERTY, 5, identity=0.0):
        for one, other in pairwise(pair.typos):
            assert " " in pair.wanted[one.end : other.at]


def test_typos_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        applied("the", [Typo("dropped", 1, "x", "")])


# Explaining


@given(near_text, near_text)
def test_an_explanation_gives_the_typed_text_back(typed_text: str, wanted: str) -> None:
    assert applied(wanted, explained(typed_text, wanted)) == typed_text


@given(near_text, near_text)
def test_an_alignment_loses_nothing_and_is_no_longer_than_levenshteins(one: str, other: str) -> None:
    steps = aligned(one, other)
    assert ("".join(step[1] for step in steps), "".join(step[0] for step in steps)) == (one, other)
    assert sum(was != became for was, became in steps) <= word_edits.distance(one, other)


def test_a_text_that_is_very_long_is_explained_as_one_change() -> None:
    (typo,) = explained("x" * 5_000, "y" * 5_000)
    assert (typo.at, len(typo.was)) == (0, 5_000)


@pytest.mark.parametrize(
    ("typed_text", "wanted", "kind"),
    [
        ("tge cat", "the cat", "neighbour"),
        ("thye cat", "the cat", "neighbour"),
        ("thhe cat", "the cat", "doubled"),
        ("te cat", "the cat", "dropped"),
        ("teh cat", "the cat", "swapped"),
        ("thecat", "the cat", "joined"),
        ("the ca t", "the cat", "split"),
        ("the  cat", "the cat", "spaced"),
        ("the Cat", "the cat", "case"),
        ("the cat", "the cat.", "punctuation"),
        ("dont", "don't", "punctuation"),
        ("definately", "definitely", "phonetic"),
    ],
)
def test_a_typo_is_named_by_its_kind(typed_text: str, wanted: str, kind: TypoKind) -> None:
    assert [typo.kind for typo in explained(typed_text, wanted)] == [kind]


# Profiles


def test_a_profile_finds_the_habits_of_whoever_typed() -> None:
    habits = Profile(
        rates={"swapped": 2.0, "punctuation": 1.5},
        habits={"swapped": {"ie→ei": 50, "th→ht": 50}, "punctuation": {"'→": 60}},
    )
    made = list(pairs([*TEXTS, "Their friend believes in the theory, doesn't he?"] * 60, habits, QWERTY, 2))
    found = Profile.fitted((pair.typed, pair.wanted) for pair in made)
    assert {"th→ht", "'→"} <= {change for _, change, _ in found.most_common(3)}
    assert "ie→ei" in found.habits["swapped"]
    assert found.rates["swapped"] > 2 * USUAL_RATES["swapped"]
    assert found.rates["doubled"] < USUAL_RATES["doubled"]
    again = Counter(
        typo.change for pair in pairs(TEXTS * 50, found, QWERTY, 9) for typo in pair.typos if typo.kind == "swapped"
    )
    assert again["th→ht"] + again["ie→ei"] > again.total() / 2


def test_a_few_pairs_leave_a_profile_near_the_usual_one() -> None:
    found = Profile.fitted([("teh cat", "the cat")])
    assert all(found.rates[kind] == pytest.approx(rate, abs=0.12) for kind, rate in USUAL_RATES.items())


def test_a_profile_is_kept_as_json_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_text(Profile.usual().model_dump_json())
    assert Profile.read(path) == Profile.usual()
    path.write_text('{"rates": {"smudged": 1}}')
    with pytest.raises(ConfigError, match="not a typing profile"):
        Profile.read(path)


# Edits


@given(a_text)
def test_words_join_up_to_their_text(text: str) -> None:
    assert "".join(word_edits.words(text)) == text


@given(near_text, near_text)
def test_the_edits_of_a_text_make_the_other(source: str, target: str) -> None:
    found = word_edits.edits(source, target)
    assert word_edits.applied(source, found) == target
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert not word_edits.edits(source, source)


@pytest.mark.parametrize(
    ("source", "target", "changes"),
    [
        ("I has a cta", "I have a cat", [(" has", " have"), (" cta", " cat")]),
        ("thecat sat", "the cat sat", [("thecat", "the cat")]),
        ("the c at sat", "the cat sat", [(" c at", " cat")]),
        ("alot of them", "a lot of them", [("alot", "a lot")]),
        ("we go home", "We go home", [("we", "We")]),
        ("home ,he said", "home, he said", [(" ,he", ", he")]),
        ("teh hosue is big", "the house is big", [("teh", "the"), (" hosue", " house")]),
    ],
)
def test_each_wrong_word_is_one_edit(source: str, target: str, changes: list[tuple[str, str]]) -> None:
    found = [(edit.source, edit.correction) for edit in word_edits.edits(source, target)]
    if len(changes) == 1:
        assert ("".join(one for one, _ in found), "".join(two for _, two in found)) == changes[0]
    else:
        assert found == changes


# Scores


def test_doing_nothing_scores_nothing_and_touches_nothing() -> None:
    found = score([Mended("teh cat", "the cat", "teh cat"), Mended("fine", "fine", "fine")])
    assert (found.exact, found.recall, found.f05, found.removed, found.over_correction) == (0.5, 0.0, 0.0, 0.0, 0.0)
    assert found.cer_left == found.cer_before == pytest.approx(2 / 11)


def test_a_perfect_correction_has_every_figure_at_its_best() -> None:
    found = score([Mended("teh cat", "the cat", "the cat"), Mended("fine", "fine", "fine")])
    assert (found.exact, found.precision, found.recall, found.f05) == (1.0, 1.0, 1.0, 1.0)
    assert (found.removed, found.cer_left, found.paraphrases) == (1.0, 0.0, 0)
    assert found.by_kind["swapped"].share == 1.0


def test_a_wrong_correction_costs_more_than_a_missing_one() -> None:
    missing = score([Mended("teh cat adn dog", "the cat and dog", "the cat adn dog")])
    wrong = score([Mended("teh cat adn dog", "the cat and dog", "the cat add dog")])
    assert missing.f05 > wrong.f05  # type: ignore[operator]
    assert missing.recall == wrong.recall


def test_a_changed_clean_text_is_over_corrected_and_another_word_is_a_paraphrase() -> None:
    found = score([Mended("the cat sat", "the cat sat", "the dog sat"), Mended("a cat", "a cat", "a cart")])
    assert (found.over_correction, found.paraphrases) == (1.0, 1)


def test_what_nothing_measures_is_none() -> None:
    found = score([])
    assert (found.exact, found.f05, found.over_correction, found.removed) == (None, None, None, None)


def test_recall_by_kind_counts_the_typos_that_are_known() -> None:
    text, typos = "the cat, the dog", (Typo("swapped", 1, "he", "eh"), Typo("punctuation", 7, ",", ""))
    row = Mended(applied(text, typos), text, "the cat the dog", typos)
    found = score([row]).by_kind
    assert (found["swapped"].share, found["punctuation"].share) == (1.0, 0.0)


# What must not change


@pytest.mark.parametrize(
    "part",
    [
        "https://example.com/A?b=1",
        "anna.b@example.net",
        "1,200.50",
        "3pm",
        "report_v2.pdf",
        "getName",
        "`rm -rf`",
        "#now",
    ],
)
def test_numbers_addresses_and_code_come_through(part: str) -> None:
    text = f"please look at {part} agian"
    assert kept(text, text.replace(part, "something").replace("agian", "again")).text == f"please look at {part} again"


def test_names_and_listed_words_come_through_and_weekdays_do_not() -> None:
    assert kept("ask Quentn tomorow", "ask Quentin tomorrow").text == "ask Quentn tomorrow"
    assert kept("use the flurb now", "use the flour now", ["Flurb"]).text == "use the flurb now"
    assert kept("come on Mnoday then", "come on Monday then").text == "come on Monday then"


@pytest.mark.parametrize(
    ("typed_text", "written", "text"),
    [
        ("send teh file to me", "send the document to me", "send the file to me"),
        ("I saw it agian", "I saw it again yesterday", "I saw it again"),
        ("go to thebig house", "go to the big house", "go to the big house"),
        ("we ar here", "we are here", "we are here"),
        ("it is at home", "it was at home", "it is at home"),
        ("red, and blue", "red and blue", "red, and blue"),
        ("a web page", "a web --- page", "a web page"),
    ],
)
def test_a_change_beyond_a_typos_reach_is_taken_back_unless_the_model_is_free(
    typed_text: str, written: str, text: str
) -> None:
    assert kept(typed_text, written, free=False).text == text
    assert kept(typed_text, written).text == written


def test_a_mark_that_was_typed_twice_or_left_out_is_corrected() -> None:
    assert kept("It ended..", "It ended.", free=False).text == "It ended."
    assert kept("It ended", "It ended.", free=False).text == "It ended."
    assert kept("red,, blue", "red, blue", free=False).text == "red, blue"


def test_a_number_that_was_not_typed_is_taken_back() -> None:
    assert kept("call me at nine", "call me at 9").text == "call me at nine"


@given(a_text, a_text)
def test_keeping_never_fails_and_leaves_safe_parts_alone(typed_text: str, written: str) -> None:
    found = kept(typed_text, written)
    for start, end in spans(typed_text):
        assert typed_text[start:end] in found.text


# Pieces


@given(st.text(" ab.,é", max_size=400), st.integers(5, 40))
def test_pieces_join_up_to_their_line(line: str, longest: int) -> None:
    found = list(pieces(line, longest))
    assert "".join(part + gap for part, gap in found) == line


def test_a_long_sentence_is_cut_at_commas_and_spaces() -> None:
    line = "Well, " + "this goes on and on, " * 20 + "and ends. Here is another."
    found = [part for part, _ in pieces(line)]
    assert found[-1] == "Here is another."
    assert all(len(part) <= LONGEST for part in found)
    assert len(found) <= len(line) / 80

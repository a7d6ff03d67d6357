"""Better, worse or neither, and what changed: one judgement from the clips that both models read."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from finished import clips_of

from studio.evaluation.evaluate import Evaluation, scored
from studio.evaluation.verdict import Judgement, change, judge, outcome, unit_of
from studio.models import Hypothesis

SAID = [f"order one two {word}" for word in ("three", "four", "five", "six") * 8]


def read(texts: Sequence[str], normaliser: str = "exact", said: Sequence[str] = SAID) -> Evaluation:
    heard = [Hypothesis(text=text, seconds=1.0, latency=0.1) for text in texts]
    return scored(clips_of(said), heard, model="echo", adapter=None, normaliser=normaliser)


def judged(said: Sequence[str], before: Sequence[str], after: Sequence[str], normaliser: str = "exact") -> Judgement:
    return judge(read(before, normaliser, said), read(after, normaliser, said))


# The three cases that were judged against their own evidence


def test_fourteen_clips_that_all_got_better_are_better_for_sure_and_of_use() -> None:
    said = [
        f"please ask for number {word} today"
        for word in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"]
    ]
    found = judged(said, ["Beat a skull"] * 14, [*said[:13], "please ask"])
    assert (found.headline, found.state) == ("Better: sure", "good")
    assert found.change is not None
    assert -1 <= found.change.low < found.change.high <= 0
    assert found.sentence.startswith("Better: sure. By how much: between ")
    assert " fewer wrong words in 100 (measured: " in found.sentence


def test_a_model_that_gets_no_sentence_right_is_better_but_of_no_use() -> None:
    said = ["one two three four five six seven eight nine"] * 30
    found = judged(said, ["x"] * 30, ["one two three four"] * 30)
    assert found.headline == "Better: sure, but it still gets most sentences wrong"
    assert (found.state, found.is_useful) == ("look", False)


@pytest.mark.parametrize("clips", [1, 3, 9])
def test_a_handful_of_clips_is_too_few_to_say(clips: int) -> None:
    found = judged(SAID[:clips], ["x"] * clips, SAID[:clips])
    assert (found.headline, found.state) == ("Too few clips to say", "look")
    held = f"only {clips} clip{'s were' if clips > 1 else ' was'} held out"
    assert f"It takes 10, and {held}: one odd clip would decide." in found.sentence
    assert found.changed == ""


# Direction, size and use


def test_the_same_texts_show_no_difference_and_the_other_way_is_worse() -> None:
    same = judged(SAID, SAID, SAID)
    assert same.headline == "No difference shown"
    assert " fewer and " in same.how_much
    assert same.how_sure == ""
    worse = judged(SAID, SAID, ["order 12"] * len(SAID))
    assert (worse.headline, worse.state) == ("Worse: sure", "bad")
    assert worse.how_much.endswith(" more wrong words in 100 (measured: 75.0 more).")


def test_a_small_gain_in_most_clips_is_better_for_sure_although_it_is_small() -> None:
    said = ["a b c d e f g h i j k l m n o p q r s t"] * 40
    before, after = [text.replace("a b", "x y") for text in said], [text.replace("a b", "a y") for text in said]
    found = judged(said, before, [*after[:30], *before[30:]])
    assert (found.headline, found.state) == ("Better: sure", "good")
    assert found.change is not None
    assert found.change.change == pytest.approx(-0.0375)


def test_one_clip_that_ran_away_does_not_make_a_model_better_or_worse_for_sure() -> None:
    runaway = [*SAID[:-1], "order " * 200]
    assert judged(SAID, runaway, SAID).headline == "No difference shown"
    assert judged(SAID, SAID, runaway).headline == "No difference shown"


@pytest.mark.parametrize(("before", "after", "is_what"), [(3, 1, "better"), (1, 3, "worse"), (2, 2, "same")])
def test_one_definition_says_what_became_of_a_clip(before: int, after: int, is_what: str) -> None:
    assert outcome(before, after) == is_what


def test_the_chance_that_it_was_luck_is_given_as_far_as_it_says_anything() -> None:
    assert "in less than 0.1 % of tests" in judged(SAID, ["x"] * len(SAID), SAID).how_sure
    twelve = SAID[:12]
    assert "by luck in 3.1 % of tests" in judged(twelve, ["order one two"] * 6 + twelve[6:], twelve).how_sure


# What cannot be judged


def test_what_was_compared_otherwise_or_on_other_clips_is_not_compared() -> None:
    assert change(read(SAID), read(SAID, "spoken")) is None
    found = judge(read(SAID).model_copy(update={"test_set_hash": "other"}), read(SAID))
    assert (found.headline, found.state) == ("Before and after cannot be compared", "look")
    assert "Score both again." in found.sentence


def test_labels_of_which_the_normaliser_leaves_no_word_are_reported_as_that() -> None:
    found = judged(["um"] * 12, ["uh"] * 12, ["um"] * 12, "whisper")
    assert found.headline == "Nothing to count errors in"
    assert "“whisper” leaves no word of the held-out labels" in found.sentence


# What changed


def test_a_model_that_only_writes_numbers_differently_hears_no_better() -> None:
    said = [f"order seven three two {word} now" for word in ("one", "two", "three") * 10]
    wrong = [text.replace("now", "cow") for text in said[:2]]
    before = [text.replace("seven three two ", "732") for text in [*wrong, *said[2:]]]
    found = judged(
        said, [text.replace("732one", "7321").replace("732two", "7322") for text in before], [*wrong, *said[2:]]
    )
    assert found.headline == "Better: sure, in how numbers are written"
    assert "What changed: how numbers are written (" in found.changed
    assert "The words it recognises: no difference shown (1.1 % → 1.1 %)." in found.changed


def test_a_model_that_hears_better_is_simply_better() -> None:
    found = judged(SAID, [text.replace("order", "border") for text in SAID], SAID)
    assert found.headline == "Better: sure"
    assert found.changed == "The words it recognises: fewer are wrong (25.0 % → 0.0 %)."


def test_case_and_punctuation_are_told_from_words_unless_they_do_not_count() -> None:
    said = [f"Call the office, {name}." for name in ("Anna", "Theo", "Mia") * 6]
    before = [text.lower().replace(",", "").replace(".", "") for text in said]
    assert judged(said, before, said).headline == "Better: sure, in case and punctuation"
    assert judged(said, before, said, "plain").headline == "No difference shown"


def test_a_model_that_writes_better_and_hears_worse_is_no_good_news() -> None:
    said = ["order seven three two nine nine one now please"] * 30
    found = judged(said, ["order 732991 now please"] * 30, [said[0].replace("order", "border")] * 30)
    assert found.headline == "Better: sure, in how numbers are written, but it recognises fewer words"
    assert found.state == "look"


# Languages without spaces


def test_a_language_without_spaces_is_judged_by_its_characters() -> None:
    said = ["今日は天気がいいですね"] * 20
    before, after = ["今日は電気がいいですか"] * 20, ["今日は天気がいいですか"] * 20
    found = judged(said, before, after)
    assert unit_of(read(after, said=said)) == "character"
    assert found.change is not None
    assert (found.change.unit, found.change.words) == ("character", 220)
    assert (found.change.before, found.change.after) == (pytest.approx(2 / 11), pytest.approx(1 / 11))
    assert (found.headline, found.state) == ("Better: sure", "good")
    assert "fewer wrong characters in 100" in found.sentence
    assert unit_of(read(["x"] * 20, said=["여기 한국어 문장이 있다"] * 20)) == "word"

"""Key terms: which tokens they make likelier, by how much, and that nothing else changes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import tiny_models
from hypothesis import given
from hypothesis import strategies as st

from studio.data.manifest import Dataset
from studio.errors import ConfigError
from studio.evaluation.hypotheses import read_clip
from studio.inference.compare import transcribe_each
from studio.models import Clip, Recogniser, load
from studio.models.base import AdapterHypothesis
from studio.models.echo import speak
from studio.models.key_terms import HIGHEST_BOOST, MOST_TERMS, KeyTerms, Node, cases, key_terms, wanted
from studio.starter import GENERAL_FOLDER

TOKENS = st.integers(0, 3)  # few, so that terms begin alike and overlap
TERMS = st.lists(st.lists(TOKENS, min_size=1, max_size=5), min_size=1, max_size=5)


def trie(terms: list[list[int]], boost: float) -> KeyTerms:
    root = Node()
    for tokens in terms:
        root.add(tokens)
    return KeyTerms(root, boost)


@given(TERMS, st.lists(TOKENS, max_size=12), st.floats(0, HIGHEST_BOOST))
def test_a_token_gets_the_bonus_of_the_longest_part_of_a_term_that_it_continues(
    terms: list[list[int]], written: list[int], boost: float
) -> None:
    match = trie(terms, boost).begin()
    for token in written:
        match.take(token)
    expected: dict[int, float] = {}
    for tokens in terms:
        for place, token in enumerate(tokens):
            if written[len(written) - place :] == tokens[:place] and place <= len(written):
                expected[token] = max(expected.get(token, 0), boost * (1 + math.log(place + 1)))
    assert match.bonuses() == pytest.approx(expected)


@given(TERMS, st.lists(TOKENS, max_size=12))
def test_rows_are_matched_apart_and_the_trie_is_never_changed(terms: list[list[int]], written: list[int]) -> None:
    shared = trie(terms, 2.0)
    first, second = shared.begin(), shared.begin()
    for token in written:
        first.take(token)
    assert second.bonuses() == shared.begin().bonuses() == dict.fromkeys((tokens[0] for tokens in terms), 2.0)


@given(TERMS)
def test_a_token_that_no_term_has_leads_back_to_the_root(terms: list[list[int]]) -> None:
    match = trie(terms, 1.0).begin()
    match.take(terms[0][0])
    match.take(99)
    assert match.bonuses() == trie(terms, 1.0).begin().bonuses()


def test_terms_are_tidied_and_each_counts_once() -> None:
    assert wanted(["  Foster  road ", "", "Foster road", "\t", "anna"]) == ["Foster road", "anna"]
    assert cases("iPhone") == ["iPhone", "iphone", "IPhone"]


@pytest.mark.parametrize("boost", [-0.1, 4.01, math.nan, math.inf])
def test_a_boost_out_of_bounds_is_refused_in_words(boost: float) -> None:
    with pytest.raises(ConfigError, match="is not between 0 and 4"):
        wanted(["anna"], boost)


def test_too_many_terms_are_refused_in_words() -> None:
    with pytest.raises(ConfigError, match=f"{MOST_TERMS} is the limit"):
        wanted(str(number) for number in range(MOST_TERMS + 1))


def test_byte_level_tokens_differ_at_the_start_and_after_a_space_and_both_are_kept(tmp_path: Path) -> None:
    whisper = load(tiny_models.whisper(tmp_path / "model"), "cpu")
    found = key_terms(whisper.family, whisper.processor, ["order"])
    assert found is not None
    ids = whisper.processor.tokenizer
    for text in ("order", " order", "Order", " Order"):
        match = found.begin()
        for token in ids(text, add_special_tokens=False).input_ids:
            assert token in match.bonuses()
            match.take(token)
    (reading,) = transcribe_each(whisper, Clip(tiny_models.noise(1.0)), terms=found)
    assert reading.biased is not None


def test_no_terms_are_no_trie() -> None:
    echo = load("echo", "cpu")
    assert key_terms(echo.family, echo.processor, [" "]) is None
    assert transcribe_each(echo, Clip(speak("call 5")))[0].biased is None


def test_the_fake_family_takes_key_terms_too() -> None:
    echo = load("echo", "cpu")
    (reading,) = transcribe_each(
        echo, Clip(speak("call 5")), terms=key_terms(echo.family, echo.processor, ["five"], 4.0)
    )
    assert (reading.plain.text, reading.biased and reading.biased.text) == ("call 5", "call five")


@pytest.fixture(scope="module")
def starter() -> Recogniser:
    return load("starter", "cpu")


def general(saying: str, most: int = 1) -> list[Clip]:
    dataset = Dataset.open(GENERAL_FOLDER)
    found = [clip for clip in dataset.utterances() if clip.text.startswith(saying)]
    return [read_clip(dataset, clip, 16_000) for clip in found[:most]]


def biased(starter: Recogniser, clip: Clip, term: str, boost: float = 2.0) -> AdapterHypothesis:
    return transcribe_each(starter, clip, terms=key_terms(starter.family, starter.processor, [term], boost))[0]


def test_a_misheard_name_is_right_once_it_is_a_key_term(starter: Recogniser) -> None:
    (clip,) = general("this is quentin")
    reading = biased(starter, clip, "Quentin")
    assert reading.biased is not None
    assert (reading.plain.text, reading.biased.text) == ("this is boston", "this is quentin")
    before, after = dict(reading.plain.words or []), dict(reading.biased.words or [])
    assert before["this"] == after["this"]
    assert after["quentin"] < 0.5 < before["boston"]  # told as sure as the model was without the term


def test_clips_that_do_not_say_a_term_are_read_as_without_it(starter: Recogniser) -> None:
    for clip in general("order", 3) + general("call", 3):
        reading = biased(starter, clip, "quentin")
        assert reading.biased is not None
        assert reading.biased.text == reading.plain.text
        assert reading.biased.words == reading.plain.words


def test_a_boost_of_nothing_changes_nothing(starter: Recogniser) -> None:
    (clip,) = general("this is quentin")
    reading = biased(starter, clip, "quentin", boost=0)
    assert reading.biased is not None
    assert reading.biased.text == reading.plain.text

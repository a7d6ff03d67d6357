"""How sure a model was of each word it wrote."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio import models
from studio.models.base import Clip
from studio.models.echo import speak
from studio.models.words import words_of
from studio.starter import domain
from studio.starter.tokenizer import make_tokenizer

TOKENIZER = make_tokenizer()


@given(st.integers(0, 10_000), st.floats(0.01, 1))
def test_the_words_are_those_of_the_text_and_each_is_as_sure_as_its_weakest_token(seed: int, weak: float) -> None:
    text = domain.utterance(random.Random(seed)).text
    ids = TOKENIZER(text, add_special_tokens=False).input_ids
    place = seed % len(ids)
    chances = [weak if number == place else 1.0 for number in range(len(ids))]
    found = words_of(TOKENIZER, ids, [*chances, 0.5])  # the end token's chance belongs to no word
    assert [word for word, _ in found] == text.split()
    assert sorted(chance for _, chance in found)[0] == pytest.approx(weak, abs=1e-4)
    assert sum(chance < 1 for _, chance in found) == (weak < 0.99995)


@pytest.mark.parametrize("text", ["order 129 to gate 4", "zero", "hello"])
def test_the_fake_family_tells_its_words(text: str) -> None:
    recogniser = models.load("echo")
    read = recogniser.family.transcribe(recogniser.model, recogniser.processor, Clip(speak(text)))
    assert read.words is not None
    assert " ".join(word for word, _ in read.words) == read.text
    assert all(0 < chance <= 1 for _, chance in read.words)


def test_the_starter_tells_its_words_and_alone_or_together_they_are_the_same() -> None:
    from studio.data.manifest import Dataset
    from studio.evaluate import read_clip
    from studio.starter import GENERAL_FOLDER

    recogniser = models.load("starter")
    dataset = Dataset.open(GENERAL_FOLDER)
    clips = [read_clip(dataset, clip, 16_000) for clip in dataset.utterances()[:4]]
    together = recogniser.family.transcribe_batch(recogniser.model, recogniser.processor, clips)
    for clip, read in zip(clips, together, strict=True):
        alone = recogniser.family.transcribe(recogniser.model, recogniser.processor, clip)
        assert read.words is not None
        assert [word for word, _ in read.words] == read.text.split() == alone.text.split()

"""How sure a model was of each word it wrote."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from hypothesis import given
from hypothesis import strategies as st

from studio import models
from studio.models import encoder_decoder
from studio.models.base import Clip
from studio.models.echo import speak
from studio.models.words import words_of
from studio.starter import domain
from studio.starter.recipe.tokenizer import make_tokenizer

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
    from studio.evaluation.hypotheses import read_clip
    from studio.starter import GENERAL_FOLDER

    recogniser = models.load("starter")
    dataset = Dataset.open(GENERAL_FOLDER)
    clips = [read_clip(dataset, clip, 16_000) for clip in dataset.utterances()[:4]]
    together = recogniser.family.transcribe_batch(recogniser.model, recogniser.processor, clips)
    for clip, read in zip(clips, together, strict=True):
        alone = recogniser.family.transcribe(recogniser.model, recogniser.processor, clip)
        assert read.words is not None
        assert [word for word, _ in read.words] == read.text.split() == alone.text.split()


@cache
def byte_level() -> Any:
    return tiny_models._whisper_tokenizer()


@given(st.lists(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=6), max_size=5))
def test_byte_level_tokens_make_the_same_words_in_any_script(words: list[str]) -> None:
    ids = byte_level()(" ".join(("", *words)), add_special_tokens=False).input_ids
    found = words_of(byte_level(), ids, [0.5] * len(ids))
    assert [word for word, _ in found] == words


@pytest.mark.parametrize("write", [tiny_models.moonshine, tiny_models.moonshine_streaming, tiny_models.whisper])
def test_each_token_is_as_sure_as_transformers_own_forward_says(
    write: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    recogniser = models.load(write(tmp_path), "cpu")
    told: list[tuple[list[int], list[float]]] = []
    monkeypatch.setattr(encoder_decoder, "words_of", lambda _, ids, chances: told.append((ids, chances)))
    clip, family = Clip(tiny_models.noise(1.0)), recogniser.family
    read = family.transcribe(recogniser.model, recogniser.processor, clip)
    ((ids, chances),) = told
    rules = family.rules(recogniser.model)  # type: ignore[attr-defined]
    with torch.no_grad():
        given = recogniser.processor.feature_extractor(
            clip.samples, sampling_rate=16_000, return_tensors="pt", return_attention_mask=True
        )
        kinds = {"moonshine": "input_values", "whisper": "input_features", "moonshine_streaming": "input_values"}
        inputs = {kinds[family.name]: given[kinds[family.name]]}
        if family.name == "moonshine_streaming":
            inputs["attention_mask"] = given.attention_mask
        logits = recogniser.model(**inputs, decoder_input_ids=torch.tensor([[*rules.prompt, *ids]])).logits[0]
    logits = logits[len(rules.prompt) - 1 :][: len(chances)]
    logits[:, list(rules.never)] = -torch.inf
    logits[0, list(rules.never_first)] = -torch.inf
    expected = [row[token].item() for row, token in zip(logits.softmax(-1), [*ids, rules.ends[0]], strict=False)]
    assert chances == pytest.approx(expected, abs=1e-5)
    assert read.confidence == pytest.approx(sum(expected) / len(expected), abs=1e-5)

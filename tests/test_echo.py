"""The fake family learns as a real one does, in a blink."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import DataError, ModelError
from studio.models import Clip, Recogniser, load
from studio.models.adapters import attach, trainable
from studio.models.echo import SOUNDS, speak
from studio.text import digits_to_words, write_numbers
from studio.text.metrics import score

TRAIN = ("order number 1296803", "location code 40753", "call 7589", "line 3982")
TEST = ("order number 5510", "room 29", "call 84673")


def clip(text: str) -> Clip:
    return Clip(speak(text), text)


def read(recogniser: Recogniser, text: str) -> str:
    return recogniser.family.transcribe(recogniser.model, recogniser.processor, clip(text)).text


def wer(recogniser: Recogniser) -> float:
    return score([digits_to_words(text) for text in TEST], [read(recogniser, text) for text in TEST]).wer


def taught_words(steps: int = 40) -> Recogniser:
    """Echo after `steps` of LoRA on labels with words."""
    import torch

    recogniser = attach(load("echo", "cpu"), 8, 16, 0.0, "attention", seed=0)
    family, model = recogniser.family, recogniser.model
    rows = [family.prepare(model, recogniser.processor, clip(digits_to_words(text))) for text in TRAIN]
    batch = family.collate(rows)
    optimiser = torch.optim.AdamW(trainable(recogniser), lr=1e-3, weight_decay=0.0)
    model.train()
    for _ in range(steps):
        total, count = family.loss(model, batch)
        optimiser.zero_grad()
        (total / count).backward()
        optimiser.step()
    return recogniser


def test_the_base_writes_what_is_said_with_digits() -> None:
    echo = load("echo", "cpu")
    for text in (*TRAIN, *TEST, "yes, it's fine!"):
        assert read(echo, text) == text


@given(st.lists(st.text(st.sampled_from(SOUNDS[1:]), min_size=1, max_size=8), min_size=1, max_size=5))
def test_a_number_sounds_the_same_however_it_is_written(words: list[str]) -> None:
    text = " ".join(words)
    in_digits = write_numbers(digits_to_words(text), "digits")
    assert speak(in_digits).tolist() == speak(digits_to_words(in_digits)).tolist()


def test_an_adapter_teaches_it_to_write_words() -> None:
    assert wer(load("echo", "cpu")) > 0.5
    assert wer(taught_words()) == 0


def test_learning_takes_several_steps_so_that_a_curve_can_be_drawn() -> None:
    assert wer(taught_words(steps=4)) > 0.5


def test_the_same_seed_gives_the_same_weights_to_the_bit() -> None:
    first, second = (taught_words(steps=5).model.state_dict() for _ in range(2))
    assert all(tensor.equal(second[name]) for name, tensor in first.items())


def test_a_batch_is_its_clips() -> None:
    echo = load("echo", "cpu")
    rows = [echo.family.prepare(echo.model, echo.processor, clip(text)) for text in TRAIN]
    alone = sum(echo.family.loss(echo.model, echo.family.collate([row]))[0].item() for row in rows)
    total, count = echo.family.loss(echo.model, echo.family.collate(rows))
    assert total.item() == pytest.approx(alone, rel=1e-6)
    assert count == sum(len(text) for text in TRAIN)


def test_partial_texts_grow_to_the_whole() -> None:
    echo, seen = load("echo", "cpu"), list[str]()
    whole = echo.family.transcribe(echo.model, echo.processor, clip("call 7589"), seen.append)
    assert seen[-1] == whole.text
    assert all(later.startswith(earlier) for earlier, later in pairwise(seen))


def test_it_hears_a_clip_that_was_resampled_and_the_silence_around_it() -> None:
    import numpy as np

    echo = load("echo", "cpu")
    quiet = np.zeros(1600, np.float32)
    heard = Clip(np.concatenate([quiet, 0.1 * speak("line 39"), quiet]))
    assert echo.family.transcribe(echo.model, echo.processor, heard).text == "line 39"


def test_clips_beyond_its_bounds_are_refused_in_words() -> None:
    import numpy as np

    echo = load("echo", "cpu")
    for seconds, says in ((0.01, "at least"), (31.0, "at most")):
        with pytest.raises(DataError, match=says):
            echo.family.transcribe(echo.model, echo.processor, Clip(np.zeros(int(16_000 * seconds), np.float32)))


def test_a_saved_folder_loads_and_torn_weights_are_a_sentence(tmp_path: Path) -> None:
    echo = load("echo", "cpu")
    echo.family.save(echo.model, echo.processor, tmp_path)
    assert read(load(tmp_path, "cpu"), "room 29") == "room 29"
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ModelError, match="not whole"):
        load(tmp_path, "cpu")

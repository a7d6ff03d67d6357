"""A take that is not the line to be read is reported where a model is sure, and not where it cannot tell."""

from __future__ import annotations

import pytest

from studio.inference.misread import heard_another
from studio.models import Hypothesis

SENTENCE = "They were following the shore of a lake."


def heard(text: str, confidence: float | None = 0.95) -> Hypothesis:
    return Hypothesis(text=text, seconds=1, latency=1, confidence=confidence)


@pytest.mark.parametrize(
    ("label", "text", "is_another"),
    [
        ("order number one two nine", "order number 129", False),  # numbers as spoken
        ("order number one two nine", "order number 128", False),  # a model that is not tuned yet errs
        ("order number one two nine", "please call the clinic", True),
        ("order number one two nine", "", False),  # it heard nothing: the sound's own verdict says more
    ],
)
def test_another_text_is_reported_and_a_model_s_usual_errors_are_not(label: str, text: str, is_another: bool) -> None:
    assert heard_another(label, heard(text), "starter") == is_another


def test_an_unsure_model_is_silent() -> None:
    assert not heard_another("order number one two nine", heard("please call the clinic", 0.6), "starter")
    assert not heard_another("order number one two nine", heard("please call the clinic", None), "starter")


def test_the_starter_is_silent_about_words_that_it_does_not_know_and_a_general_model_is_not() -> None:
    assert not heard_another(SENTENCE, heard("order number 129"), "starter")
    assert heard_another(SENTENCE, heard("order number 129"), "UsefulSensors/moonshine-tiny")
    assert not heard_another(SENTENCE, heard("they were following the shore of a lake"), "UsefulSensors/moonshine-tiny")

"""Better, worse or neither: said in one sentence, from the clips that both models read."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from studio.bootstrap import Change
from studio.data.utterance import Utterance
from studio.evaluate import Evaluation, scored
from studio.models import Hypothesis
from studio.verdict import change, sentence

SAID = [f"order one two {word}" for word in ("three", "four", "five", "six") * 8]


def read(texts: Sequence[str], normaliser: str = "exact") -> Evaluation:
    clips = [
        Utterance(id=f"c{n}", audio_filepath=f"clips/c{n}.wav", text=said, duration=1.0, split="test")
        for n, said in enumerate(SAID)
    ]
    heard = [Hypothesis(text=text, seconds=1.0, latency=0.1) for text in texts]
    return scored(clips, heard, model="echo", adapter=None, normaliser=normaliser)


def test_a_model_that_learnt_a_convention_is_better() -> None:
    found = change(read(["order 12"] * len(SAID)), read(SAID))
    assert found
    assert (found.before, found.after, found.verdict) == (0.75, 0.0, "better")
    assert sentence(found).startswith("Better: 75.0 points fewer wrong words in 100 (95 % interval: ")
    assert sentence(found).endswith(" fewer).")


def test_the_same_texts_show_no_difference_and_the_other_way_is_worse() -> None:
    same = change(read(SAID), read(SAID))
    assert same
    assert sentence(same).startswith("No difference shown: 0.0 points fewer")
    assert " fewer to " in sentence(same)
    worse = change(read(SAID), read(["order 12"] * len(SAID)))
    assert worse
    assert sentence(worse).startswith("Worse: 75.0 points more")
    assert sentence(worse).endswith(" more).")


def test_what_was_compared_otherwise_or_on_other_clips_is_not_compared() -> None:
    assert change(read(SAID), read(SAID, "spoken")) is None
    assert change(read(SAID).model_copy(update={"test_set_hash": "other"}), read(SAID)) is None


@pytest.mark.parametrize(
    ("low", "high", "words"), [(-0.2, -0.1, "10.0 to 20.0 fewer"), (0.1, 0.2, "10.0 to 20.0 more")]
)
def test_the_interval_is_written_from_near_to_far(low: float, high: float, words: str) -> None:
    verdict = "better" if high < 0 else "worse"
    found = Change(before=0.5, after=0.35, change=low, low=low, high=high, verdict=verdict, clips=2, words=8)  # type: ignore[arg-type]
    assert words in sentence(found)

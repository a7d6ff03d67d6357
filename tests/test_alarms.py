"""Alarms: what no person would have written is found, what a person dictates is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tones import folder_of, tones

from studio.evaluation import failure_modes
from studio.evaluation.evaluate import Comparison, Evaluation, compare, evaluate, save
from studio.evaluation.failure_modes import Alarm, Kind, Probe
from studio.models import Clip, Hypothesis, Recogniser, load
from studio.models.base import Family
from studio.workspace import Workspace

SAID = "please call the office and leave a message"


@pytest.mark.parametrize(
    ("reference", "hypothesis", "kind"),
    [
        (SAID, SAID, None),
        (SAID, "please call and and and and and and", "loop"),
        (SAID, "please call the office please call the office please call the office please call the office", "loop"),
        (SAID, "please nanananananananana", "loop"),
        ("code 0000", "code 0000", None),
        ("code zero zero zero zero", "code 00000", None),
        ("code 0000", "code 000000000", "loop"),
        ("no no no no no no", "no no no no no no", None),
        ("yes", "yes of course i will do that as soon as i can", "runaway"),
        (SAID, "please", "cut short"),
        (SAID, "", "cut short"),
        ("order 12", "order one two", None),
        ("yes", "", None),
        ("", "", None),
    ],
)
def test_loops_runaways_and_cut_texts_are_told_from_what_is_said(
    reference: str, hypothesis: str, kind: str | None
) -> None:
    assert failure_modes.of_text(reference, hypothesis, 3.0) == kind


def test_more_than_anyone_can_say_in_the_time_is_a_runaway() -> None:
    text = " ".join(f"word{chr(97 + place)}" for place in range(20))
    assert failure_modes.of_text(text, text, 1.0) == "runaway"
    assert failure_modes.of_text(text, text, 8.0) is None


@given(st.text(max_size=80))
def test_a_perfect_text_at_a_humane_pace_never_alarms(text: str) -> None:
    assert failure_modes.of_text(text, text, 60.0) is None


def test_the_sentence_says_what_was_found_before_and_after() -> None:
    loop = Alarm(kind="loop", where="c1", text="and " * 40)
    invented = Alarm(kind="made up", where="silence", text="thank you")
    assert failure_modes.sentence([], []).startswith("No alarm: ")
    assert "earlier version" in failure_modes.sentence(None, None)
    found = failure_modes.sentence([invented], [loop, loop, invented])
    assert found.startswith("Alarm, worse than before tuning: 2 clips loop (“and and and ")
    assert "“thank you” written for silence" in found.partition("Before tuning: ")[2]
    assert len(failure_modes.sentence([], [loop])) < 200


def heard(text: str, where: str = "silence", kind: Kind = "made up") -> Alarm:
    return Alarm(kind=kind, where=where, text=text)


ENDLESS = "two " * 40


@pytest.mark.parametrize(
    ("before", "after", "is_worse"),
    [
        ([heard("You")], [heard(ENDLESS)], True),
        ([heard("You")], [heard("You")], False),
        ([heard("You")], [heard("Thank you for watching")], True),
        ([heard("Thank you")], [heard("You")], False),
        ([heard("You")], [heard("You", "noise")], True),
        ([heard(ENDLESS)], [heard("You")], False),
        ([heard(ENDLESS)], [heard("and " * 40)], False),
        ([heard("and and and and")], [heard(ENDLESS)], True),
        ([heard("", "c1", "cut short")], [heard("a b c d e f", "c1", "runaway")], True),
        ([heard("a b c d e f", "c1", "runaway")], [heard("", "c1", "cut short")], False),
        ([heard("a", "c1", "cut short")], [heard("", "c1", "cut short")], False),
        ([], [heard("a", "c1", "cut short")], True),
        (None, [heard("You")], True),
        ([heard("You")], [], False),
    ],
)
def test_alarms_are_compared_by_kind_and_by_length(
    before: list[Alarm] | None, after: list[Alarm], is_worse: bool
) -> None:
    assert bool(failure_modes.worse(before, after)) is is_worse


def test_endless_repetition_for_silence_is_called_that() -> None:
    said = failure_modes.sentence([heard("You")], [heard(ENDLESS)])
    assert said.startswith("Alarm, worse than before tuning: “two two two ")
    assert "repeated endlessly for silence" in said
    assert said.endswith("Before tuning: “You” written for silence.")
    assert "no worse than before" in failure_modes.sentence([heard("You")], [heard("You")])
    assert [heard(text).is_endless for text in (ENDLESS, "You", "nananananananana", "no no no")] == [
        True, False, True, False,
    ]  # fmt: skip


class Chatty:
    """A family that writes a sentence whatever it hears, and loops once it is tuned."""

    def __init__(self, family: Family, text: str) -> None:
        self.family, self.text = family, text

    def __getattr__(self, name: str) -> Any:
        return getattr(self.family, name)

    def transcribe_batch(self, model: Any, processor: Any, clips: list[Clip]) -> list[Hypothesis]:
        return [Hypothesis(text=self.text, seconds=len(clip.samples) / 16_000, latency=0.1) for clip in clips]


def test_silence_and_noise_are_part_of_every_evaluation_and_what_is_written_for_them_an_alarm(tmp_path: Path) -> None:
    echo = load("echo")
    chatty = replace(echo, family=Chatty(echo.family, "and and and and and and and and"))
    found = evaluate(chatty, tones(tmp_path))
    assert [(probe.sound, probe.seconds) for probe in found.probes] == [("silence", 5.0), ("noise", 5.0)]
    assert found.alarms is not None
    assert [alarm.kind for alarm in found.alarms] == ["loop"] * 4 + ["made up"] * 2
    assert Evaluation.model_validate_json(found.model_dump_json()).alarms == found.alarms


def test_a_sound_model_raises_no_alarm(tmp_path: Path) -> None:
    found = evaluate(load("echo"), tones(tmp_path))
    assert found.probes
    assert failure_modes.of_probe(Probe(sound="silence", seconds=5.0, text=" . ")) is None
    assert found.alarms is not None
    assert not [alarm for alarm in found.alarms if alarm.kind != "made up"]


def test_the_probes_are_the_same_each_time_and_last_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[np.ndarray[Any, Any]] = []
    echo: Recogniser = load("echo")
    real = echo.family.transcribe_batch
    spy = Chatty(echo.family, "")
    monkeypatch.setattr(
        spy, "transcribe_batch", lambda m, p, clips: heard.extend(c.samples for c in clips) or real(m, p, clips)
    )
    for _ in range(2):
        failure_modes.probes(replace(echo, family=spy))
    silence, noise, silent_again, noise_again = heard
    assert len(silence) == len(noise) == 5 * 16_000
    assert not silence.any()
    assert np.std(noise) == pytest.approx(0.01, rel=0.02)
    assert np.array_equal(noise, noise_again)
    assert np.array_equal(silence, silent_again)


def test_the_alarms_stand_in_the_json_of_a_comparison(tmp_path: Path) -> None:
    tones(tmp_path)
    result = compare(Workspace(tmp_path), "tones", model="echo")
    save(result, folder_of(tmp_path, "x").path / "out.json")
    again = Comparison.model_validate_json((folder_of(tmp_path, "x").path / "out.json").read_bytes())
    assert again.before.probes == result.before.probes
    assert again.before.alarms == result.before.alarms is not None

"""The event log: every event comes back, and a torn line waits."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.runs import events
from studio.runs.events import Evaluated, Event, Phase, StepDone, Warned

CLASSES = typing.get_args(typing.get_args(Event)[0])
EVENTS = {kind: st.builds(kind, at=st.floats()) for kind in CLASSES}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_of_event_comes_back_from_its_line(kind: type[Event]) -> None:
    @given(EVENTS[kind])
    def comes_back(event: Event) -> None:
        line = events.to_line(event)
        assert line.count("\n") == 1
        back = events.parse(line)
        assert type(back) is kind
        assert events.to_line(back) == line

    comes_back()


def test_every_class_has_its_own_tag() -> None:
    tags = [kind.model_fields["type"].default for kind in CLASSES]
    assert len(set(tags)) == len(tags)


@given(log=st.lists(st.one_of(*EVENTS.values()), max_size=6), cut=st.integers(0, 2000))
def test_a_follower_that_is_cut_off_anywhere_goes_on_without_loss(
    log: list[Event], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "events.jsonl"
    content = "".join(events.to_line(event) for event in log).encode()
    path.write_bytes(content[:cut])
    first = list(events.read(path))
    offset = first[-1][0] if first else 0
    assert content[:offset].count(b"\n") == len(first)
    path.write_bytes(content)
    lines = [events.to_line(event) for _, event in [*first, *events.read(path, offset)]]
    assert lines == [events.to_line(event) for event in log]


def test_a_missing_log_is_empty_and_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert list(events.read(path)) == []
    path.write_bytes(b'{"type": "of the future"}\nnonsense\n\xff\xfe\n' + events.to_line(Warned(message="é")).encode())
    assert [event.message for _, event in events.read(path) if isinstance(event, Warned)] == ["é"]


def test_a_written_event_can_be_seen_at_once(tmp_path: Path) -> None:
    with (tmp_path / "events.jsonl").open("w") as stream:
        events.write(stream, Phase(name="loading"))
        assert [event.name for _, event in events.read(tmp_path / "events.jsonl") if isinstance(event, Phase)] == [
            "loading"
        ]


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_no_number_is_shown_as_such(loss: float) -> None:
    event = StepDone(step=1, loss=loss, learning_rate=1e-3, clips_per_second=1, seconds=1)
    back = events.parse(events.to_line(event))
    assert isinstance(back, StepDone)
    assert repr(back.loss) == repr(loss)


@given(st.integers(0, 60))
def test_no_part_of_a_line_is_an_event(cut: int) -> None:
    line = events.to_line(Evaluated(step=1, split="test", wer=0.1, cer=0.1, clips=3))
    assert events.parse(line[:cut]) is None

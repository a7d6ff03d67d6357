"""How long a run will take, estimated before it starts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from finished import clips_of, finished
from tones import config

from studio.config import TrainConfig
from studio.data.utterance import Utterance
from studio.evaluation import general_set
from studio.models import training_time
from studio.runs import events
from studio.runs.events import Evaluated, Finished, Phase, Started, StepDone
from studio.runs.folder import RunFolder
from studio.workspace import Workspace

STEP = 2.0  # seconds, of the run that was measured
SAID = ["call", "room", "order", "yes"]


def measured(root: Path, name: str, resumed_from: int = 0, **settings: object) -> RunFolder:
    """A finished run of ten steps of `STEP`, ten seconds of loading, and one second for each clip that was scored."""
    folder = finished(root, name, SAID, SAID, SAID, **settings)
    with folder.events.open("w", encoding="utf-8") as log:

        def say(event: events.Event) -> None:
            events.write(log, event)

        say(
            Started(run=name, model="echo", device="cpu", train_clips=8, validation_clips=4, test_clips=4,
                    train_seconds=8, max_steps=10, trainable_parameters=1, total_parameters=9,
                    resumed_from=resumed_from)
        )  # fmt: skip
        say(Phase(at=10, name="baseline", done=0, total=4))
        say(Evaluated(at=14, step=0, split="test", wer=1, cer=1, clips=4))
        for step in range(1, 11):
            seconds = STEP * step
            say(StepDone(at=14 + seconds, step=step, loss=1, learning_rate=1, clips_per_second=4, seconds=seconds))
        say(Phase(at=34, name="tuned", done=0, total=4))
        say(Evaluated(at=38, step=10, split="test", wer=0, cer=0, clips=4))
        say(Finished(step=10, best_step=10, wer_before=1, wer_after=0, seconds=38, peak_memory=1))
    return folder


def expected(
    root: Path, plan: TrainConfig, clips: list[Utterance], others: Sequence[Utterance] = (), on_cpu: bool = True
) -> training_time.Expected | None:
    return training_time.expected(Workspace(root), plan, clips, others, on_cpu=on_cpu)


def test_the_time_is_that_of_the_last_run_of_its_kind_for_as_many_steps_and_clips(tmp_path: Path) -> None:
    measured(tmp_path, "before")
    found = expected(tmp_path, config(), clips_of(SAID))
    assert found is not None
    assert (found.most, found.like) == (38, "before")
    longer = expected(tmp_path, config(max_steps=40, batch_size=4), clips_of(SAID * 2))
    assert longer is not None
    assert longer.most == 10 + 2 * 8 + 8 * STEP * 10
    assert longer.as_text(40) == "Time: about 3 min for all 40 steps, going by before."


@pytest.mark.parametrize("other", [{"targets": "decoder"}, {"precision": "bf16"}, {"model": "starter"}])
def test_a_run_that_did_something_else_tells_nothing(tmp_path: Path, other: dict[str, str]) -> None:
    measured(tmp_path, "before")
    found = expected(tmp_path, config(**other), clips_of(SAID), on_cpu=False)
    assert found is None


def test_a_run_that_was_resumed_is_no_measure(tmp_path: Path) -> None:
    measured(tmp_path, "whole")
    resumed = measured(tmp_path, "resumed")
    resumed.events.write_text(resumed.events.read_text() + resumed.events.read_text())
    found = expected(tmp_path, config(), clips_of(SAID))
    assert found is not None
    assert found.like == "whole"


def test_before_the_first_run_a_range_is_given_and_said_to_be_rough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_time.psutil, "getloadavg", lambda: (0.0, 0.0, 0.0))
    quick, long = (
        expected(tmp_path, config(model="starter", max_steps=steps), clips_of(SAID)) for steps in (10_000, 100_000)
    )
    assert quick is not None
    assert long is not None
    assert quick.most == pytest.approx(4 * quick.least)
    assert 4 < long.most / quick.most < 10
    assert quick.as_text(10_000).startswith("Time: roughly ")
    assert "After the first run" in quick.as_text(10_000)


def test_the_clips_of_other_voices_take_time_too(tmp_path: Path) -> None:
    plan = config(model="starter", max_steps=1000, eval_every=100, replay="bundled")
    alone, with_others = (
        expected(tmp_path, plan, clips_of(SAID), others)
        for others in ([], general_set.measuring(plan, Workspace(tmp_path)))
    )
    assert alone is not None
    assert with_others is not None
    assert with_others.most > alone.most


def test_other_work_on_this_computer_changes_no_estimate_and_is_mentioned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = training_time._operations_per_second.__wrapped__()
    is_over = threading.Event()
    others = [threading.Thread(target=lambda: [None for _ in iter(is_over.is_set, True)]) for _ in range(4)]
    for other in others:
        other.start()
    busy = training_time._operations_per_second.__wrapped__()
    is_over.set()
    for other in others:
        other.join()
    assert quiet / 10 < busy < quiet * 10  # wall-clock time says a hundredth
    said = {}
    for load in (0.0, 99.0):
        monkeypatch.setattr(training_time.psutil, "getloadavg", lambda load=load: (load, load, load))
        found = expected(tmp_path, config(model="starter"), clips_of(SAID))
        assert found is not None
        said[load] = found.as_text(10)
    assert "busy" not in said[0.0]
    assert "This computer is busy with other work now, so it may take longer." in said[99.0]


def test_what_is_adapted_in_the_decoder_alone_takes_less_time(tmp_path: Path) -> None:
    voice, deep = (
        expected(tmp_path, config(model="starter", targets=targets, max_steps=1000), clips_of(SAID))
        for targets in ("voice", "deep")
    )
    assert voice is not None
    assert deep is not None
    assert voice.most < deep.most


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "10 s"), (44, "40 s"), (89, "90 s"), (150, "2 min"), (5000, "83 min"), (7800, "2 h 10 min"), (7200, "2 h")],
)
def test_a_time_is_no_more_exact_than_it_is_known(seconds: float, words: str) -> None:
    assert training_time.in_words(seconds) == words

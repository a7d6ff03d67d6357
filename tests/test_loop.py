"""The loop: the maths of a step, the order of its acts, and when it ends."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest
from tones import config, go_on, learner_of, weights

from studio.errors import ConfigError, StopRequested
from studio.runs.events import CheckpointSaved, Evaluated, Event, Phase, StepDone, Stopped
from studio.train.loop import Learner, fit, learning_rate, take_step
from studio.train.progress import Progress, Scoring
from studio.train.randomness import seed_everything


def nothing(_: Learner) -> Iterator[Event]:
    yield from ()


def scores(*wers: float) -> Any:
    """An `evaluate` that counts these word error rates, one after another."""
    left = iter(wers)

    def evaluate(learner: Learner) -> Iterator[Event]:
        wer = next(left)
        best = learner.progress.count(Scoring(step=learner.progress.step, wer=wer, loss=1.0))
        yield Evaluated(step=learner.progress.step, split="validation", wer=wer, cer=0, clips=1, best=best)

    return evaluate


@pytest.mark.parametrize(("batch", "accumulation"), [(6, 1), (3, 2), (2, 3), (1, 6)])
def test_however_clips_are_dealt_out_the_step_is_the_same(batch: int, accumulation: int) -> None:
    import torch

    settings = config(batch_size=batch, accumulation=accumulation, dropout=0)
    one, dealt = learner_of(config(batch_size=6, accumulation=1, dropout=0)), learner_of(settings)
    losses = [(take_step(one, 0.01, go_on), take_step(dealt, 0.01, go_on)) for _ in range(5)]
    for expected, loss in losses:
        assert loss == pytest.approx(expected, rel=1e-5)
    for expected, weight in zip(weights(one), weights(dealt), strict=True):
        torch.testing.assert_close(weight, expected, rtol=1e-3, atol=1e-6)


def test_the_gradient_is_that_of_the_loss_per_token() -> None:
    import torch

    learner = learner_of(config(batch_size=2, accumulation=3, dropout=0, max_grad_norm=1e9))
    family, model = learner.recogniser.family, learner.recogniser.model
    sums = [family.loss(model, family.collate([row])) for row in learner.rows]
    loss = sum(total for total, _ in sums) / sum(tokens for _, tokens in sums)
    expected = torch.autograd.grad(loss, list(learner.parameters.values()))  # type: ignore[arg-type]
    take_step(learner, 0.01, go_on)
    for parameter, gradient in zip(learner.parameters.values(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-7)


def test_dropout_works_in_a_step_whatever_mode_the_model_was_left_in() -> None:
    losses = []
    for dropout in (0, 0.9):
        learner = learner_of(config(dropout=dropout))
        for _ in range(3):  # the adapter begins as nothing, so that the first loss is the base model's
            learner.recogniser.model.eval()
            loss = take_step(learner, 0.05, go_on)
        losses.append(loss)
    assert losses[0] != losses[1]


def test_the_loss_of_a_step_is_nats_per_token_of_all_its_clips() -> None:
    import torch

    learner = learner_of(config(batch_size=2, accumulation=3, dropout=0))
    family, model = learner.recogniser.family, learner.recogniser.model
    with torch.no_grad():
        sums = [family.loss(model, family.collate([row])) for row in learner.rows]
    expected = sum(total.item() for total, _ in sums) / sum(tokens.item() for _, tokens in sums)
    assert take_step(learner, 0.01, go_on) == pytest.approx(expected, rel=1e-5)


def test_only_the_adapter_is_trained() -> None:
    import torch

    learner = learner_of(config())
    before = {name: value.clone() for name, value in learner.recogniser.model.state_dict().items()}
    take_step(learner, 0.1, go_on)
    after = learner.recogniser.model.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed
    assert all("lora_" in name for name in changed)


def test_a_long_gradient_is_shortened_to_its_bound() -> None:
    learner = learner_of(config(max_grad_norm=1e-3, dropout=0))
    take_step(learner, 0.01, go_on)
    gradients = [value.grad for value in learner.parameters.values() if value.grad is not None]
    norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients))
    assert norm == pytest.approx(1e-3, rel=1e-3)


def test_the_learning_rate_rises_to_its_peak_and_falls_in_a_straight_line_to_almost_nothing() -> None:
    settings = config(learning_rate=1.0, warmup_steps=4, max_steps=12)
    rates = [learning_rate(step, settings) for step in range(1, 13)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4:] == pytest.approx([1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])


@pytest.mark.parametrize(("warmup", "steps"), [(0, 1), (5, 5), (9, 3), (0, 3)])
def test_any_warm_up_leaves_every_rate_between_nothing_and_the_peak(warmup: int, steps: int) -> None:
    settings = config(learning_rate=1.0, warmup_steps=warmup, max_steps=steps)
    assert all(0 < learning_rate(step, settings) <= 1 for step in range(1, steps + 1))


def test_the_order_is_evaluate_save_stop_step_log() -> None:
    acts: list[str] = []

    def evaluate(learner: Learner) -> Iterator[Event]:
        acts.append("evaluate")
        yield from scores(1.0)(learner)

    def save(learner: Learner) -> Iterator[Event]:
        acts.append("save")
        yield CheckpointSaved(step=learner.progress.step, path="")

    events = fit(
        learner_of(config(max_steps=2, accumulation=1, eval_every=1)),
        evaluate,
        save,
        lambda: acts.append("stop"),
    )
    for event in events:
        if isinstance(event, StepDone):
            acts.append("log")
    # The loop looks for a request before a step, and between its micro-batches.
    step = ["evaluate", "save", "stop", "stop", "log"]
    assert acts == [*step, *step, "evaluate", "save"]


def test_validation_is_scored_before_the_first_step_at_every_mark_and_after_the_last() -> None:
    learner = learner_of(config(max_steps=7, eval_every=3))
    seen = list(fit(learner, scores(*[1.0, 0.9, 0.8, 0.7]), nothing, go_on))
    assert [event.step for event in seen if isinstance(event, Evaluated)] == [0, 3, 6, 7]
    assert [event.step for event in seen if isinstance(event, StepDone)] == [1, 2, 3, 4, 5, 6, 7]
    assert not any(isinstance(event, Stopped) for event in seen)


def test_patience_counts_scorings_since_the_best() -> None:
    learner = learner_of(config(max_steps=50, eval_every=1, patience=3))
    seen = list(fit(learner, scores(1.0, 0.5, 0.6, 0.4, 0.4, 0.5, 0.4), nothing, go_on))
    assert isinstance(seen[-1], Stopped)
    assert (seen[-1].step, seen[-1].reason) == (6, "early stop")
    assert learner.progress.best == Scoring(step=3, wer=0.4, loss=1.0)


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ((0.5, 1.0), (0.4, 9.0), 2),  # fewer word errors, whatever the loss
        ((0.5, 1.0), (0.5, 0.9), 2),  # as many: the lower loss
        ((0.5, 1.0), (0.5, 1.0), 1),  # all the same: the earlier
        ((0.5, 1.0), (0.5, math.nan), 1),
        ((0.5, math.nan), (0.5, 3.0), 2),
        ((0.5, 1.0), (0.6, 0.1), 1),
    ],
)
def test_the_best_is_the_lowest_wer_then_the_lowest_loss_then_the_earliest(
    first: tuple[float, float], second: tuple[float, float], kept: int
) -> None:
    progress = Progress()
    for step, (wer, loss) in enumerate((first, second), start=1):
        progress.count(Scoring(step=step, wer=wer, loss=loss))
    assert progress.best is not None
    assert progress.best.step == kept


@pytest.mark.parametrize(
    ("scorings", "kept"),
    [
        ([(10, 1.0), (11, 0.5)], 2),  # a word more, of a hundred, at a lower loss
        ([(10, 1.0), (12, 0.5)], 1),  # two words more
        ([(12, 0.5), (10, 1.0)], 2),  # two words fewer, whatever the loss
        ([(11, 0.5), (10, 1.0)], 1),  # a word fewer at a higher loss
        ([(10, 1.0), (11, 0.5), (12, 0.1)], 2),  # a word at a time it never drifts away from the fewest
        ([(11, 0.5), (10, 1.0), (9, 2.0)], 3),
    ],
)
def test_one_word_is_chance_and_the_loss_decides(scorings: list[tuple[int, float]], kept: int) -> None:
    assert chosen(scorings, words=100) == kept


@pytest.mark.parametrize(
    ("scorings", "kept"),
    [
        ([(0, 1.0), (3, 0.5)], 2),  # three words of twelve, in two clips, are chance
        ([(0, 1.0), (4, 0.5)], 1),
        ([(0, 1.0), (3, 0.5), (6, 0.1)], 2),
    ],
)
def test_two_clips_choose_nothing_by_their_words(scorings: list[tuple[int, float]], kept: int) -> None:
    assert chosen(scorings, words=12) == kept


def chosen(scorings: list[tuple[int, float]], words: int) -> int:
    """The step that is kept, of those with so many errors in `words` words, and these losses."""
    progress = Progress()
    for step, (errors, loss) in enumerate(scorings, start=1):
        progress.count(Scoring(step=step, wer=errors / words, loss=loss, words=words))
    assert progress.best is not None
    return progress.best.step


def test_the_base_model_is_not_an_adapter_to_be_kept_but_what_one_must_beat() -> None:
    progress = Progress()
    assert not progress.count(Scoring(step=0, wer=0.1, loss=0.1))
    assert progress.best is None
    assert progress.count(Scoring(step=5, wer=0.2, loss=0.2))
    assert not progress.has_helped
    progress.count(Scoring(step=10, wer=0.05, loss=0.3))
    assert progress.has_helped


def test_what_happens_between_two_steps_cannot_move_the_training() -> None:
    import torch

    def disturb(learner: Learner) -> Iterator[Event]:
        seed_everything(random.randrange(1000))
        learner.recogniser.model.eval()
        torch.rand(17)
        yield from scores(1.0)(learner)

    calm, disturbed = learner_of(config(dropout=0.3)), learner_of(config(dropout=0.3))
    quiet = [event.loss for event in fit(calm, scores(1, 1, 1, 1), nothing, go_on) if isinstance(event, StepDone)]
    noisy = [event.loss for event in fit(disturbed, disturb, nothing, go_on) if isinstance(event, StepDone)]
    assert quiet == noisy
    assert all(torch.equal(one, other) for one, other in zip(weights(calm), weights(disturbed), strict=True))


def test_a_request_in_the_middle_of_a_step_leaves_the_weights_and_the_count_as_they_were() -> None:
    import torch

    learner = learner_of(config())
    before, calls = weights(learner), iter([False, True])

    def check() -> None:
        if next(calls):
            raise StopRequested("interrupted")

    with pytest.raises(StopRequested):
        take_step(learner, 0.1, check)
    assert learner.progress.step == 0
    assert all(torch.equal(one, other) for one, other in zip(before, weights(learner), strict=True))


def test_a_loss_that_is_no_number_stops_before_it_reaches_the_weights() -> None:
    import torch

    learner = learner_of(config(learning_rate=0.5))
    before = weights(learner)
    for row in learner.rows:
        row["features"][0] = math.nan
    with pytest.raises(ConfigError, match=r"step 1\. Lower the learning rate \(it was 0.5\)"):
        take_step(learner, 0.5, go_on)
    assert all(torch.equal(one, other) for one, other in zip(before, weights(learner), strict=True))


def test_time_goes_on_where_a_resumed_run_left_it() -> None:
    learner = learner_of(config(max_steps=1))
    learner.progress.seconds = 100.0
    step = next(event for event in fit(learner, scores(1.0, 1.0), nothing, go_on) if isinstance(event, StepDone))
    assert 100 < step.seconds < 160
    assert step.clips_per_second > 0


def test_training_is_told_as_a_phase_after_every_scoring() -> None:
    seen = list(fit(learner_of(config(max_steps=2, eval_every=2)), scores(1.0, 1.0), nothing, go_on))
    assert [(event.done, event.total) for event in seen if isinstance(event, Phase)] == [(0, 2), (2, 2)]


def test_the_optimiser_holds_the_adapter_and_the_weight_decay_asked_for() -> None:
    learner = learner_of(config(weight_decay=0.25))
    (group,) = learner.optimiser.param_groups
    assert group["weight_decay"] == 0.25
    assert [id(value) for value in group["params"]] == [id(value) for value in learner.parameters.values()]

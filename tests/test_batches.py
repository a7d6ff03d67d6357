"""Which clips a step learns from."""

from __future__ import annotations

from collections import Counter
from itertools import chain, pairwise

from hypothesis import given
from hypothesis import strategies as st
from tones import config

from studio.train.batches import clips_of_step, epoch_order

clips, batch, accumulation = st.integers(1, 30), st.integers(1, 7), st.integers(1, 4)


@given(clips, batch, accumulation, st.integers(0, 2**32 - 1))
def test_every_step_is_of_the_same_size_and_cut_into_micro_batches(
    clips: int, batch: int, accumulation: int, seed: int
) -> None:
    settings = config(batch_size=batch, accumulation=accumulation, seed=seed)
    for step in (1, 2, 17):
        assert [len(part) for part in clips_of_step(step, clips, settings)] == [batch] * accumulation


@given(clips, batch, accumulation, st.integers(0, 2**32 - 1))
def test_no_clip_is_seen_twice_before_all_were_seen_once(clips: int, batch: int, accumulation: int, seed: int) -> None:
    settings = config(batch_size=batch, accumulation=accumulation, seed=seed)
    seen = list(chain.from_iterable(chain.from_iterable(clips_of_step(step, clips, settings) for step in range(1, 20))))
    for epoch in range(len(seen) // clips):
        assert Counter(seen[epoch * clips : (epoch + 1) * clips]) == Counter(range(clips))


@given(clips, clips, batch, st.sampled_from([0.1, 0.25, 0.5, 0.9]))
def test_the_replayed_share_holds_up_to_any_step_and_both_kinds_go_through_epochs_of_their_own(
    clips: int, replayed: int, batch: int, share: float
) -> None:
    settings = config(batch_size=batch, accumulation=1, replay_share=share)
    seen: list[int] = []
    for step in range(1, 30):
        seen += chain.from_iterable(clips_of_step(step, clips, settings, replayed))
        assert 0 <= len(seen) * share - sum(index >= clips for index in seen) < 1 + 1e-9
    for kind in (range(clips), range(clips, clips + replayed)):
        found = [index for index in seen if index in kind]
        for epoch in range(len(found) // len(kind)):
            assert Counter(found[epoch * len(kind) : (epoch + 1) * len(kind)]) == Counter(kind)


@given(clips, clips, st.integers(0, 4))
def test_a_clip_goes_through_its_variants_in_turn(clips: int, replayed: int, variants: int) -> None:
    settings = config(batch_size=3, accumulation=1, replay_share=0.3, augment=variants)
    looks = 1 + variants
    rows = list(chain.from_iterable(clips_of_step(step, clips, settings, replayed)[0] for step in range(1, 40)))
    assert all(row < clips * looks + replayed for row in rows)
    plain = config(batch_size=3, accumulation=1, replay_share=0.3)
    expected = list(chain.from_iterable(clips_of_step(step, clips, plain, replayed)[0] for step in range(1, 40)))
    assert [row // looks if row < clips * looks else row - clips * variants for row in rows] == expected
    for clip in range(clips):
        seen = [row % looks for row in rows if row < clips * looks and row // looks == clip]
        assert all((one + 1) % looks == other for one, other in pairwise(seen))


def test_without_clips_to_replay_a_step_is_as_it_was_before_there_was_replay() -> None:
    assert clips_of_step(3, 13, config(replay_share=0.5)) == clips_of_step(3, 13, config(replay_share=0))


def test_how_a_step_is_dealt_out_to_micro_batches_does_not_change_its_clips() -> None:
    whole, parts = config(batch_size=8, accumulation=1), config(batch_size=2, accumulation=4)
    for step in range(1, 10):
        assert clips_of_step(step, 13, whole)[0] == list(chain.from_iterable(clips_of_step(step, 13, parts)))


def test_epochs_have_orders_of_their_own_and_the_same_ones_for_the_same_seed() -> None:
    assert epoch_order(0, 50, seed=1) != epoch_order(1, 50, seed=1)
    assert epoch_order(0, 50, seed=1) != epoch_order(0, 50, seed=2)
    assert epoch_order(3, 50, seed=1) == epoch_order(3, 50, seed=1)


def test_the_order_is_the_same_on_every_machine() -> None:
    assert epoch_order(0, 8, seed=42) == [3, 4, 2, 7, 6, 1, 5, 0]

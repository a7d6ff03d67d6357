"""What can be said of a run before it starts, from the model's files alone and without torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from studio.config import TrainConfig, split_language
from studio.data.utterance import Example
from studio.errors import ModelError
from studio.models.base import USUAL_TARGETS
from studio.models.catalogue import locate
from studio.models.language import check_language
from studio.models.on_paper import Shape, layers, on_paper
from studio.models.registry import family_of
from studio.models.targets import Kind, check_targets
from studio.models.word_times import check as check_word_times
from studio.models.writable import by_side, left_out_note, only_writable, unwritable, unwritable_note


def check(config: TrainConfig, clips: Sequence[Example]) -> list[str]:
    """Whether a run by `config` on `clips`, each in its split, can be; and what a person should know first.

    Raises ConfigError where its targets cannot be adapted, ModelError where it does not know the language, DataError
    where it can write no label of a split, or learns from word times and there are none.
    Says nothing of a model that is not on this disk: a cluster may have it.
    """
    try:
        folder = locate(config.model)
    except ModelError:
        return []
    check_language(folder, split_language(config.model)[1])
    family, known = family_of(folder), layers(folder)
    if known:
        check_targets(family, config.model, config.targets, list(known), lambda name: _kind(name, known[name]))
    check_word_times(clips, family, config.dataset)
    base = on_paper(config.model)
    if base is None:
        return []
    splits = by_side(clips)
    _, left_out = only_writable(splits, base)
    too_long = unwritable(splits["test"], base)
    return [left_out_note(left_out)] * bool(left_out) + [unwritable_note(too_long)] * bool(too_long)


def usual_targets(source: str, is_on_cpu: Callable[[], bool]) -> str:
    """The preset of targets to start from with the model `source`, which need not be on this disk.

    `is_on_cpu` is asked only where the answer matters: it may take seconds.
    """
    try:
        on_cpu = family_of(locate(source)).targets_on_cpu
    except ModelError:
        return USUAL_TARGETS
    return on_cpu if on_cpu != USUAL_TARGETS and is_on_cpu() else USUAL_TARGETS


def _kind(name: str, shape: Shape) -> Kind:
    """By its name and the shape of its weight; of a model in several files the shapes are not known."""
    is_table = re.search(r"(^|\.)embed_\w+$", name)
    return "linear" if shape is not None and len(shape) == 2 and not is_table else "other"

"""What can be said of a run before it starts, from the model's files alone and without torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from studio.config import BUNDLED, NOTHING, Kind, TrainConfig, split_language
from studio.data.pair import Pair
from studio.data.quality.pairs import secrets_in
from studio.data.utterance import Example
from studio.errors import ConfigError, ModelError
from studio.models.base import USUAL_TARGETS, Family
from studio.models.catalogue import locate
from studio.models.language import check_language
from studio.models.on_paper import Shape, layers, on_paper
from studio.models.registry import family_of
from studio.models.targets import Kind as LayerKind
from studio.models.targets import check_targets
from studio.models.word_times import check as check_word_times
from studio.models.writable import by_side, left_out_note, only_writable, unwritable, unwritable_note
from studio.text import counted

LOOKED_AT = 5_000  # pairs in which secrets are looked for: the page asks at every change of a setting
_TAKES: Mapping[Kind, str] = MappingProxyType({"speech": "sound", "typing": "typed text"})
_HOLDS: Mapping[Kind, str] = MappingProxyType({"speech": "recordings", "typing": "typing pairs"})


def check(config: TrainConfig, clips: Sequence[Example]) -> list[str]:
    """Whether a run by `config` on `clips`, each in its split, can be; and what a person should know first.

    Raises ConfigError where its targets cannot be adapted or the clips are of another kind than it takes, ModelError
    where it does not know the language, DataError where it can write no label of a split, or learns from word times and
    there are none.
    Says nothing of a model that is not on this disk: a cluster may have it.
    """
    try:
        folder = locate(config.model)
    except ModelError:
        return []
    check_language(folder, split_language(config.model)[1])
    family, known = family_of(folder), layers(folder)
    check_kind(config, family, clips[0].kind if clips else family.kind)
    if known:
        check_targets(family, config.model, config.targets, list(known), lambda name: _kind(name, known[name]))
    check_word_times(clips, family, config.dataset)
    base = on_paper(config.model)
    if base is None:
        return secrets_note(config.dataset, clips)
    splits = by_side(clips)
    _, left_out = only_writable(splits, base)
    too_long = unwritable(splits["test"], base)
    return [left_out_note(left_out)] * bool(left_out) + [unwritable_note(too_long)] * bool(too_long)


def check_kind(config: TrainConfig, family: Family, kind: Kind) -> None:
    """Raise ConfigError where a dataset of `kind` is not what `family` takes, or `config` asks for sound of typing."""
    if family.kind != kind:
        takes, holds = _TAKES[family.kind], _HOLDS[kind]
        what = f"The model {config.model} takes {takes}, and the dataset “{config.dataset}” holds {holds}."
        raise ConfigError(what, f"Choose a model for {kind}, or a dataset of {family.kind}.")
    if kind == "speech":
        return
    if config.augment:
        what = "augment: typing pairs have no sound that could be changed."
        raise ConfigError(what, "Set it to 0; `studio typos make` makes more pairs.")
    if config.replay not in (BUNDLED, NOTHING):
        raise ConfigError("replay: there are no clips to replay among typing pairs.", "Leave it out.")
    if config.short_seconds:
        raise ConfigError("short_seconds: typing pairs are not short or long in seconds.", "Leave it out.")


def secrets_note(dataset: str, clips: Sequence[Example]) -> list[str]:
    """What a person should know where typing pairs that a run learns from hold secrets."""
    learnt = [clip for clip in clips if isinstance(clip, Pair) and clip.split == "train"][:LOOKED_AT]
    if not (count := sum(bool(secrets_in(pair)) for pair in learnt)):
        return []
    which = counted(count, "pair holds", "pairs hold")
    what = f"{which} an e-mail address, a card number, a password or a key, which the model may learn by heart."
    return [f"{what} `studio check {dataset}` lists them."]


def usual_targets(source: str, is_on_cpu: Callable[[], bool]) -> str:
    """The preset of targets to start from with the model `source`, which need not be on this disk.

    `is_on_cpu` is asked only where the answer matters: it may take seconds.
    """
    try:
        on_cpu = family_of(locate(source)).targets_on_cpu
    except ModelError:
        return USUAL_TARGETS
    return on_cpu if on_cpu != USUAL_TARGETS and is_on_cpu() else USUAL_TARGETS


def _kind(name: str, shape: Shape) -> LayerKind:
    """By its name and the shape of its weight; of a model in several files the shapes are not known."""
    is_table = re.search(r"(^|\.)embed_\w+$", name)
    return "linear" if shape is not None and len(shape) == 2 and not is_table else "other"

"""Which clips show what a model forgets while it learns: a bundled set, or a dataset of the person's.

The starter has a set of its own small world; for other English models it is people who read aloud.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from studio.config import BUNDLED, ECHO, NOTHING, STARTER, TrainConfig
from studio.data.manifest import Dataset, Example
from studio.data.utterance import SIDES
from studio.errors import ConfigError, StudioError
from studio.evaluation.evaluate import open_dataset
from studio.models.language import ENGLISH, language_of
from studio.models.registry import kind_of
from studio.starter import GENERAL_FOLDER
from studio.workspace import Workspace

PEOPLE_FOLDER = Path(__file__).parent / "people"
ANOTHER = "Choose another dataset, bundled, or none."
_LANGUAGE_KEYS = ("lang", "language", "locale")  # of NeMo, of Hub datasets, of Common Voice
_LOOKED_AT = 200  # clips: enough to see what they are written in


def dataset_of(config: TrainConfig, workspace: Workspace) -> Dataset | None:
    """Where the general set that `config` asks for lies, or None. Raises ConfigError, DataError."""
    if sound := sound_of(config, workspace):
        return _bundled(config.model) or sound
    if config.replay == BUNDLED:
        return _bundled(config.model)
    if config.replay == NOTHING:
        return None
    if config.replay == config.dataset:
        raise ConfigError(
            f"replay: “{config.replay}” is the dataset being trained on.", "Choose another dataset, or none."
        )
    return open_dataset(workspace, config.replay)


def check(config: TrainConfig, own: Sequence[Example], workspace: Workspace) -> None:
    """Whether what `config` asks to replay can be, next to the clips `own`: said before a run starts.

    Raises ConfigError where nothing of it can be replayed or it is in another language, DataError where it is not
    there.
    """
    dataset, sound = dataset_of(config, workspace), sound_of(config, workspace)
    if dataset is None or config.replay == BUNDLED or not config.replay_share:
        return
    source = sound or dataset
    clips = [clip for clip in source.utterances() if (waits(clip) if sound else clip.split == "train")]
    if not clips:
        raise nothing_to_replay(config)
    stated, spoken = _stated_languages(clips), language_of(config.model)
    if stated and spoken not in stated:
        what = f"replay: “{config.replay}” is in {', '.join(sorted(stated))}, and the model transcribes {spoken}."
        raise ConfigError(what, ANOTHER)
    scripts, own_scripts = _scripts(clips), _scripts(own)
    if scripts and own_scripts and not scripts & own_scripts:
        what = f"replay: “{config.replay}” is written in another script than your labels, so in another language."
        raise ConfigError(what, ANOTHER)


def nothing_to_replay(config: TrainConfig) -> ConfigError:
    """Why a dataset cannot be replayed whose clips all measure, or have lost their sound."""
    what = f"replay: “{config.replay}” has no clips in its train split whose sound files are there."
    return ConfigError(what, ANOTHER)


def _stated_languages(clips: Sequence[Example]) -> set[str]:
    """The codes of the languages that the clips' own keys state; empty where one states none, or a name, no code."""
    found = {_stated_language(clip) for clip in clips}
    return set() if "" in found else found


def _stated_language(clip: Example) -> str:
    own = clip.model_extra or {}
    stated = next((str(own[key]) for key in _LANGUAGE_KEYS if own.get(key)), "")
    code = re.split(r"[-_]", stated.lower())[0]  # en-GB is en
    return code if re.fullmatch("[a-z]{2,3}", code) else ""


def _scripts(clips: Sequence[Example]) -> set[str]:
    """The scripts that labels are written in: `LATIN`, `CYRILLIC`, `CJK` …; a tenth of the letters counts."""
    letters = Counter(
        unicodedata.name(letter, "").partition(" ")[0]
        for clip in clips[:_LOOKED_AT] for letter in clip.text if letter.isalpha()
    )  # fmt: skip
    return {script for script, count in letters.items() if count * 10 >= letters.total()}


def sound_of(config: TrainConfig, workspace: Workspace) -> Dataset | None:
    """The dataset without labels that `config` asks to replay; None where it asks for another, or for none.

    Raises DataError.
    """
    if config.replay in (BUNDLED, NOTHING, config.dataset):
        return None
    dataset = open_dataset(workspace, config.replay)
    clips = dataset.utterances()
    return dataset if any(map(waits, clips)) and not any(clip.split in SIDES for clip in clips) else None


def measuring(config: TrainConfig, workspace: Workspace) -> list[Example]:
    """The clips that a run by `config` transcribes to see what is forgotten; none where there is no such set."""
    try:
        dataset = dataset_of(config, workspace)
    except StudioError:
        return []
    return dataset.in_splits("validation", "test") if dataset else []


def waits(clip: Example) -> bool:
    """Whether it has no label yet."""
    return clip.split == "unused" and not clip.text


def _bundled(model: str) -> Dataset | None:
    if model == STARTER:
        return Dataset.open(GENERAL_FOLDER)
    is_served = model != ECHO and kind_of(model) == "speech" and language_of(model) == ENGLISH
    return Dataset.open(PEOPLE_FOLDER) if is_served else None

"""Which clips show what a model forgets while it learns: a bundled set, or a dataset of the person's.

The starter has a set of its own small world; for other English models it is people who read aloud.
"""

from __future__ import annotations

from pathlib import Path

from studio.config import BUNDLED, ECHO, NOTHING, STARTER, TrainConfig
from studio.data.manifest import Dataset, Utterance
from studio.data.utterance import SIDES
from studio.errors import ConfigError, StudioError
from studio.evaluation.evaluate import open_dataset
from studio.models.language import ENGLISH, language_of
from studio.starter import GENERAL_FOLDER
from studio.workspace import Workspace

PEOPLE_FOLDER = Path(__file__).parent / "people"


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


def sound_of(config: TrainConfig, workspace: Workspace) -> Dataset | None:
    """The dataset without labels that `config` asks to replay; None where it asks for another, or for none.

    Raises DataError.
    """
    if config.replay in (BUNDLED, NOTHING, config.dataset):
        return None
    dataset = open_dataset(workspace, config.replay)
    clips = dataset.utterances()
    return dataset if any(map(waits, clips)) and not any(clip.split in SIDES for clip in clips) else None


def measuring(config: TrainConfig, workspace: Workspace) -> list[Utterance]:
    """The clips that a run by `config` transcribes to see what is forgotten; none where there is no such set."""
    try:
        dataset = dataset_of(config, workspace)
    except StudioError:
        return []
    return dataset.in_splits("validation", "test") if dataset else []


def waits(clip: Utterance) -> bool:
    """Whether it has no label yet."""
    return clip.split == "unused" and not clip.text


def _bundled(model: str) -> Dataset | None:
    if model == STARTER:
        return Dataset.open(GENERAL_FOLDER)
    is_served = model != ECHO and language_of(model) == ENGLISH
    return Dataset.open(PEOPLE_FOLDER) if is_served else None

"""What a run must not forget: clips that are replayed while it learns, that help choose, and that measure.

They come from the set bundled with the model, where there is one, or from a dataset of the person's. Its three
splits keep apart: train is replayed, validation helps to choose the best adapter, test shows what was forgotten.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from studio.config import BUNDLED, NOTHING, STARTER, TrainConfig
from studio.data.manifest import Dataset, Utterance
from studio.data.utterance import SIDES
from studio.errors import ConfigError
from studio.evaluation.evaluate import open_dataset, read_manifest
from studio.evaluation.hypotheses import usable
from studio.models import Recogniser
from studio.models.writable import Splits, named, unwritable
from studio.runs.folder import RunFolder
from studio.starter import GENERAL_FOLDER
from studio.text import DIGIT_NAMES, digits_to_words
from studio.workspace import Workspace, write_atomically

AT_MOST = {"train": 2000, "validation": 40, "test": 200}  # clips of a large dataset: a sample shows as much


@dataclass(frozen=True, slots=True)
class GeneralSet:
    """Clips of other voices, or of everything that the model knew; a split may be empty."""

    dataset: Dataset
    splits: Splits


def choose(config: TrainConfig, own: Splits, workspace: Workspace) -> GeneralSet | None:
    """The general set that `config` asks for, or None. Raises ConfigError, DataError.

    Where the own labels write numbers as words, those of the bundled set, which writes digits, are made to:
    else one would teach what the other takes back.
    """
    dataset = dataset_of(config, workspace)
    if dataset is None:
        return None
    clips = dataset.utterances()
    if config.replay == BUNDLED and _writes_words(own["train"]):
        clips = [clip.model_copy(update={"text": digits_to_words(clip.text)}) for clip in clips]
    splits = {side: _sample([clip for clip in clips if clip.split == side], AT_MOST[side]) for side in SIDES}
    if config.replay_share and not splits["train"]:
        raise ConfigError(f"replay: “{config.replay}” has no clips in its train split.", "Choose another dataset.")
    return GeneralSet(dataset, splits)


def keep(general: GeneralSet | None, folder: RunFolder) -> None:
    """Write down in `folder` which clips of the general set the run uses, if any. Raises DiskError."""
    if general:
        clips = (clip for side in SIDES for clip in general.splits[side])
        write_atomically(folder.general, "".join(clip.to_line() + "\n" for clip in clips))


def kept(config: TrainConfig, folder: RunFolder, workspace: Workspace) -> GeneralSet | None:
    """The general set that the run in `folder` began with. Raises DataError, JobError."""
    dataset = dataset_of(config, workspace)
    if dataset is None:
        return None
    clips = read_manifest(folder.general)
    return GeneralSet(dataset, {side: [clip for clip in clips if clip.split == side] for side in SIDES})


def only_usable(general: GeneralSet, base: Recogniser) -> tuple[GeneralSet, list[str]]:
    """The clips that `base` can transcribe, and learn to write; and why each of the others is left out."""
    good, bad = {}, []
    for side in SIDES:
        heard, reasons = usable(general.dataset, general.splits[side], base.family)
        too_long = unwritable(heard, base) if side != "test" else {}
        good[side] = [clip for clip in heard if clip.id not in too_long]
        bad += [*reasons, *named(too_long)]
    return GeneralSet(general.dataset, good), bad


def dataset_of(config: TrainConfig, workspace: Workspace) -> Dataset | None:
    """Where the general set that `config` asks for lies, or None. Raises ConfigError, DataError."""
    if config.replay == BUNDLED:
        return Dataset.open(GENERAL_FOLDER) if config.model == STARTER else None
    if config.replay == NOTHING:
        return None
    if config.replay == config.dataset:
        raise ConfigError(
            f"replay: “{config.replay}” is the dataset being trained on.", "Choose another dataset, or none."
        )
    return open_dataset(workspace, config.replay)


def _writes_words(clips: Sequence[Utterance]) -> bool:
    """Whether these labels write numbers as words, and never as digits."""
    text = " ".join(clip.text.lower() for clip in clips)
    return not any(character.isdigit() for character in text) and bool(set(text.split()) & set(DIGIT_NAMES))


def _sample(clips: list[Utterance], count: int) -> list[Utterance]:
    """`count` of `clips` at most, the same each time, in their order."""
    if len(clips) <= count:
        return clips
    chosen = sorted(random.Random(count).sample(range(len(clips)), count))
    return [clips[place] for place in chosen]

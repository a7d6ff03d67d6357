"""What a run must not forget: clips that are replayed while it learns, that help choose, and that measure.

They come from a bundled set, or from a dataset of the person's. Its three splits keep apart: train is replayed,
validation helps to choose the best adapter, test shows what was forgotten. The starter has a set of its own small
world. For other English models it is people who read aloud; what is replayed of them is labelled by the base model
itself, so that its way of writing stays as it is, and the true transcripts measure.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from studio.config import BUNDLED, ECHO, NOTHING, STARTER, Normaliser, TrainConfig
from studio.data.manifest import Dataset, Utterance
from studio.data.utterance import SIDES
from studio.errors import ConfigError
from studio.evaluation.cache import HypothesisCache
from studio.evaluation.evaluate import open_dataset, read_manifest
from studio.evaluation.hypotheses import Hypotheses, transcribed, usable
from studio.models import Recogniser
from studio.models.language import ENGLISH, language_of
from studio.models.writable import Splits, named, unwritable
from studio.runs.events import Event, Phase
from studio.runs.folder import RunFolder
from studio.starter import GENERAL_FOLDER
from studio.text import DIGIT_NAMES, digits_to_words
from studio.train.stopping import Check
from studio.workspace import Workspace, write_atomically

PEOPLE_FOLDER = Path(__file__).parent / "people"
AT_MOST = {"train": 2000, "validation": 40, "test": 200}  # clips of a large dataset: a sample shows as much


@dataclass(frozen=True, slots=True)
class GeneralSet:
    """Clips of other voices, or of everything that the model knew; a split may be empty."""

    dataset: Dataset
    splits: Splits

    @property
    def is_people(self) -> bool:
        """Whether it is the bundled set of people who read aloud."""
        return self.dataset.folder == PEOPLE_FOLDER

    @property
    def normaliser(self) -> Normaliser:
        """How its errors are counted: digits and their names are the same, and of people also “Mr.” and “mister”."""
        return "whisper" if self.is_people else "spoken"


def choose(config: TrainConfig, own: Splits, workspace: Workspace) -> GeneralSet | None:
    """The general set that `config` asks for, or None. Raises ConfigError, DataError."""
    dataset = dataset_of(config, workspace)
    if dataset is None:
        return None
    clips = dataset.utterances()
    if config.replay == BUNDLED:
        clips = in_their_numbers(clips, own["train"])
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
        return _bundled(config.model)
    if config.replay == NOTHING:
        return None
    if config.replay == config.dataset:
        raise ConfigError(
            f"replay: “{config.replay}” is the dataset being trained on.", "Choose another dataset, or none."
        )
    return open_dataset(workspace, config.replay)


def _bundled(model: str) -> Dataset | None:
    if model == STARTER:
        return Dataset.open(GENERAL_FOLDER)
    is_served = model != ECHO and language_of(model) == ENGLISH
    return Dataset.open(PEOPLE_FOLDER) if is_served else None


def labelled(
    general: GeneralSet, base: Recogniser, own: Splits, known: HypothesisCache, check: Check
) -> Generator[Event, None, GeneralSet]:
    """`general` with what `base` writes as the labels to learn from; a clip for which it writes nothing is left out.

    What is silent keeps nothing as its label.
    """
    silent = [clip for clip in general.splits["train"] if clip.silent]
    spoken = [clip for clip in general.splits["train"] if not clip.silent]
    written = Hypotheses()
    for batch in transcribed(base, general.dataset, spoken, known):
        written.add(batch)
        yield Phase(name="labelling", done=written.done, total=len(spoken))
        check()
    texts = {id: hypothesis.text.strip() for id, hypothesis in written.texts.items()}
    clips = [clip.model_copy(update={"text": texts[clip.id]}) for clip in spoken if texts.get(clip.id)]
    return replace(general, splits={**general.splits, "train": in_their_numbers(clips, own["train"]) + silent})


def in_their_numbers(clips: list[Utterance], own: Sequence[Utterance]) -> list[Utterance]:
    """`clips` with numbers written as words, where the labels of `own` write them so: else one undoes the other."""
    if not _writes_words(own):
        return clips
    return [clip.model_copy(update={"text": digits_to_words(clip.text)}) for clip in clips]


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

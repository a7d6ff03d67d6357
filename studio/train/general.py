"""What a run must not forget: clips that are replayed while it learns, that help choose, and that measure.

They come from a bundled set, or from a dataset of the person's. Its three splits keep apart: train is replayed,
validation helps to choose the best adapter, test shows what was forgotten. The starter has a set of its own small
world; for other English models it is people who read aloud. A dataset without labels, anything that the person has
said in any language, is added to these, labelled by the base model itself.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from studio.config import BUNDLED, Normaliser, TrainConfig
from studio.data.manifest import Dataset, Example
from studio.data.utterance import SIDES
from studio.evaluation import general_set
from studio.evaluation.cache import HypothesisCache
from studio.evaluation.evaluate import hash_of, read_manifest
from studio.evaluation.hypotheses import Hypotheses, transcribed, usable
from studio.models import Recogniser
from studio.models.word_times import LearnsFromWordTimes, timed
from studio.models.writable import Splits, named, unwritable
from studio.runs.events import Event, Phase
from studio.runs.folder import RunFolder
from studio.text import DIGIT_NAMES, counted, digits_to_words
from studio.train.stopping import Check
from studio.workspace import Workspace, write_atomically

MOST_UNLABELLED = 400  # clips of a dataset without labels, which the base model transcribes first
AT_MOST = {"train": 2000, "validation": 40, "test": 200}  # clips of a large dataset: a sample shows as much


@dataclass(frozen=True, slots=True)
class GeneralSet:
    """Clips of other voices, or of everything that the model knew; a split may be empty."""

    dataset: Dataset
    splits: Splits
    sound: Dataset | None = None  # the person's, without labels
    unlabelled: list[Example] = field(default_factory=list)  # clips of it, replayed in addition

    @property
    def is_people(self) -> bool:
        """Whether it is the bundled set of people who read aloud."""
        return self.dataset.folder == general_set.PEOPLE_FOLDER

    @property
    def normaliser(self) -> Normaliser:
        """How its errors are counted: digits and their names are the same, and of people also “Mr.” and “mister”."""
        return "whisper" if self.is_people else "spoken"


def choose(config: TrainConfig, own: Splits, workspace: Workspace) -> GeneralSet | None:
    """The general set that `config` asks for, or None. Raises ConfigError, DataError."""
    dataset, sound = general_set.dataset_of(config, workspace), general_set.sound_of(config, workspace)
    if dataset is None:
        return None
    clips: list[Example] = [*dataset.utterances()]
    if config.replay == BUNDLED:
        clips = in_their_numbers(clips, own["train"])
    splits = {side: _sample([clip for clip in clips if clip.split == side], AT_MOST[side]) for side in SIDES}
    unlabelled = (
        _sample([clip for clip in sound.utterances() if general_set.waits(clip)], MOST_UNLABELLED) if sound else []
    )
    if config.replay_share and not (splits["train"] or unlabelled):
        raise general_set.nothing_to_replay(config)
    return GeneralSet(dataset, splits, sound, unlabelled)


def keep(general: GeneralSet | None, folder: RunFolder) -> None:
    """Write down in `folder` which clips of the general set the run uses, if any. Raises DiskError."""
    if general:
        clips = [*(clip for side in SIDES for clip in general.splits[side]), *general.unlabelled]
        write_atomically(folder.general, "".join(clip.to_line() + "\n" for clip in clips))


def kept(config: TrainConfig, folder: RunFolder, workspace: Workspace) -> GeneralSet | None:
    """The general set that the run in `folder` began with. Raises DataError, JobError."""
    dataset = general_set.dataset_of(config, workspace)
    if dataset is None:
        return None
    clips = read_manifest(folder.general)
    splits = {side: [clip for clip in clips if clip.split == side] for side in SIDES}
    return GeneralSet(
        dataset, splits, general_set.sound_of(config, workspace), [clip for clip in clips if clip.split == "unused"]
    )


def only_usable(general: GeneralSet, base: Recogniser) -> tuple[GeneralSet, list[str]]:
    """The clips that `base` can transcribe, and learn to write; and why each of the others is left out."""
    good, bad = {}, []
    for side in SIDES:
        heard, reasons = usable(general.dataset, general.splits[side], base.family)
        too_long = unwritable(heard, base) if side != "test" else {}
        good[side] = [clip for clip in heard if clip.id not in too_long]
        bad += [*reasons, *named(too_long)]
    unlabelled: list[Example] = []
    if general.sound:
        unlabelled, reasons = usable(general.sound, general.unlabelled, base.family, needs_label=False)
        bad += reasons
    found = replace(general, splits=good, unlabelled=unlabelled)
    return _only_timed(found, bad, base) if isinstance(base.family, LearnsFromWordTimes) else (found, bad)


def _only_timed(general: GeneralSet, bad: list[str], base: Recogniser) -> tuple[GeneralSet, list[str]]:
    """`general` without what cannot be replayed, since its words have no times; its other splits still measure."""
    known = timed(general.splits["train"], base.family)
    if missing := len(general.splits["train"]) + len(general.unlabelled) - len(known):
        bad = [*bad, f"{counted(missing, 'clip')} to replay (no word times)"]
    return replace(general, splits={**general.splits, "train": known}, unlabelled=[]), bad


def labelled(
    general: GeneralSet, base: Recogniser, own: Splits, cache: Path, check: Check
) -> Generator[Event, None, GeneralSet]:
    """`general` with what `base` writes as the label of what has none; a clip for which it writes nothing is left out.

    What was written is kept in the folder `cache` for the next run.
    """
    clips = general.unlabelled
    if general.sound is None or not clips:
        return general
    known, written = HypothesisCache.of(cache, base, hash_of(clips), with_adapter=False), Hypotheses()
    for batch in transcribed(base, general.sound, clips, known):
        written.add(batch)
        yield Phase(name="labelling", done=written.done, total=len(clips))
        check()
    texts = {id: hypothesis.text.strip() for id, hypothesis in written.texts.items()}
    clips = [clip.model_copy(update={"text": texts[clip.id]}) for clip in clips if texts.get(clip.id)]
    return replace(general, unlabelled=in_their_numbers(clips, own["train"]))


def in_their_numbers(clips: list[Example], own: Sequence[Example]) -> list[Example]:
    """`clips` with numbers written as words, where the labels of `own` write them so: else one undoes the other."""
    if not _writes_words(own):
        return clips
    return [clip.model_copy(update={"text": digits_to_words(clip.text)}) for clip in clips]


def _writes_words(clips: Sequence[Example]) -> bool:
    """Whether these labels write numbers as words, and never as digits."""
    text = " ".join(clip.text.lower() for clip in clips)
    return not any(character.isdigit() for character in text) and bool(set(text.split()) & set(DIGIT_NAMES))


def _sample(clips: list[Example], count: int) -> list[Example]:
    """`count` of `clips` at most, the same each time, in their order."""
    if len(clips) <= count:
        return clips
    chosen = sorted(random.Random(count).sample(range(len(clips)), count))
    return [clips[place] for place in chosen]

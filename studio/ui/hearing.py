"""What the Test tab asks of the rooms below: which runs there are, what they transcribe, where a correction goes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from studio import audio
from studio.audio import Waveform
from studio.data import quality
from studio.data.manifest import Dataset, Utterance
from studio.errors import AudioError, CancelledError, DataError, JobError, ModelError
from studio.evaluation.evaluate import open_dataset
from studio.evaluation.word_diff import compared
from studio.inference.misread import heard_another
from studio.inference.worker import Worker
from studio.models.base import Hypothesis
from studio.models.key_terms import DEFAULT_BOOST
from studio.models.strength import strength_of
from studio.runs import listing
from studio.runs.folder import RunFolder
from studio.text.metrics import Edit
from studio.ui import base_models
from studio.workspace import Workspace


class TestableRun(BaseModel):
    """A run with an adapter, as the picker lists it."""

    model_config = ConfigDict(frozen=True)

    name: str
    model: str
    dataset: str  # a name under recordings/; empty where the run's dataset lies elsewhere
    before: float | None  # the rate that the verdict goes by
    after: float | None
    rate: str  # its name: WER or CER
    strength: float | None  # of its adapter, 1 as trained; None where it cannot be changed


class ModelHypothesis(BaseModel):
    """What one model wrote: the base alone, or with the adapter of a run."""

    model_config = ConfigDict(frozen=True)

    run: str  # empty for the base alone
    plain: Hypothesis
    biased: Hypothesis | None  # with the key terms; None where there are none
    edits: list[Edit]  # that turn the base's text into this one; none for the base itself
    changes: list[Edit]  # that the key terms made: `plain` into `biased`


class UtteranceHypotheses(BaseModel):
    """One utterance, transcribed by the base model and then by each run."""

    model_config = ConfigDict(frozen=True)

    model: str
    columns: list[ModelHypothesis]
    notes: list[str]  # about the recording: too quiet, clipped, …


class LiveHypothesis(BaseModel):
    """What one model has written of a turn that is going on."""

    model_config = ConfigDict(frozen=True)

    run: str  # empty for the base alone
    words: list[tuple[str, float]]  # each with the lowest probability of its tokens, 0..1
    starts: list[float]  # seconds of the turn at which each begins


class LiveTurnHeard(BaseModel):
    """A turn that is going on, as far as it was heard."""

    model_config = ConfigDict(frozen=True)

    heard: int  # samples that the model has: the next ones are to begin there
    columns: list[LiveHypothesis]  # the base, then the run; those that cannot keep pace are left out


class ModelSelection(BaseModel):
    """A base model, and the adapters on it that are compared, by the names of their runs."""

    model_config = ConfigDict(frozen=True)

    model: str
    adapters: dict[str, Path]


class Kept(BaseModel):
    """Where a correction went."""

    model_config = ConfigDict(frozen=True)

    id: str
    text: str
    said: str


def testable_runs(workspace: Workspace) -> list[TestableRun]:
    """Runs that are done and left an adapter, newest first; one whose settings cannot be read is left out."""
    here = workspace.datasets()
    found = [_testable(run, RunFolder(workspace.outputs / run.name), here) for run in listing.runs(workspace)]
    return [run for run in found if run]


def _testable(run: listing.RunSummary, folder: RunFolder, datasets: list[str]) -> TestableRun | None:
    if not has_adapter(folder):
        return None
    try:
        model, dataset = setting(folder, "model"), setting(folder, "dataset")
    except JobError:
        return None
    return TestableRun(
        name=run.name,
        model=model,
        dataset=dataset if dataset in datasets else "",
        before=run.before,
        after=run.after,
        rate=run.rate,
        strength=_strength(folder),
    )


def _strength(folder: RunFolder) -> float | None:
    with suppress(ModelError):  # loading it says what is wrong
        return strength_of(folder.adapter)
    return None


def has_adapter(folder: RunFolder) -> bool:
    """Whether the run is done and was not discarded."""
    return folder.done.is_file() and (folder.adapter / "adapter_model.safetensors").is_file()


def finished(workspace: Workspace, run: str) -> RunFolder:
    """The run called `run`. Raises JobError where it was deleted, or left no adapter."""
    try:
        folder = listing.existing(workspace, run)
    except JobError as error:
        raise JobError(f"The run “{run}” no longer exists.", "Choose another one above.") from error
    if not has_adapter(folder):
        raise JobError(f"The run “{run}” has no adapter.", "Choose a run that has finished.")
    return folder


def choose(workspace: Workspace, runs: Sequence[str], model: str) -> ModelSelection:
    """What transcribes: `runs`, all on one base, or `model` alone where there are none.

    Raises JobError for a run without an adapter, and where their bases differ; ModelError for a model that the page
    does not offer.
    """
    folders = {run: finished(workspace, run) for run in runs}
    bases = {run: setting(folder, "model") for run, folder in folders.items()}
    for run, base in bases.items():
        if base != bases[runs[0]]:
            what = f"“{runs[0]}” was trained on {bases[runs[0]]}, “{run}” on {base}."
            raise JobError(what, "Compare runs of one base model.")
    base = bases[runs[0]] if runs else base_models.known(workspace, model)
    return ModelSelection(model=base, adapters={run: folder.adapter for run, folder in folders.items()})


def setting(folder: RunFolder, name: str) -> str:
    """One setting of the run, of `config.json`. Raises JobError where it cannot be read."""
    try:
        return str(json.loads(folder.config.read_bytes())[name])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{folder.config} cannot be read.", "Choose another run, or train again.") from error


def utterance(
    recogniser: Worker,
    sound: bytes,
    chosen: ModelSelection,
    terms: Sequence[str],
    boost: float,
    strength: float = 1.0,
    *,
    short_frames: bool = False,
) -> UtteranceHypotheses:
    """Transcribe one utterance by all that is chosen. Raises AudioError where it cannot be, and as Worker does."""
    wave = _usable(sound)
    adapters = tuple(chosen.adapters.values())
    readings = recogniser.transcribe_each(
        sound, chosen.model, adapters, terms, boost, strength, short_frames=short_frames
    )
    base = readings[0].plain.text
    columns = [
        ModelHypothesis(
            run=run,
            plain=reading.plain,
            biased=reading.biased,
            edits=joined(compared(base, reading.plain.text)) if run else [],
            changes=joined(compared(reading.plain.text, reading.biased.text)) if reading.biased else [],
        )
        for run, reading in zip(("", *chosen.adapters), readings, strict=True)
    ]
    return UtteranceHypotheses(model=chosen.model, columns=columns, notes=_notes_on(wave))


def so_far(recogniser: Worker, sound: bytes, chosen: ModelSelection) -> str:
    """What has been said so far, by the first run, or by the base where there is none. Raises as `utterance` does.

    Empty where it was given up for the whole utterance.
    """
    try:
        return recogniser.partial(sound, chosen.model, next(iter(chosen.adapters.values()), None)).text
    except CancelledError:
        return ""


def listened(recogniser: Worker, sound: bytes, chosen: ModelSelection, turn: str, at: int) -> LiveTurnHeard:
    """What the base and the first run have written of the turn called `turn`, of which `sound` begins at sample `at`.

    Raises AudioError, DataError for a turn that is too long or a model that cannot, and as Worker does.
    """
    run, adapter = next(iter(chosen.adapters.items()), ("", None))
    found = recogniser.listen(sound, chosen.model, [adapter] if adapter else [], turn, at)
    columns = [
        LiveHypothesis(run=("", run)[column["reader"]], words=column["words"], starts=column["starts"])
        for column in found["readers"]
    ]
    return LiveTurnHeard(heard=found["heard"], columns=columns)


def another(reader: Worker, content: bytes, who: ModelSelection, label: str) -> str:
    """What the base model of `who` transcribed, where it is sure that it is not `label`; empty otherwise."""
    [heard] = reader.transcribe_each(content, who.model, (), (), DEFAULT_BOOST)
    return heard.plain.text if heard_another(label, heard.plain, who.model) else ""


def joined(edits: list[Edit]) -> list[Edit]:
    """`edits` with neighbours that differ made one; what only looks different stays by itself."""
    found = []
    for kind, group in groupby(edits, key=lambda edit: edit.kind if edit.kind in ("equal", "spelling") else "other"):
        parts = list(group)
        reference = " ".join(part.reference for part in parts if part.reference)
        hypothesis = " ".join(part.hypothesis for part in parts if part.hypothesis)
        both = "substitute" if reference and hypothesis else parts[0].kind
        found.append(Edit(kind=both if kind == "other" else parts[0].kind, reference=reference, hypothesis=hypothesis))
    return found


def _usable(sound: bytes) -> Waveform:
    """The samples of a recording that can be transcribed. Raises AudioError for one that cannot."""
    info, wave = audio.decode(sound)
    if refused := audio.refusal(info):
        raise AudioError(refused.what, refused.remedy)
    return wave


def _notes_on(wave: Waveform) -> list[str]:
    """What a person should know about a recording."""
    figures = quality.measured(wave)
    found = quality.findings(figures, duration=wave.duration) if figures else []
    return [f"{finding.what} {finding.remedy}".strip() for finding in found]


def keep(dataset: Dataset, sound: bytes, text: str) -> Kept:
    """Add a corrected utterance to the training clips. Raises DataError, AudioError or DiskError."""
    clip = dataset.add(sound, text=text, source="live")
    return Kept(id=clip.id, text=clip.text, said=_where(dataset, clip))


def take_back(dataset: Dataset, id: str) -> None:
    """Undo `keep`: the clip goes to the trash. Raises DataError for a clip that was not kept here."""
    if dataset.get(id).source != "live":
        raise DataError(f"Clip {id} was not kept from the Test tab.", "Delete it in the Review tab.")
    dataset.trash([id])


def dataset_of(workspace: Workspace, run: str, in_hand: str) -> Dataset:
    """Where corrections go: the run's dataset, or without a run the one in hand. Raises DataError."""
    if run:
        return open_dataset(workspace, setting(listing.existing(workspace, run), "dataset"))
    return Dataset.create(workspace.dataset(in_hand))


def _where(dataset: Dataset, clip: Utterance) -> str:
    if clip.split == "unused":
        return f"Kept in “{dataset.name}”, but set aside: the test split has this sentence, so it never trains."
    side = "training" if clip.split == "train" else clip.split
    return f"Kept in “{dataset.name}” as a {side} clip of {clip.duration:.1f} s."

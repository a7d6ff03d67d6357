"""What the Train tab's form is made of: settings, presets, models, what a run would need, what still blocks a start."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, Literal

import psutil
from pydantic import BaseModel

from studio import config as settings
from studio.cluster import address
from studio.config import Kind, TrainConfig
from studio.data.labels.mixed_numbers import numbers_in_two_ways
from studio.data.manifest import Dataset
from studio.data.splits import assignment
from studio.data.splits.assignment import MINIMUM
from studio.data.utterance import SIDES, Example
from studio.errors import DataError
from studio.evaluation import general_set
from studio.models import before_start
from studio.models.language import language_of
from studio.models.memory import estimate
from studio.models.training_time import expected
from studio.runs import control, editing, listing, queue, ready
from studio.runs.folder import JobFolder
from studio.runs.listing import RunSummary, note
from studio.runs.processes import Job
from studio.ui import base_models, sidebar
from studio.workspace import Workspace

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "quick": "a first impression",
        "balanced": "right for most voices and conventions",
        "thorough": "more rounds, for a hard voice or many clips",
    }
)
TEACHES: Mapping[str, str] = MappingProxyType(
    {
        "conventions": "How things are written, such as numbers as words. Fastest; the sound is recognised as before.",
        "voice": "Adapts only the text half to your voice. Nearly as fast.",
        "deep": "Adapts the attention of both halves, for a voice that is often transcribed wrongly.",
        "full": "Adapts all layers. Learns most, in prose too, and takes longest.",
    }
)
TEACHES_HANDS: Mapping[str, str] = MappingProxyType(
    {
        "conventions": "A few habits, with the fewest layers. Fastest.",
        "voice": "Your usual typos, in the layers that look at the text. Nearly as fast.",
        "deep": "All layers that look at the text, for many kinds of typos.",
        "full": "Adapts all layers. Learns most, and takes longest.",
    }
)
OF_SOUND = ("augment", "replay", "replay_share", "short_seconds", "padding_weight", "train_embeddings")
"""Settings that mean nothing to typing."""
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Adapter": ("targets", "rank", "alpha", "dropout", "dora", "rslora", "choose_strength"),
        "Steps": (
            "learning_rate", "warmup_steps", "max_steps", "batch_size", "accumulation", "weight_decay", "max_grad_norm",
        ),
        "Clips": ("augment", "replay", "replay_share", "short_frames"),
        "Scoring": ("eval_every", "patience", "normaliser", "short_seconds"),
        "Word times": ("padding_weight", "train_embeddings"),
        "Machine": ("device", "precision", "threads", "gradient_checkpointing", "seed"),
    }
)  # fmt: skip


class Knob(BaseModel):
    """One setting as a form field."""

    name: str
    label: str
    help: str
    kind: Literal["integer", "number", "boolean", "string", "choice"]
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    choices: list[str] = []


class PresetCard(BaseModel):
    """A named starting point: every knob's value, and what it is for."""

    name: str
    title: str
    meaning: str
    values: dict[str, Any]


class AdapterCard(BaseModel):
    """What a run can teach: a value of the setting `targets`, in words, and what goes with it."""

    name: str
    title: str
    meaning: str
    values: dict[str, Any]


class Model(BaseModel):
    """One line of the model picker."""

    id: str
    title: str
    parameters: int
    state: Literal["bundled", "on disk", "download"]
    download_bytes: int  # 0 where it is not known yet
    is_own: bool = False  # a person added it, and can take it off the list
    languages: list[str] = []  # codes among which a person chooses, of a multilingual model on this disk
    language: str = ""  # the one that it is to transcribe
    targets: str = ""  # what to teach it where a person chose nothing else


class Clips(BaseModel):
    """What there is to learn from, and whether that is enough to start a run."""

    train: int = 0
    validation: int = 0
    test: int = 0
    seconds: float = 0.0  # of audio
    missing: int = 0  # clips to record where they are too few to start
    blocker: str = ""  # why a run cannot start, in a sentence
    advice: str = ""  # why more clips should come first, where it can
    mixed: str = ""  # a sentence, where numbers are written in two ways


class Download(BaseModel):
    """A model on its way to this disk."""

    model: str
    status: control.Status
    line: str  # what it said last


class WaitingRun(BaseModel):
    """A run that waits its turn."""

    name: str
    model: str
    dataset: str
    settings: str  # what differs from the defaults, as flags


class Memory(BaseModel):
    """What a run would need at its peak, in words, and whether there is as much."""

    text: str
    is_enough: bool


class Planned(BaseModel):
    """What the form comes to: the command that does the same; memory and time, where they can be known."""

    command: str
    memory: Memory | None
    notes: list[str]  # labels that the model cannot write, in sentences
    time: str = ""  # how long it takes, in a sentence; empty where it cannot be estimated


class RunDetails(BaseModel):
    """What a run was asked to do, and a person's note on it."""

    note: str
    settings: dict[str, Any]  # by name
    changed: list[str]  # those that are not the defaults
    is_over: bool


class Form(BaseModel):
    """All that the Train tab shows besides a run itself."""

    kind: Kind  # of the dataset
    clips: Clips
    knobs: dict[str, list[Knob]]
    adapters: list[AdapterCard]
    presets: list[PresetCard]
    models: list[Model]
    download: Download | None
    running: str | None
    waiting: list[WaitingRun]
    runs: list[RunSummary]
    can_go_away: bool  # to a cluster: what speaks to one is installed


def form(workspace: Workspace, dataset: str) -> Form:
    """The form for `dataset`. Raises ConfigError where that cannot be a name."""
    waits = waiting(workspace)  # before the next line: a run that begins meanwhile is in both rather than in neither
    active = control.active(workspace)
    kind = Dataset(workspace.dataset(dataset)).kind
    return Form(
        kind=kind,
        clips=clips(workspace, dataset),
        knobs=knobs(kind),
        adapters=adapters(kind),
        presets=presets(),
        models=models(workspace, kind),
        download=download(workspace),
        running=active.name if active else None,
        waiting=waits,
        runs=listing.runs(workspace),
        can_go_away=address.is_ray_here(),
    )


def models(workspace: Workspace, kind: Kind = "speech") -> list[Model]:
    """The lines of the model picker: models that take what a dataset of `kind` holds."""
    own, fitting = base_models.added(workspace), base_models.of_kind(workspace, kind)
    cards = [card for card in base_models.offered(workspace) if card.id in fitting]
    return [
        Model(
            **asdict(card),
            is_own=card.id in own,
            languages=base_models.languages_of(card),
            language=language_of(card.id),
            targets=before_start.usual_targets(card.id, sidebar.is_on_cpu),
        )
        for card in cards
    ]


def knobs(kind: Kind = "speech") -> dict[str, list[Knob]]:
    """Every setting with a default that means something to `kind`, by group; one of no group is under “Other”."""
    schema = TrainConfig.model_json_schema()["properties"]
    hidden = {"model", *(OF_SOUND if kind == "typing" else ())}
    names = [name for name, _ in settings.knobs() if name not in hidden]
    groups = {title: [name for name in members if name in names] for title, members in GROUPS.items()}
    groups["Other"] = [name for name in names if not any(name in members for members in GROUPS.values())]
    return {title: [_knob(name, schema[name]) for name in members] for title, members in groups.items() if members}


def _knob(name: str, schema: Mapping[str, Any]) -> Knob:
    return Knob(
        name=name,
        label=TrainConfig.model_fields[name].title or name.replace("_", " ").capitalize(),
        help=schema["description"],
        kind="choice" if "enum" in schema else schema["type"],
        default=schema["default"],
        minimum=schema.get("minimum", schema.get("exclusiveMinimum")),
        maximum=schema.get("maximum", schema.get("exclusiveMaximum")),
        choices=schema.get("enum", []),
    )


def presets() -> list[PresetCard]:
    """The presets, each with all its values."""
    defaults = {name: info.default for name, info in settings.knobs() if name != "model"}
    return [
        PresetCard(
            name=name,
            title=name.capitalize(),
            meaning=f"Up to {values.get('max_steps', defaults['max_steps'])} steps: {MEANINGS[name]}.",
            values={**defaults, **values},
        )
        for name, values in settings.PRESETS.items()
    ]


def adapters(kind: Kind = "speech") -> list[AdapterCard]:
    """What a run can teach, each in a sentence."""
    meanings = TEACHES if kind == "speech" else TEACHES_HANDS
    return [
        AdapterCard(name=name, title=name.capitalize(), meaning=meanings[name], values={**values, "targets": name})
        for name, values in settings.ADAPTERS.items()
    ]


def clips(workspace: Workspace, dataset: str) -> Clips:
    """What `dataset` holds for a run."""
    folder = Dataset(workspace.dataset(dataset))
    used = folder.in_splits(*SIDES)
    sizes = Counter(clip.split for clip in used)
    mixed = numbers_in_two_ways(clip.text for clip in used) if folder.kind == "speech" else None
    found = Clips(
        train=sizes["train"],
        validation=sizes["validation"],
        test=sizes["test"],
        seconds=sum(clip.duration for clip in used),
        mixed=mixed.what if mixed else "",
    )
    try:
        then = assignment.trainable(folder)
        advice = f"{assignment.moves_at_start(used, then)} {assignment.shortage(then)}".strip()
        return found.model_copy(update={"advice": advice})
    except DataError as error:
        missing = assignment.more_for_first_training(used) if len(used) < sum(MINIMUM.values()) else 0
        return found.model_copy(update={"missing": missing, "blocker": str(error)})


def plan(workspace: Workspace, values: Mapping[str, Any]) -> TrainConfig:
    """The run that a client asks for. Raises ConfigError, DataError or ModelError, and opens no path of theirs."""
    config = TrainConfig.checked(**values)
    Dataset.open(workspace.dataset(config.dataset))
    if config.replay not in (settings.BUNDLED, settings.NOTHING):
        Dataset.open(workspace.dataset(config.replay))
    base_models.known(workspace, config.model)
    return config


def about(workspace: Workspace, run: str) -> RunDetails:
    """The note and the settings of `run`. Raises JobError, ConfigError."""
    folder, config = listing.existing(workspace, run), editing.settings_of(workspace, run)
    settings_, defaults = config.model_dump(), {name: info.default for name, info in settings.knobs()}
    changed = [name for name, default in defaults.items() if settings_[name] != default]
    return RunDetails(note=note(folder), settings=settings_, changed=changed, is_over=control.state(folder).is_over)


def where(values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The cluster that a client names, or nothing for this machine; and the settings alone. Raises ConfigError."""
    settings = dict(values)
    on = settings.pop("on", None)
    return ("" if on is None else address.checked(str(on))), settings


def planned(workspace: Workspace, values: Mapping[str, Any]) -> Planned:
    """What `values` come to, on the dataset as it is now. Raises as `where` and `plan`."""
    on, settings = where(values)
    config = plan(workspace, settings)
    dataset = Dataset(workspace.dataset(config.dataset))
    clips = dataset.in_splits(*SIDES)
    notes = before_start.check(config, clips)
    if on:
        return Planned(command=workspace.command(*config.command()[1:], "--on", on), memory=None, notes=notes)
    kind = sidebar.device() if config.device == "auto" else config.device.upper()
    time = expected(workspace, config, clips, general_set.measuring(config, workspace), on_cpu=kind == "CPU")
    return Planned(
        command=workspace.command(*config.command()[1:]),
        memory=_memory(workspace, config, clips, is_cuda="CUDA" in kind),
        time=time.as_text(config.max_steps) if time else "",
        notes=notes,
    )


def _memory(workspace: Workspace, config: TrainConfig, clips: list[Example], *, is_cuda: bool) -> Memory | None:
    seconds, texts = [clip.duration for clip in clips], [clip.text for clip in clips]
    needed = estimate(config, seconds, "cuda" if is_cuda else "cpu", texts)
    if needed is None:
        return None
    free = None if is_cuda else free_memory(workspace)  # of a GPU only torch knows it, which the page never loads
    return Memory(text=needed.as_text(free), is_enough=free is None or needed.total <= free)


def free_memory(workspace: Workspace) -> int:
    """Bytes that a run could have: what is free, and what the current run and a waiting trainer hold."""
    free = int(psutil.virtual_memory().available) + ready.shared().held()
    if (going := control.active(workspace)) and (pid := control.state(going).pid):
        with suppress(psutil.Error):
            free += psutil.Process(pid).memory_info().rss
    return free


def waiting(workspace: Workspace) -> list[WaitingRun]:
    """The runs that wait, the next one first."""
    return [WaitingRun(name=run.name, **run.job.about, settings=run.settings) for run in queue.waiting(workspace)]


def fetch(workspace: Workspace, model: str) -> None:
    """Start the download of `model`, in a process of its own. Raises ModelError, or JobError where one is going on."""
    folder = JobFolder(workspace.outputs / ".fetch" / base_models.known(workspace, model).replace("/", "--"))
    control.start(folder, [sys.executable, "-m", "studio", "fetch", model], {"model": model})


def download(workspace: Workspace) -> Download | None:
    """The download that was started last, if any."""
    last = control.latest(workspace.outputs / ".fetch")
    if last is None:
        return None
    job = Job.read(last)
    try:
        said = last.log.read_text(errors="replace").split("\n")
    except FileNotFoundError:
        said = []
    line = next((line.strip() for line in reversed(said) if line.strip()), "")
    return Download(model=job.about["model"] if job else "", status=control.state(last).status, line=line)

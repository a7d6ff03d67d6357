"""The Labels dialog: numbers, style, a model's transcripts, and labels that look wrong.

Every tab of it shows new labels as a list first; the list is made again when it is applied, and refused where it is
no longer the one that was shown. What a model does runs as a task of the dataset.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal, get_args

from fastapi import APIRouter
from pydantic import BaseModel

from studio.data import word_times
from studio.data.labels.numbers import offenders
from studio.data.labels.style import SHOWN, StyleFinding
from studio.data.manifest import Dataset, Utterance
from studio.data.store import asr_results
from studio.data.view.query import Selection
from studio.data.word_times import BY_HAND, ROUGH
from studio.errors import ModelError
from studio.inference import label_offers
from studio.inference.alignment import aligner
from studio.inference.label_errors import LIKELY
from studio.inference.label_offers import Request
from studio.models.catalogue import locate
from studio.runs import listing, tasks
from studio.runs.folder import RunFolder
from studio.runs.tasks import TaskState
from studio.text import counted
from studio.text.number_rules import DigitRules, WordRules
from studio.ui import assets, base_models
from studio.ui.page import Page
from studio.workspace import Workspace, write_atomically

Verb = Literal["prelabel", "suspects", "align"]
_DOING = {
    "prelabel": "Transcribing", "suspects": "Looking for wrong labels in", "align": "Timing the words of",
}  # fmt: skip

ROWS = 200  # proposals that are sent; the others are counted, and applied with them


class Rule(BaseModel):
    """One choice of how a kind of number is written."""

    name: str
    title: str
    description: str
    choices: list[str]
    default: str


class LabelModel(BaseModel):
    """A model, or a run's adapter on it, that can transcribe clips."""

    title: str
    model: str
    adapter: str | None


class LabelOverview(BaseModel):
    """What the dialog opens with."""

    clips: int  # that are chosen
    heard: int  # of them
    doubted: int  # of them, in which a search looked for wrong labels
    likely: int  # of them
    unlabelled: int  # of them
    timed: int  # of them, whose words have times
    rough: int  # of these, estimated without a model
    by_hand: int  # of these, set by a person
    readers: list[LabelModel]
    aligners: list[LabelModel]  # for word times; the last, ROUGH, is no model
    rules: dict[str, list[Rule]]


class LabelChange(BaseModel):
    """One label that would change; with a transcript, how sure the model was of each word."""

    id: str
    before: str
    after: str
    rule: str
    words: list[tuple[str, float]] = []


class LabelChanges(BaseModel):
    """New labels as the page shows them."""

    title: str
    count: int
    clips: int
    digest: str
    rows: list[LabelChange]
    left: int = 0  # labels that would still not be in the convention
    examples: list[str] = []  # of them
    untimed: int = 0  # labels that would lose their word times


class LabelRequest(BaseModel):
    """Which clips, and what of them."""

    selection: Selection
    request: Request


class Accepted(LabelRequest):
    """A list that a person looked at, without what they unticked."""

    digest: str
    without: list[str] = []


class Style(BaseModel):
    """Which clips, and the model whose tokenizer is asked; none where empty."""

    selection: Selection
    model: str = ""


class Work(BaseModel):
    """What a model is to do."""

    selection: Selection
    model: str
    adapter: str | None = None
    again: bool = False  # word times: also where there are some


class LabelSelection(BaseModel):
    """Which clips."""

    selection: Selection


def build(page: Page) -> None:
    """Put the dialog into the page."""
    assets.room("review/labels", "st-labels")


def router(workspace: Workspace) -> APIRouter:
    """What the dialog's scripts ask for."""
    routes = APIRouter(prefix="/studio/labels")

    @routes.post("/{name}/standing")
    def standing(name: str, choice: LabelSelection) -> LabelOverview:
        return _standing(workspace, *_chosen(workspace, name, choice.selection))

    @routes.post("/{name}/proposals")
    def proposals(name: str, wanted: LabelRequest) -> LabelChanges:
        return _offered(*_chosen(workspace, name, wanted.selection), wanted.request)

    @routes.post("/{name}/apply")
    def apply(name: str, accepted: Accepted) -> dict[str, Any]:
        dataset, clips = _chosen(workspace, name, accepted.selection)
        count, what = label_offers.accept(dataset, clips, accepted.request, accepted.digest, accepted.without)
        return {"changed": count, "what": what}

    @routes.post("/{name}/style")
    def style(name: str, wanted: Style) -> list[dict[str, Any]]:
        _, clips = _chosen(workspace, name, wanted.selection)
        model = base_models.known(workspace, wanted.model) if wanted.model else ""
        return [_finding(finding) for finding in label_offers.style(clips, model)]

    @routes.post("/{name}/{verb}")
    def start(name: str, verb: Verb, work: Work) -> TaskState:
        return _start(workspace, name, verb, work)

    return routes


def _chosen(workspace: Workspace, name: str, selection: Selection) -> tuple[Dataset, list[Utterance]]:
    dataset = Dataset(workspace.dataset(name))  # before the first clip it is an empty one
    return dataset, dataset.select_clips(selection)


def _standing(workspace: Workspace, dataset: Dataset, clips: list[Utterance]) -> LabelOverview:
    found = asr_results.read(dataset)
    readings = [found[clip.id] for clip in clips if clip.id in found]
    judged = [item.suspicion for item in readings if item.suspicion is not None]
    timed = [clip for clip in clips if word_times.timed(clip)]
    return LabelOverview(
        clips=len(clips),
        heard=len(readings),
        doubted=len(judged),
        likely=sum(suspicion > LIKELY for suspicion in judged),
        unlabelled=sum(not clip.text.strip() or clip.silent for clip in clips),
        timed=len(timed),
        rough=sum(clip.words_from == ROUGH for clip in timed),
        by_hand=sum(clip.words_from == BY_HAND for clip in timed),
        readers=_readers(workspace),
        aligners=_aligners(workspace),
        rules={"words": _rules(WordRules), "digits": _rules(DigitRules)},
    )


def _rules(kind: type[WordRules] | type[DigitRules]) -> list[Rule]:
    return [
        Rule(
            name=name,
            title=field.title or name,
            description=field.description or "",
            choices=list(get_args(field.annotation)),
            default=field.default,
        )
        for name, field in kind.model_fields.items()
    ]


def _readers(workspace: Workspace) -> list[LabelModel]:
    """Models on this disk, and before each the runs that tuned it, the latest first."""
    tuned = [run for run in listing.runs(workspace) if (RunFolder(workspace.run(run.name)).adapter).is_dir()]
    cards = [card for card in base_models.offered(workspace) if card.state != "download"]
    adapters = [LabelModel(title=f"{run.name} (tuned {run.model})", model=run.model, adapter=run.name) for run in tuned]
    return adapters + [LabelModel(title=f"{card.title} (not tuned)", model=card.id, adapter=None) for card in cards]


def _aligners(workspace: Workspace) -> list[LabelModel]:
    """Every Whisper on this disk, the best first, and the way without one."""
    names = {card.id: card.title for card in base_models.offered(workspace)}
    added = [card.id for card in base_models.offered(workspace) if card.family == aligner.WHISPER]
    ready = [source for source in dict.fromkeys([*aligner.on_disk(workspace), *added]) if source in names]
    found = [LabelModel(title=names[id], model=id, adapter=None) for id in ready if _is_here(id)]
    return [*found, LabelModel(title="Roughly, by loudness and letters", model=ROUGH, adapter=None)]


def _is_here(source: str) -> bool:
    with suppress(ModelError):
        return locate(source).is_dir()
    return False


def _offered(dataset: Dataset, clips: list[Utterance], request: Request) -> LabelChanges:
    made = label_offers.offer(dataset, clips, request)
    sent = made.proposals[:ROWS]
    words = asr_results.read(dataset) if request.kind == "heard" else {}
    rows = [LabelChange(**item.model_dump(), words=words[item.id].words if words else []) for item in sent]
    left: list[str] = []
    if request.kind == "numbers":
        after = {item.id: item.after for item in made.proposals}
        changed = [clip.model_copy(update={"text": after.get(clip.id, clip.text)}) for clip in clips]
        rules = label_offers.rules_for(request.convention, request.rules)
        left = [item.text for item in offenders(changed, request.convention, rules.language)]
    return LabelChanges(
        title=made.title,
        count=len(made.proposals),
        clips=made.clips,
        digest=made.digest,
        rows=rows,
        untimed=made.untimed,
        left=len(left),
        examples=left[:SHOWN],
    )


def _finding(finding: StyleFinding) -> dict[str, Any]:
    return finding.model_dump(exclude={"proposals"}) | {"mendable": len(finding.proposals)}


def _start(workspace: Workspace, name: str, verb: Verb, work: Work) -> TaskState:
    dataset, clips = _chosen(workspace, name, work.selection)
    if verb == "align":
        model = ["--rough"] if work.model == ROUGH else ["--model", base_models.known(workspace, work.model)]
        arguments = ["align", name, *model, *["--again"] * work.again]
    else:
        arguments = ["label", name, f"--{verb}", base_models.known(workspace, work.model)]
        arguments += ["--adapter", listing.existing(workspace, work.adapter).name] if work.adapter else []
    if len(clips) < len(dataset.utterances()):
        listed = dataset.folder / ".tasks" / f"{verb}.ids"
        write_atomically(listed, "\n".join(clip.id for clip in clips) + "\n")
        arguments += ["--clips", str(listed)]
    what = f"{_DOING[verb]} {counted(len(clips), 'clip')}"
    return tasks.start(workspace, name, verb, arguments, what)

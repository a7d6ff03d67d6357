"""The Test tab: speak, and read what the model wrote before and after; correct it, and keep it as a clip."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Form, UploadFile
from pydantic import BaseModel

from studio.data import prompts
from studio.data.manifest import Dataset
from studio.errors import AudioError
from studio.inference import worker
from studio.inference.worker import Worker
from studio.models.base import Listens
from studio.models.catalogue import locate
from studio.models.frames import FillsFrames
from studio.models.key_terms import DEFAULT_BOOST, HIGHEST_BOOST
from studio.models.registry import family_of
from studio.models.strength import MEASURED_BEFORE, change
from studio.ui import assets, hearing, heldout
from studio.ui.hearing import Kept, LiveTurnHeard, ModelSelection, TestableRun, UtteranceHypotheses
from studio.ui.page import Page
from studio.ui.turn_ends import TurnEnds, turn_ends_of
from studio.ui.typing import Mended, ToMend, mended
from studio.workspace import Workspace

LARGEST = 64 << 20  # bytes: a minute of 24-bit stereo at 192 kHz
Field = Annotated[str, Form()]
Fields = Annotated[Sequence[str], Form()]
TurnName = Annotated[str, Form(min_length=1, max_length=64)]
Boost = Annotated[float, Form(ge=0, le=HIGHEST_BOOST)]
Strength = Annotated[float, Form(ge=0, le=100)]  # of the adapters as they are kept


class Prepared(BaseModel):
    """A model that is in memory now."""

    model: str
    longest: float  # seconds that it takes whole
    listens: bool  # whether it writes while it hears
    fills: bool  # whether it fills each clip with silence up to 30 s


class NewStrength(BaseModel):
    """Another strength for the adapter of a run."""

    run: str
    strength: float


def build(page: Page) -> None:
    """The tab: a skeleton that `listen.js` brings to life."""
    assets.room("listen/listen", "st-listen")
    assets.room("typing/mend", "st-mend")  # in its place where the dataset holds typing


def router(workspace: Workspace, recogniser: Worker | None = None, mender: Worker | None = None) -> APIRouter:
    """What the tab's script asks. `recogniser` transcribes the clips; by default all tabs share one.

    `mender` corrects what was transcribed, in a process of its own: neither model has to make room for the other.
    """
    routes = APIRouter(prefix="/studio/listen")
    reader = recogniser or worker.shared()
    reading = threading.Lock()

    def chosen(run: Sequence[str], model: str) -> ModelSelection:
        return _chosen(workspace, run, model)

    @routes.post("/hear")
    def utterance(
        sound: UploadFile,
        run: Fields = (),
        model: Field = "",
        terms: Field = "",
        boost: Boost = DEFAULT_BOOST,
        strength: Strength = 1,
        short_frames: Annotated[bool, Form()] = False,
    ) -> UtteranceHypotheses:
        reader.interrupt()  # a text so far, which this makes needless
        with reading:
            wanted = prompts.parse_terms(terms)
            who = chosen(run, model)
            return hearing.utterance(reader, _content(sound), who, wanted, boost, strength, short_frames=short_frames)

    def if_idle(read: Callable[[], str]) -> str:
        """What `read` gives; empty while another clip is transcribed: neither waits for the other."""
        if not reading.acquire(blocking=False):
            return ""
        try:
            return read()
        finally:
            reading.release()

    @routes.post("/partial")
    def partial(sound: UploadFile, run: Fields = (), model: Field = "") -> dict[str, str]:
        return {"text": if_idle(lambda: hearing.so_far(reader, _content(sound), chosen(run, model)))}

    @routes.post("/differs")
    def differs(sound: UploadFile, text: Field, model: Field = "") -> dict[str, str]:
        return {"heard": if_idle(lambda: hearing.another(reader, _content(sound), chosen([], model), text))}

    spoken = [part(workspace, reader, reading) for part in (_live, _turns)]
    spoken += [_preparing(workspace, reader), _mending(workspace, mender or Worker())]
    for others in spoken + [part(workspace) for part in (_choices, _corrections, _strengths, heldout.router)]:
        routes.include_router(others)
    return routes


def _preparing(workspace: Workspace, reader: Worker) -> APIRouter:
    """The models in memory, before anything is said."""
    routes = APIRouter()

    @routes.post("/prepare")
    def prepare(run: Fields = (), model: Field = "") -> Prepared:
        who = _chosen(workspace, run, model)
        reader.prepare(who.model, tuple(who.adapters.values()))
        family = family_of(locate(who.model))
        return Prepared(
            model=who.model, longest=family.max_seconds, listens=isinstance(family, Listens),
            fills=isinstance(family, FillsFrames),
        )  # fmt: skip

    return routes


def _live(workspace: Workspace, reader: Worker, reading: threading.Lock) -> APIRouter:
    """A turn as it is spoken, by a model that writes while it hears."""
    routes = APIRouter()

    @routes.post("/live")
    def live(
        sound: UploadFile, turn: TurnName, at: Annotated[int, Form(ge=0)] = 0, run: Fields = (), model: Field = ""
    ) -> LiveTurnHeard:
        if not reading.acquire(blocking=False):  # a whole utterance goes before it
            return LiveTurnHeard(heard=at, columns=[])
        try:
            return hearing.listened(reader, _content(sound), _chosen(workspace, run, model), turn, at)
        finally:
            reading.release()

    return routes


def _turns(workspace: Workspace, reader: Worker, reading: threading.Lock) -> APIRouter:
    """Where a turn would have ended."""
    routes = APIRouter()

    @routes.post("/turns")
    def turns(sound: UploadFile, run: Fields = (), model: Field = "") -> TurnEnds:
        with reading:
            return turn_ends_of(reader, _content(sound), _chosen(workspace, run, model))

    return routes


def _mending(workspace: Workspace, mender: Worker) -> APIRouter:
    """What was transcribed, corrected by a typing model."""
    routes = APIRouter()

    @routes.post("/mend")
    def mend(asked: ToMend) -> Mended:
        return mended(workspace, mender, asked)

    return routes


def _chosen(workspace: Workspace, run: Sequence[str], model: str) -> ModelSelection:
    return hearing.choose(workspace, [name for name in run if name], model)


def _corrections(workspace: Workspace) -> APIRouter:
    """Keeping what was said with its right text, and taking that back."""
    routes = APIRouter()

    @routes.post("/keep")
    def keep(sound: UploadFile, text: Field, run: Field = "", dataset: Field = "") -> Kept:
        return hearing.keep(hearing.dataset_of(workspace, run, dataset), _content(sound), text)

    @routes.post("/undo")
    def undo(id: Field, run: Field = "", dataset: Field = "") -> dict[str, str]:
        hearing.take_back(hearing.dataset_of(workspace, run, dataset), id)
        return {"id": id}

    return routes


def _choices(workspace: Workspace) -> APIRouter:
    """What there is to choose from."""
    routes = APIRouter()

    @routes.get("/runs")
    def runs() -> list[TestableRun]:
        return hearing.testable_runs(workspace)

    @routes.get("/terms/{dataset}")
    def terms(dataset: str) -> list[str]:
        return prompts.load_terms(Dataset(workspace.dataset(dataset)))

    return routes


def _strengths(workspace: Workspace) -> APIRouter:
    """Keeping the strength that was tried."""
    routes = APIRouter()

    @routes.post("/strength")
    def strengthen(wanted: NewStrength) -> dict[str, str]:
        change(hearing.finished(workspace, wanted.run).adapter, wanted.strength)
        return {"notice": MEASURED_BEFORE}

    return routes


def _content(sound: UploadFile) -> bytes:
    content = sound.file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise AudioError(f"The file is larger than {LARGEST >> 20} MB.", "Cut out the sentence you want to test.")
    return content

"""A clip's quality card and its trim, for the Record tab; and the Check dialog, for a whole dataset."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, File, Form, UploadFile
from pydantic import BaseModel

from studio.audio import decode, refusal
from studio.data import quality
from studio.data.manifest import Dataset, Utterance
from studio.data.quality import Card, check, trim
from studio.data.quality.known import quality_of
from studio.data.view.table import Table
from studio.errors import AudioError, DataError
from studio.runs import tasks
from studio.runs.tasks import TaskState
from studio.text import counted
from studio.ui import assets
from studio.ui.clips import shown
from studio.ui.page import Page
from studio.workspace import Workspace

TASK = "check"


class Again(BaseModel):
    """Which clips are to be measured: those without figures of today, or all."""

    again: bool = False


def build(page: Page) -> None:
    """Put the dialog into the page."""
    assets.room("review/check", "st-check")


def router(workspace: Workspace) -> APIRouter:
    """Cards, trims, and the check of a dataset."""
    routes = APIRouter(prefix="/studio")

    @routes.post("/quality/{name}")
    def of_take(name: str, audio: Annotated[UploadFile, File()], text: Annotated[str, Form()] = "") -> Card | None:
        sound = audio.file.read()
        info, wave = decode(sound)
        if (refused := refusal(info)) and refused.code in ("too long", "empty"):
            raise AudioError(refused.what, refused.remedy)  # it cannot be saved: it is not worth measuring
        context = Table.of(Dataset(workspace.dataset(name))).context(None)
        figures = quality.measured(wave)
        return quality.card_of(figures, duration=wave.duration, text=text, **context) if figures else None

    @routes.get("/quality/{name}/{clip_id}")
    def of_clip(name: str, clip_id: str) -> Card | None:
        dataset = Dataset.open(workspace.dataset(name))
        return card_for(dataset, dataset.clip(clip_id))

    @routes.post("/trim/{name}/{clip_id}")
    def shorten(name: str, clip_id: str) -> dict[str, Any]:
        dataset = Dataset.open(workspace.dataset(name))
        [clip] = trim.apply(dataset, [clip_id]) or _nothing_to_trim()
        return {"clip": with_card(dataset, clip), "action": dataset.history(1)[0].id}

    @routes.post("/trim/{name}")
    def shorten_all(name: str) -> dict[str, Any]:
        dataset = Dataset.open(workspace.dataset(name))
        clips = trim.apply(dataset, trim.waiting(dataset.utterances())) or _nothing_to_trim()
        return {"clips": len(clips), "action": dataset.history(1)[0].id}

    @routes.get("/check/{name}")
    def report(name: str) -> check.Report:
        return check.report(Dataset(workspace.dataset(name)))  # before the first clip it is an empty one

    @routes.post("/check/{name}")
    def measure_again(name: str, chosen: Again) -> TaskState:
        count = len(check.unmeasured(Dataset.open(workspace.dataset(name)).utterances(), again=chosen.again))
        arguments = ["check", name, *(["--again"] if chosen.again else [])]
        return tasks.start(workspace, name, TASK, arguments, f"Measuring {counted(count, 'clip')}")

    return routes


def _nothing_to_trim() -> NoReturn:
    raise DataError("There is no long silence to trim.", "Reload the page: it was trimmed already.")


def card_for(dataset: Dataset, clip: Utterance) -> Card | None:
    """The card of a saved clip; None where measuring failed. Raises AudioError or DiskError."""
    if (figures := quality_of(clip, dataset)) is None:
        return None
    return quality.card_of(figures, duration=clip.duration, text=clip.text, **Table.of(dataset).context(clip))


def with_card(dataset: Dataset, clip: Utterance) -> dict[str, Any]:
    """What a script receives of a clip, with its card."""
    card = card_for(dataset, clip)
    return shown(dataset, clip) | {"quality": card.model_dump() if card else None}

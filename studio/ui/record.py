"""The Record tab: prompts on a card, a recorder that leaves the sound as it is, clips that survive anything.

The script (`assets/record/record.js`) records and shows; what is kept, and whether it can be kept, is decided here.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, UploadFile
from pydantic import BaseModel, Field

from studio.audio import MAX_SECONDS, MIN_SECONDS, SILENT_PEAK_DB
from studio.audio.recording import Recording
from studio.data import prompts
from studio.data.manifest import Dataset, Utterance
from studio.data.quality import trim
from studio.data.utterance import checked_label, clips_of
from studio.text import Convention
from studio.ui import assets
from studio.ui.clips import shown
from studio.ui.page import Page
from studio.ui.quality import with_card
from studio.workspace import Workspace

Script = Literal["numbers", "phrases", "own", "free"]  # “needed” is chosen by studio.ui.needs
CONVENTIONS: tuple[Convention, ...] = ("words", "digits")  # the first is what a new dataset begins with
LATEST = 100  # clips without a prompt that the rail shows


class PromptRequest(BaseModel):
    """Which prompts the person wants to read."""

    script: Script
    convention: Convention = CONVENTIONS[0]
    language: str = Field(prompts.ENGLISH, max_length=20)  # of the phrases
    text: str = Field("", max_length=1_000_000)  # the person's own, one prompt a line

    def prompts(self) -> list[prompts.Prompt]:
        """The prompts chosen; none to speak freely. Raises DataError."""
        if self.script == "numbers":
            return prompts.numbers(self.convention)
        if self.script == "phrases":
            return prompts.phrases(self.language)
        return prompts.own(self.text) if self.script == "own" else []


def build(page: Page) -> None:
    """Put the tab's components into the page."""
    assets.room("record/record", "st-record")
    assets.room("typing/type", "st-type")  # in its place where the dataset holds typing


def router(workspace: Workspace) -> APIRouter:
    """What the recorder asks for and sends."""
    routes = APIRouter(prefix="/studio")

    @routes.get("/record/{name}")
    def cards(name: str) -> dict[str, Any]:
        return _cards(Dataset(workspace.dataset(name)))

    @routes.post("/record/{name}")
    def save(
        name: str,
        audio: Annotated[UploadFile, File()],
        text: Annotated[str, Form()] = "",
        prompt: Annotated[str, Form()] = "",
        replaces: Annotated[str, Form()] = "",
        trimmed: Annotated[bool, Form()] = False,
    ) -> dict[str, Any]:
        folder = workspace.dataset(name)
        recording = Recording.of(audio.file.read())  # first: what is refused makes no dataset
        dataset = Dataset.create(folder)
        clip, replaced = keep(dataset, recording, text, prompt, replaces)
        if trimmed:
            [clip] = trim.apply(dataset, [clip.id]) or [clip]
        return {"clip": with_card(dataset, clip), "replaced": replaced}

    @routes.get("/progress/{name}")
    def progress(name: str) -> dict[str, Any]:
        dataset = Dataset(workspace.dataset(name))
        return asdict(prompts.progress(_prompts(dataset), clips_of(dataset.examples())))

    @routes.post("/prompts/{name}")
    def choose(name: str, choice: PromptRequest) -> dict[str, Any]:
        dataset = Dataset.create(workspace.dataset(name))
        prompts.save(dataset, choice.prompts())
        return _cards(dataset)

    @routes.get("/prompts/{name}/own")
    def own(name: str) -> list[dict[str, str]]:
        return [asdict(card) for card in prompts.load_own(Dataset(workspace.dataset(name)))]

    return routes


def keep(
    dataset: Dataset, audio: bytes | Recording, text: str, prompt: str, replaces: str
) -> tuple[Utterance, list[str]]:
    """Save a take, and put the clip that it replaces into the trash; the clip, and the ids replaced.

    A take that was saved before its answer got lost is found by its samples: saving it again changes nothing.
    Spoken freely and saved without a label, it is unreviewed. Raises DataError, AudioError or DiskError.
    """
    label = checked_label(text) if text.strip() or prompt else None
    recording = audio if isinstance(audio, Recording) else Recording.of(audio)
    saved = _saved_before(dataset, recording, prompt) or dataset.add(recording, text=label, prompt=prompt)
    if label is not None and saved.text != label:
        dataset.edit(saved.id, text=label)
        saved = dataset.clip(saved.id)
    old = [clip.id for clip in dataset.utterances() if clip.id == replaces != saved.id]
    return saved, [clip.id for clip in dataset.trash(old)] if old else []


def _saved_before(dataset: Dataset, recording: Recording, prompt: str) -> Utterance | None:
    same = (clip for clip in dataset.utterances() if clip.audio_sha256 == recording.sha256 and clip.prompt == prompt)
    return next(same, None)


def _cards(dataset: Dataset) -> dict[str, Any]:
    """Every prompt with the clip that was recorded of it last; without prompts, the latest clips."""
    cards = _prompts(dataset)
    clips = clips_of(dataset.examples())
    last = {clip.prompt: clip for clip in clips if clip.prompt}
    of_card = {card.text: shown(dataset, last[card.text]) for card in cards if card.text in last}
    free = [clip for clip in clips if not clip.prompt and clip.source == "microphone"][-LATEST:]
    return {
        "language": prompts.ENGLISH,
        **_script(cards),
        "languages": prompts.LANGUAGES,
        "limits": {  # seconds; amplitude, 0..1
            "shortest": MIN_SECONDS,
            "longest": MAX_SECONDS,
            "silent": 10 ** (SILENT_PEAK_DB / 20),
        },
        "prompts": [asdict(card) | {"clip": of_card.get(card.text)} for card in cards],
        "free": [shown(dataset, clip) for clip in free] if not cards else [],
    }


def _prompts(dataset: Dataset) -> list[prompts.Prompt]:
    """The dataset's list; where none was ever chosen, the *Numbers* script."""
    if (dataset.folder / "prompts.txt").is_file():
        return prompts.load(dataset)
    return prompts.numbers(CONVENTIONS[0])


def _script(cards: list[prompts.Prompt]) -> dict[str, str]:
    """Which script these prompts are, recognised by the prompts: nothing else can contradict the list."""
    for convention in CONVENTIONS:
        if cards == prompts.numbers(convention):
            return {"script": "numbers", "convention": convention}
    if any(card.why for card in cards):
        has_digits = any(char.isdigit() for card in cards for char in card.label)
        return {"script": "needed", "convention": "digits" if has_digits else "words"}
    if cards and (language := prompts.language_of(cards)):
        return {"script": "phrases", "convention": CONVENTIONS[0], "language": language}
    return {"script": "own" if cards else "free", "convention": CONVENTIONS[0]}

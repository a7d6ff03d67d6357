"""The sidebar: which dataset and which base model are in hand, and how far the person has come."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from html import escape
from threading import Lock
from typing import Any

import gradio as gr
from fastapi import APIRouter
from pydantic import BaseModel

from studio.config import Kind
from studio.data.manifest import Dataset
from studio.data.utterance import Split
from studio.errors import DataError, StudioError
from studio.models import ModelCard, is_cpu_build
from studio.models.catalogue import default_model
from studio.runs import listing
from studio.ui import assets, base_models
from studio.ui.page import QUIET, Page
from studio.workspace import Workspace

FIRST_DATASET = "my-voice"
ANOTHER = "another model"  # no name that `studio.models.load` takes; as in studio.js
ASK_DEVICE = "from studio.models import pick_device; print(pick_device('auto'))"
_ASKING = Lock()  # who asks meanwhile waits for the answer, rather than asking too
DEVICE_NAMES = {"cpu": "CPU", "mps": "Apple GPU (MPS)", "cuda": "NVIDIA GPU (CUDA)"}


class Overview(BaseModel):
    """What the sidebar shows of a dataset."""

    kind: Kind = "speech"
    models: list[str] = []  # those of its kind, the first to be chosen first
    clips: int
    seconds: float
    counts: dict[Split, int]
    problems: list[str]


def build(workspace: Workspace, blocks: gr.Blocks) -> Page:
    """Lay out the sidebar, and wire it to the tabs."""
    gr.HTML(html_template=assets.read("brand.html"), js_on_load=None, apply_default_css=False)
    page = Page(workspace, _dataset(workspace), gr.Dropdown(label="Base model", elem_id="st-model"))
    _maker(page)
    overview = assets.room("sidebar", "st-overview")
    _wire(page, blocks)
    _follow(page, overview)
    return page


def router(workspace: Workspace) -> APIRouter:
    """What the sidebar's script asks for."""
    routes = APIRouter(prefix="/studio")

    @routes.get("/overview/{name}")
    def overview(name: str) -> Overview:
        folder = workspace.dataset(name)
        if not folder.is_dir():
            return Overview(models=base_models.of_kind(workspace, "speech"), clips=0, seconds=0, counts={}, problems=[])
        dataset = Dataset.open(folder)
        counts = dataset.counts()
        return Overview(
            kind=dataset.kind,
            models=base_models.of_kind(workspace, dataset.kind),
            clips=sum(counts.values()),
            seconds=dataset.seconds(),
            counts=counts,
            problems=dataset.problems(),
        )

    @routes.get("/device")
    def device_in_words() -> dict[str, str]:
        return {"name": device()}

    return routes


def device() -> str:
    """The device that “auto” means here, in words; asked once, in another process: the page never loads torch."""
    with _ASKING:
        return _device()


def is_on_cpu() -> bool:
    """Whether “auto” means the CPU here."""
    return device() == DEVICE_NAMES["cpu"]


@cache
def _device() -> str:
    if is_cpu_build():
        return DEVICE_NAMES["cpu"]
    asked = subprocess.run([sys.executable, "-c", ASK_DEVICE], capture_output=True, text=True, check=False)
    kind = asked.stdout.strip().partition(":")[0]
    return DEVICE_NAMES.get(kind, "unknown: run “studio doctor”")


def _dataset(workspace: Workspace) -> gr.Dropdown:
    names = _names(workspace)
    return gr.Dropdown(names, value=_first(workspace, names), label="Dataset", elem_id="st-dataset")


def _names(workspace: Workspace) -> list[str]:
    return workspace.datasets() or [FIRST_DATASET]


def _first(workspace: Workspace, names: list[str]) -> str:
    """What a browser opens that was not here before, or whose dataset is gone: the one last used."""
    return workspace.last_used() or names[0]


def models(workspace: Workspace) -> list[tuple[str, str]]:
    """The choices of the base model: a title and what it costs, and the name; the last one leads to the Train tab."""
    cards = [(f"{card.title} · {_cost(card)}", card.id) for card in base_models.offered(workspace)]
    return [*cards, ("Another model …", ANOTHER)]


def _cost(card: ModelCard) -> str:
    if card.state != "download" or not card.download_bytes:
        return card.state
    size = card.download_bytes
    return f"download {size / 1e6:.0f} MB" if size < 1e9 else f"download {size / 1e9:.1f} GB"


def _maker(page: Page) -> None:
    """A field that makes a new dataset; a name that cannot be used is refused where it was written."""

    def make(name: str, kind: Kind) -> tuple[Any, str, str]:
        try:
            made = make_dataset(page.workspace, name, kind)
        except StudioError as error:
            return gr.skip(), name, f"<p class='st-message bad' role='alert'>{escape(str(error))}</p>"
        return gr.Dropdown(choices=_names(page.workspace), value=made), "", ""

    with gr.Accordion("New dataset", open=False, elem_id="st-new"):
        name = gr.Textbox(label="Name", placeholder="for example: office", max_lines=1, max_length=64)
        kind = gr.Radio([("Recordings", "speech"), ("Typing", "typing")], value="speech", label="Holds")
        message = gr.HTML(elem_id="st-new-message", js_on_load=None)
        button = gr.Button("Create", size="sm")
    gr.on([button.click, name.submit], make, [name, kind], [page.dataset, name, message], **QUIET).then(
        None, [page.dataset, page.model], None, js=script("studio.choose(...values)")
    )


def offered(workspace: Workspace, name: str) -> gr.Dropdown:
    """The picker with the datasets there are now, and `name` chosen, or the one last used where that is gone."""
    names = _names(workspace)
    return gr.Dropdown(choices=names, value=name if name in names else _first(workspace, names))


def make_dataset(workspace: Workspace, name: str, kind: Kind = "speech") -> str:
    """Begin the dataset `name`. Raises ConfigError (no folder's name), DataError (it is there), DiskError."""
    folder = workspace.dataset(name.strip())
    if folder.name in workspace.datasets():
        raise DataError(f"There is a dataset “{folder.name}” already.", "Choose it above, or take another name.")
    return Dataset.create(folder, kind).name


def _wire(page: Page, blocks: gr.Blocks) -> None:
    """Scripts and Gradio's components receive the same notices, wherever they come from."""
    pickers = [page.dataset, page.model]
    remembered = [gr.Textbox(visible=False), gr.Textbox(visible=False)]  # filled by the script that remembers

    def offer(dataset: str | None, model: str | None) -> tuple[gr.Dropdown, gr.Dropdown]:
        names, choices = _names(page.workspace), models(page.workspace)
        sources = [source for _, source in choices[:-1]]
        return (
            gr.Dropdown(choices=names, value=dataset if dataset in names else _first(page.workspace, names)),
            gr.Dropdown(choices=choices, value=model if model in sources else _first_model(page.workspace, sources)),
        )

    blocks.load(offer, remembered, pickers, js=script("studio.remembered()"), **QUIET).then(
        None, pickers, None, js=script("studio.begin(...values)")
    )
    for picker in pickers:
        picker.input(None, pickers, None, js=script("studio.choose(...values)"))


def _follow(page: Page, overview: gr.HTML) -> None:
    """The picker shows the model that was chosen elsewhere: in the Train tab, or with a run."""
    chosen = gr.Textbox(visible=False)

    def offer(model: str) -> gr.Dropdown:
        return gr.Dropdown(choices=models(page.workspace), value=model)

    overview.input(offer, chosen, page.model, js="() => window.studio.model()", **QUIET)


def _first_model(workspace: Workspace, sources: list[str]) -> str:
    """For who has not chosen any: that of the newest run."""
    newest = next((run.model for run in listing.runs(workspace)), default_model())
    return newest if newest in sources else default_model()


def script(call: str) -> str:
    """A call of `studio.js`, for an event of Gradio."""
    module = "import(new URL('studio/assets/studio.js', document.baseURI).href)"
    return f"(...values) => {module}.then(({{ studio }}) => {call})"

"""Scripts, styles and pictures of the page: read from the package, served from `/studio/assets/`.

Each room has a folder, and what all share is above: `studio.js`, `studio.css`, the icons. Scripts are ES modules; a
room's first exports `start(room)`, where `room` holds what Gradio gives a `gr.HTML` (`element, props, trigger, watch`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse

if TYPE_CHECKING:
    import gradio as gr

FOLDER = Path(__file__).with_name("assets")
CONTENT_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
OUTSIDE_MODULES = ("theme.js", "sound/recorder-worklet.js")  # one is inlined, one runs in its own thread


@cache
def read(name: str) -> str:
    """The text of the asset `name`, a path within the folder."""
    return (FOLDER / name).read_text(encoding="utf-8")


def styles() -> str:
    """Every style sheet as one: the shell's tokens first, then the rooms'."""
    rooms = [name for name in _shipped() if name.endswith(".css") and name != "studio.css"]
    return "\n".join(map(read, ["studio.css", *rooms]))


def on_load(script: str) -> str:
    """What a `gr.HTML` runs as `js_on_load` to start the module `script`; a failure is shown in its place."""
    return f"""
import(new URL("studio/assets/{script}", document.baseURI).href)
  .then((module) => module.start({{ element, props, trigger, watch }}))
  .catch((error) => {{
    element.textContent = `This part of the page could not start: ${{error.message}}. Reload the page.`;
    throw error;
  }});
"""


def room(name: str, elem_id: str) -> gr.HTML:
    """A part of the page that is ours: the template `name`.html, filled by the module `name`.js."""
    import gradio as gr

    return gr.HTML(
        html_template=read(f"{name}.html"),
        js_on_load=on_load(f"{name}.js"),
        apply_default_css=False,
        elem_id=elem_id,
    )


def preloads() -> str:
    """Links that fetch every module while the page is drawn: no tab waits for its imports, one wave after another."""
    modules = [name for name in _shipped() if name.endswith(".js") and name not in OUTSIDE_MODULES]
    return "".join(f'<link rel="modulepreload" href="studio/assets/{name}">' for name in modules)


def icon(name: str) -> str:
    """The picture `name` of `icons.svg`, in the colour of the text around it; hidden from screen readers."""
    return f'<svg class="st-icon" aria-hidden="true"><use href="studio/assets/icons.svg#{name}"/></svg>'


def router() -> APIRouter:
    """Serve the assets: only files that the package ships, named as they are named there."""
    routes = APIRouter(prefix="/studio/assets")
    shipped = _shipped()

    @routes.get("/{name:path}")
    def asset(name: str) -> FileResponse:
        if name not in shipped:
            raise HTTPException(404)
        kind = CONTENT_TYPES[shipped[name].suffix]
        return FileResponse(shipped[name], media_type=kind, headers={"Cache-Control": "no-cache"})

    return routes


@cache
def _shipped() -> dict[str, Path]:
    """What may be fetched, by its path within the folder, in order."""
    found = (path for path in FOLDER.rglob("*") if path.suffix in CONTENT_TYPES)
    return {path.relative_to(FOLDER).as_posix(): path for path in sorted(found, key=lambda path: path.name)}

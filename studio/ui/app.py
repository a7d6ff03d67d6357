"""Serve the page: one Gradio app and the tabs' routes behind one gate."""

from __future__ import annotations

import atexit
import inspect
import os
import shutil
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import StudioError
from studio.runs import queue
from studio.web.server import address_of, listen
from studio.workspace import Workspace

if TYPE_CHECKING:
    from fastapi import FastAPI

    from studio.web.login import Login
    from studio.web.security import PublicUrl

PORT = 7860
OFFLINE = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",  # `studio.models.fetch` alone lifts it, for a model that the person asked for
}


def launch(
    workspace: Workspace,
    host: str = "127.0.0.1",
    port: int = PORT,
    open_browser: bool = True,
    login: Login | None = None,
    mcp: bool = False,
    public: PublicUrl | None = None,
) -> None:
    """Serve the page until Ctrl+C; with `mcp` its functions are tools for assistants too, at /gradio_api/mcp/.

    With `public`, browsers find it there, through a proxy on this computer, and there alone.

    Raises ConfigError where other computers could open it without a login, DeviceError for a taken port or without the
    package for MCP.
    """
    from studio.web.security import require_login

    require_login(host, port, login, public)
    workspace = workspace.held()
    listener = listen(host, port)
    import uvicorn

    with suppress(StudioError):  # the Train tab says it, where the queue cannot be read
        queue.look_after(workspace)
    app = create_app(workspace, host, login, mcp, public)
    address = public.url if public else address_of(host, port)
    print(f"The studio is at {address}  (Ctrl+C closes it)", flush=True)
    if mcp:
        print(f"MCP: {address}/gradio_api/mcp/", flush=True)
    if public:
        print(f"Let the proxy forward requests to {address_of(host, port)}", flush=True)
    elif "SSH_CONNECTION" in os.environ:
        print(f"From your computer: ssh -L {port}:localhost:{port} {socket.gethostname()}", flush=True)
    elif open_browser and _has_a_screen():
        threading.Timer(0.5, webbrowser.open, [address]).start()
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
    server.run(sockets=[listener])


@contextmanager
def without_stubs() -> Iterator[None]:
    """A block in which Gradio can be imported without writing its .pyi files again.

    It does so at every start, for those who develop components: 2.4 of the 7.9 s of processor time that
    the page took to start. Of two studios that start at once, one may read a file that the other has half written.
    """
    find = inspect.getfile

    def of_others(found: Any) -> str:
        if str(getattr(found, "__module__", "")).startswith("gradio."):
            raise OSError("no stubs")  # as of a class without a file, which Gradio passes over
        return find(found)

    inspect.getfile = of_others  # type: ignore[assignment]
    try:
        yield
    finally:
        inspect.getfile = find


def _has_a_screen() -> bool:
    """Whether a browser can be shown: without one, `webbrowser` starts a text browser in this terminal."""
    return sys.platform in ("darwin", "win32") or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())


def create_app(
    workspace: Workspace,
    host: str = "127.0.0.1",
    login: Login | None = None,
    mcp: bool = False,
    public: PublicUrl | None = None,
) -> FastAPI:
    """The whole web application, ready to be served (by `launch`, or by a test)."""
    for name, value in OFFLINE.items():
        os.environ.setdefault(name, value)
    _private_uploads()
    with without_stubs():
        import gradio as gr
    from fastapi import FastAPI

    from studio.ui import api, assets, shell
    from studio.ui.theme import theme
    from studio.web import faults
    from studio.web.bodies import LARGEST_UPLOAD, Bodies
    from studio.web.refusals import of_others
    from studio.web.security import Gate, HostRule

    if mcp:
        api.require_mcp()
    closed: dict[str, Any] = {"docs_url": None, "redoc_url": None, "openapi_url": None}
    app = FastAPI(title="Speech Studio", exception_handlers=faults.handlers(), **closed)
    app.add_middleware(Bodies)
    app.add_middleware(Gate, hosts=HostRule.listening_on(host, public), login=login, public=public)  # the outermost
    for router in shell.routers(workspace):
        app.include_router(router)
    _close_gradios_uploads(app)
    gr.mount_gradio_app(
        app,
        shell.build(workspace),
        path="/",
        server_name=host,
        theme=theme(),
        css=assets.styles(),
        head=shell.head(),
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        pwa=False,
        ssr_mode=False,
        mcp_server=mcp,
        show_error=False,  # what a function of ours refuses is shown anyway; of other faults only Python's words
        max_file_size=LARGEST_UPLOAD,
        app_kwargs=closed | of_others(),
    )
    return app


def _close_gradios_uploads(app: FastAPI) -> None:
    """The page sends no files by Gradio's own route, which keeps what it was sent, and fragments on a full disk."""
    from studio.web.bodies import refusal

    @app.post("/gradio_api/upload")
    def upload() -> Any:
        return refusal(404, "Files cannot be uploaded here.", "Import them in Review, or post to /studio/import.")


def _private_uploads() -> None:
    """Uploads lie in a folder that only this user can read, and go when the page is closed."""
    folder = Path(tempfile.mkdtemp(prefix="studio-"))
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)

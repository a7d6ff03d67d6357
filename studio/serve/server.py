"""`studio serve`: load the model, listen, and say where."""

from __future__ import annotations

import uvicorn

from studio.serve.app import create_app
from studio.serve.engine import engine_for
from studio.web.gate import Key, require_key
from studio.web.server import address_of, listen
from studio.workspace import Workspace

GRACE = 10  # seconds that a transcription has to end when the server is closed


def serve(workspace: Workspace, run: str, model: str, device: str, host: str, port: int, key: Key | None) -> None:
    """Serve the run `run`, or without one `model`, until Ctrl+C.

    Raises ConfigError where other computers could ask without a key, DeviceError (a taken port), JobError, ModelError.
    """
    require_key(host, port, key)
    with listen(host, port, f"studio serve {run}".strip()) as listener:
        engine = engine_for(workspace, run, model, device)
        print(invitation(engine.names[0], address_of(host, port), key), flush=True)
        config = uvicorn.Config(create_app(engine, host, key), log_level="warning", timeout_graceful_shutdown=GRACE)
        uvicorn.Server(config).run(sockets=[listener])


def invitation(name: str, address: str, key: Key | None) -> str:
    """Where it is, and a line that tries it."""
    shown = " -H 'Authorization: Bearer KEY'" if key else ""
    return (
        f"{name} is served at {address}/v1  (Ctrl+C ends it)\n"
        f"  curl {address}/v1/audio/transcriptions{shown} -F model={name} -F file=@clip.wav"
    )

"""`studio serve`: load the model, listen, and say where."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass

import uvicorn

from studio.errors import ConfigError
from studio.serve.app import create_app
from studio.serve.engine import Engine, engine_for
from studio.serve.keeping import KeptRecordings
from studio.web.gate import Key, require_key
from studio.web.server import address_of, listen
from studio.workspace import Workspace

GRACE = 10  # seconds that a transcription has to end when the server is closed


@dataclass(frozen=True, slots=True)
class Doors:
    """Where programs may ask, and who."""

    host: str
    port: int
    key: Key | None
    wyoming: int = 0  # the port of the Wyoming protocol; 0: it is not spoken
    wyoming_from: Sequence[str] = ()  # addresses beyond this computer that may speak it


def serve(
    workspace: Workspace, run: str, model: str, device: str, doors: Doors, kept: KeptRecordings | None = None
) -> None:
    """Serve the run `run`, or without one `model`, until Ctrl+C.

    Raises ConfigError where other computers could ask without a key, DeviceError (a taken port), JobError, ModelError.
    """
    require_key(doors.host, doors.port, doors.key)
    with ExitStack() as until_closed:
        open_wyoming = _wyoming(doors, until_closed) if doors.wyoming else None
        listener = until_closed.enter_context(listen(doors.host, doors.port, f"studio serve {run}".strip()))
        engine = engine_for(workspace, run, model, device, kept)
        print(invitation(engine.names[0], doors), flush=True)
        app = create_app(engine, doors.host, doors.key, open_wyoming and open_wyoming(engine))
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE)
        uvicorn.Server(config).run(sockets=[listener])


def _wyoming(doors: Doors, until_closed: ExitStack) -> Callable[[Engine], AbstractAsyncContextManager[None]]:
    """Take the port of the Wyoming protocol, for an engine that is loaded later. Raises ConfigError, DeviceError."""
    if importlib.util.find_spec("wyoming") is None:
        raise ConfigError(
            "The package for the Wyoming protocol is not installed.", "pip install 'speech-studio[wyoming]'"
        )
    from studio.serve.wyoming import listening, require_addresses

    allowed = require_addresses(doors.host, doors.wyoming_from)
    listener = until_closed.enter_context(listen(doors.host, doors.wyoming, "studio serve --wyoming"))
    return lambda engine: listening(engine, listener, allowed)


def invitation(name: str, doors: Doors) -> str:
    """Where it is, and a line that tries it."""
    address, shown = address_of(doors.host, doors.port), " -H 'Authorization: Bearer KEY'" if doors.key else ""
    lines = [
        f"{name} is served at {address}/v1  (Ctrl+C ends it)",
        f"  curl {address}/v1/audio/transcriptions{shown} -F model={name} -F file=@clip.wav",
    ]
    if doors.wyoming:
        lines.append(f"Home Assistant: add the integration “Wyoming Protocol”, with port {doors.wyoming}.")
    return "\n".join(lines)

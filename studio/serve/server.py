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
from studio.serve.mending import Mender, is_typing
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


@dataclass(frozen=True, slots=True)
class Served:
    """What programs may ask for."""

    run: str  # of speech or of typing; empty: `model`
    model: str
    mend: str = ""  # a typing run, or the bundled model, besides
    kept: KeptRecordings | None = None

    def engines(self, workspace: Workspace, device: str) -> tuple[Engine | None, Mender | None]:
        """What transcribes, and what corrects typing. Raises JobError, ModelError, DeviceError."""
        if self.run and is_typing(workspace, self.run):
            return None, Mender.of(workspace, self.run, device)
        mender = Mender.of(workspace, self.mend, device) if self.mend else None
        return engine_for(workspace, self.run, self.model, device, self.kept), mender


def serve(workspace: Workspace, served: Served, device: str, doors: Doors) -> None:
    """Serve until Ctrl+C.

    Raises ConfigError where other computers could ask without a key, DeviceError (a taken port), JobError, ModelError.
    """
    require_key(doors.host, doors.port, doors.key)
    with ExitStack() as until_closed:
        open_wyoming = _wyoming(doors, until_closed) if doors.wyoming else None
        listener = until_closed.enter_context(listen(doors.host, doors.port, f"studio serve {served.run}".strip()))
        engine, mender = served.engines(workspace, device)
        if engine is None and (open_wyoming or served.kept):
            raise ConfigError(f"“{served.run}” corrects typing.", "Leave --wyoming and --keep out.")
        print(invitation(engine, mender, doors), flush=True)
        wyoming = open_wyoming(engine) if open_wyoming and engine else None
        app = create_app(engine, doors.host, doors.key, wyoming, mender)
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


def invitation(engine: Engine | None, mender: Mender | None, doors: Doors) -> str:
    """Where it is, and a line that tries each."""
    address, shown = address_of(doors.host, doors.port), " -H 'Authorization: Bearer KEY'" if doors.key else ""
    names = " and ".join(each.names[0] for each in (engine, mender) if each)
    lines = [f"{names} {'are' if engine and mender else 'is'} served at {address}/v1  (Ctrl+C ends it)"]
    if engine:
        lines.append(f"  curl {address}/v1/audio/transcriptions{shown} -F model={engine.names[0]} -F file=@clip.wav")
    if mender:
        asked = f'{{"model": "{mender.names[0]}", "prompt": "teh typed text"}}'
        lines.append(f"  curl {address}/v1/completions{shown} --json '{asked}'")
    if doors.wyoming:
        lines.append(f"Home Assistant: add the integration “Wyoming Protocol”, with port {doors.wyoming}.")
    return "\n".join(lines)

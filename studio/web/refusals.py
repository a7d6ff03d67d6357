"""What routes of libraries refuse, as ours do: a 4xx and one sentence as JSON, never their words for a fault."""

from __future__ import annotations

import json
import logging
import traceback
from http import HTTPStatus
from typing import Any

from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.web.bodies import refusal
from studio.web.faults import handlers

UNUSABLE = "The request cannot be used: it does not have what this address takes."
REMEDY = "Reload the page; a program finds what each function takes at /gradio_api/info."

_log = logging.getLogger("uvicorn.error")


class PlainRefusals:
    """ASGI middleware around an application of others, such as Gradio's.

    Its routes look up what a request names and reach for what it should hold: where that is not there, a KeyError or
    a TypeError comes out of them. Whoever sent the request can correct it, so it is refused; the console has a line.
    What our own code raises is our fault, and stays one: it is answered and logged as in every other route.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        answer = _Answer(send)
        try:
            await self.app(scope, receive, answer.send)
        except (OSError, ClientDisconnect):  # a full disk has a sentence of its own
            raise
        except Exception as error:
            if answer.has_begun or _is_ours(error):
                raise
            _log.warning("%s %s was refused: %s", scope["method"], scope["path"], type(error).__name__)
            return await refusal(400, UNUSABLE, REMEDY)(scope, receive, send)
        if answer.refused is not None:
            await answer.refuse(scope, receive)


def _is_ours(error: Exception) -> bool:
    """Whether it comes out of code of this package that the library called, not out of the library alone."""
    names = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(name.startswith("studio.") and name != __name__ for name in names)


def of_others() -> dict[str, Any]:
    """The arguments with which FastAPI makes an application of others answer as ours."""
    return {"exception_handlers": handlers(), "middleware": [Middleware(PlainRefusals)]}


class _Answer:
    """An answer on its way: passed on as it comes, or kept back where it is a refusal."""

    def __init__(self, send: Send) -> None:
        self._send, self.has_begun = send, False
        self.refused: Message | None = None
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        """Take the next part of the answer."""
        if message["type"] == "http.response.start" and message["status"] >= 400:
            self.refused = message
        elif self.refused is not None:
            self._body += message.get("body", b"")
        else:
            self.has_begun = True
            await self._send(message)

    async def refuse(self, scope: Scope, receive: Receive) -> None:
        """Send the refusal that was kept back: as it is where it is one of ours or of MCP, else in our form."""
        assert self.refused is not None
        said = _object(self._body)
        if said.keys() & {"what", "jsonrpc"}:
            await self._send(self.refused)
            return await self._send({"type": "http.response.body", "body": bytes(self._body)})
        status = self.refused["status"] if self.refused["status"] < 500 else 400
        what = said["error"] if "title" in said else _sentence(self.refused["status"])  # gr.Error has a title
        await refusal(status, what, "" if "title" in said else REMEDY, error=what)(scope, receive, self._send)


def _object(body: bytes | bytearray) -> dict[str, Any]:
    """The JSON object in `body`; empty where there is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _sentence(status: int) -> str:
    return f"{HTTPStatus(status).phrase}." if status in (404, 405) else UNUSABLE

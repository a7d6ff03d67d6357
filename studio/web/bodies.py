"""What a request may carry: so many bytes, counted as they come, and JSON as its standard has it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.errors import DataError

LARGEST_UPLOAD = 1 << 30  # bytes: an hour of 24-bit stereo at 48 kHz, the longest file for import
LARGEST_MESSAGE = 32 << 20  # bytes of a body that is no upload: the ids of 500,000 clips
# What Python's reader takes although JSON has no such thing, or no text file can hold it: NaN, 1e999, half a character.
# As bytes too, since it also reads UTF-16 (hence \x00) and UTF-8 with surrogates.
_SUSPECT = re.compile(rb"NaN|Infinity|\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]|[eE]\+?\d{3}|\d{300}|\x00")


class Bodies:
    """ASGI middleware that refuses a body before the application reads it, or as soon as it grows too large."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        limit = LARGEST_UPLOAD if kind == "multipart/form-data" else LARGEST_MESSAGE
        if announced(headers) > limit:
            return await refusal(413, _too_large(limit), "Send less at once.")(scope, receive, send)
        receive = counted(receive, limit, lambda: HTTPException(413, _too_large(limit)))
        if kind == "application/json" or kind.endswith("+json"):
            try:
                body = await _whole(receive)
            except HTTPException as error:
                return await refusal(error.status_code, error.detail, "Send less at once.")(scope, receive, send)
            if fault := fault_of(body):
                return await refusal(400, fault, "Send JSON as in RFC 8259.")(scope, receive, send)
            receive = _again(body, receive)
        await self.app(scope, receive, send)


def refusal(status: int, what: str, remedy: str, code: str = "Refused", **more: str) -> JSONResponse:
    """An error as the page's scripts read it: what happened, what to do, the machine's name for it; and `more`."""
    return JSONResponse({"what": what, "remedy": remedy, "code": code} | more, status)


def announced(headers: Headers) -> int:
    """Bytes that the body is to have; 0 where that is not said, as of one that comes in chunks."""
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 20 else 0


def counted(receive: Receive, limit: int, error: Callable[[], Exception]) -> Receive:
    """`receive` that raises `error()` where more than `limit` bytes come, whatever was announced."""
    taken = 0

    async def receiving() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise error()
        return message

    return receiving


def fault_of(body: bytes) -> str:
    """What of `body` JSON does not have, though Python's reader takes it; empty where there is nothing."""
    if not _SUSPECT.search(body):
        return ""
    try:
        content = json.loads(body, parse_constant=_no_number, parse_float=_finite)
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "The request holds half a character (a lone surrogate)."
    except DataError as error:
        return error.what
    except (ValueError, RecursionError):
        return ""  # FastAPI says what is wrong with it
    return ""


def _no_number(name: str) -> NoReturn:
    raise DataError(f"The request holds {name}, which is not a number in JSON.")


def _finite(digits: str) -> float:
    if (number := float(digits)) in (float("inf"), float("-inf")):
        _no_number(digits[:40])
    return number


def _too_large(limit: int) -> str:
    return f"More than {limit >> 20} MB were sent at once."


async def _whole(receive: Receive) -> bytes:
    """The whole body; of one that was cut off, what came."""
    pieces = bytearray()
    while (message := await receive())["type"] == "http.request":
        pieces += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(pieces)


def _again(body: bytes, receive: Receive) -> Receive:
    """`receive` that brings `body` once more."""
    waiting: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return waiting.pop() if waiting else await receive()

    return receiving

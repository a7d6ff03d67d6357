"""What a request gets when something goes wrong: a sentence with what to do, never a traceback."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from studio.errors import DiskError, StudioError
from studio.faults import first_fault
from studio.web.bodies import refusal
from studio.workspace import disk_errors

OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)

Handler = Callable[[Request, Exception], Coroutine[Any, Any, Response]]


def handlers() -> dict[Any, Handler]:
    """By kind of error, what answers it."""
    return {
        StudioError: _in_words,
        OSError: _of_the_disk,
        HTTPException: _refused,
        RequestValidationError: _not_understood,
        ClientDisconnect: answer_nobody,
    }


def disk_error(error: BaseException | None) -> DiskError | None:
    """`error` as a sentence, where the disk is full or refuses."""
    if not isinstance(error, OSError) or error.errno not in OF_THE_DISK:
        return None
    if error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskError("The disk is full.", "Free some space and try again; nothing else was lost.")
    try:
        with disk_errors(Path(str(error.filename))):
            raise error
    except DiskError as fault:
        return fault


async def _in_words(request: Request, error: Exception) -> JSONResponse:
    """A StudioError as JSON: what happened, what to do, the machine's name for it; of a conflict the clip as it is."""
    assert isinstance(error, StudioError)
    return JSONResponse(error.as_json(), error.status)


async def answer_nobody(request: Request, error: Exception) -> Response:
    """The client has hung up in the middle of its request: this answer goes nowhere."""
    return Response(status_code=400)


async def _of_the_disk(request: Request, error: Exception) -> JSONResponse:
    fault = disk_error(error)
    if fault is None:
        raise error
    return await _in_words(request, fault)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    """A refusal of the framework; it also wraps what went wrong while a body was read."""
    assert isinstance(error, HTTPException)
    if fault := disk_error(error.__cause__):  # of an upload on its way, which lies in the folder for temporary files
        what = fault.what.replace("The disk is full.", f"The disk that holds {tempfile.gettempdir()} is full.")
        return await _in_words(request, DiskError(what, fault.remedy))
    answer = refusal(error.status_code, f"{error.detail}".rstrip(".") + ".", "")
    answer.headers.update(error.headers or {})
    return answer


async def _not_understood(request: Request, error: Exception) -> JSONResponse:
    """Which field of the request cannot be used; what was sent is not sent back, since JSON may not hold it."""
    assert isinstance(error, RequestValidationError)
    fault = first_fault(error)
    said = fault._replace(field=fault.field.partition(".")[2] or fault.field)  # without where it was: body, path, query
    return refusal(422, f"The request cannot be used: {said}.", "Correct it, or reload the page.", "Invalid")

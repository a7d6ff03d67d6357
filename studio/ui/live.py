"""A run as a stream: server-sent events whose ids are byte offsets, so that whoever comes late misses nothing.

`GET /studio/runs/<run>/events?offset=0` sends every event of the log in order, a few hundred lines a message, and
then each new one within some tens of milliseconds; `GET /studio/runs/<run>/log` sends what the process printed.
A message's id is the offset after it: a browser that was cut off sends it back as `Last-Event-ID`. Besides the
unnamed messages come `state` (of the run), `restart` (the log was replaced: start over) and `end`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from itertools import islice
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from studio.errors import StudioError
from studio.runs import control, events, listing, queue
from studio.runs.folder import JobFolder, RunFolder
from studio.workspace import Workspace

POLL = 0.04  # seconds between two looks at the size of a log
STATE_POLL = 0.4  # seconds between two looks at the processes
HEARTBEAT = 15.0  # seconds; a browser that left is noticed by it
LINES = 400  # in one message, at most
LOG_TAIL = 262_144  # bytes of a log that are shown to a newcomer
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Reader = Callable[[Path, int], tuple[str, int]]
"""From a file and an offset to the next payload, empty where there is none, and the offset after it."""
Offset = Annotated[int, Query(ge=0, le=2**53)]


class Going(BaseModel):
    """The run that is training now, in a few bytes: every open page asks, whichever tab it shows."""

    run: str | None
    waiting: int  # runs behind it


def router(workspace: Workspace) -> APIRouter:
    """The streams of the runs in `workspace`; a name from a client is looked up, never opened."""
    routes = APIRouter(prefix="/studio/runs")

    @routes.get("/going")
    def going() -> Going:
        active = control.active(workspace)
        return Going(run=active.name if active else None, waiting=len(queue.waiting(workspace)))

    @routes.get("/{run}/events")
    async def follow_events(run: str, request: Request, offset: Offset = 0) -> StreamingResponse:
        folder = _known(workspace, run)
        return stream(folder, folder.events, read_events, resumed(request, offset))

    @routes.get("/{run}/log")
    async def follow_log(run: str, request: Request, offset: Offset = 0) -> StreamingResponse:
        folder = _known(workspace, run)
        return stream(folder, folder.log, read_text, resumed(request, offset))

    return routes


def read_events(path: Path, offset: int) -> tuple[str, int]:
    """The next events of `path` as a JSON array; samples come with their word diff."""
    found = list(islice(events.read(path, offset), LINES))
    payload = "[" + ",".join(_as_json(event) for _, event in found) + "]" if found else ""
    return payload, found[-1][0] if found else offset


def _as_json(event: events.Event) -> str:
    if not isinstance(event, events.Sampled):
        return event.model_dump_json()
    from studio.evaluation.word_diff import compared

    edits = [edit.model_dump() for edit in compared(event.reference, event.hypothesis)]
    return json.dumps({**event.model_dump(), "edits": edits})


def read_text(path: Path, offset: int) -> tuple[str, int]:
    """The next lines of `path` as a JSON string; of a long log that is read from its start, only the end."""
    if not offset and (size := _size(path)) > LOG_TAIL:
        offset = size - LOG_TAIL
    found = list(islice(events.read_lines(path, offset), LINES))
    text = b"".join(line for _, line in found).decode(errors="replace")
    return json.dumps(text) if found else "", found[-1][0] if found else offset


async def follow(folder: JobFolder, path: Path, read: Reader, offset: int) -> AsyncIterator[str]:
    """Server-sent events of `path` from `offset` on, until the run is over and all of it was sent."""
    sent, looked, spoke = None, 0.0, time.monotonic()
    state = control.state(folder)
    yield "retry: 1000\n\n"
    while True:
        if (now := time.monotonic()) - looked >= STATE_POLL:
            state, looked = control.state(folder), now  # before reading: all that an ended run wrote is then read
        if offset > _size(path):
            offset = 0
            yield "event: restart\ndata: \n\n"
        payload, offset = read(path, offset)
        if payload:
            yield f"id: {offset}\ndata: {payload}\n\n"
        if (news := {**state.model_dump(include={"status"}), "how": folder.stop_request()}) != sent:
            sent = news
            yield f"event: state\ndata: {json.dumps({**state.model_dump(), **news, 'now': time.time()})}\n\n"
        if payload:
            spoke = now
            continue
        if state.is_over:
            yield "event: end\ndata: \n\n"
            return
        if now - spoke > HEARTBEAT:
            spoke = now
            yield ": still here\n\n"
        await asyncio.sleep(POLL)


def stream(folder: JobFolder, path: Path, read: Reader, offset: int) -> StreamingResponse:
    """The answer that `follow` fills."""
    return StreamingResponse(follow(folder, path, read, offset), media_type="text/event-stream", headers=HEADERS)


def _known(workspace: Workspace, run: str) -> RunFolder:
    try:
        return listing.existing(workspace, run)
    except StudioError as error:
        raise HTTPException(404, str(error)) from error


def resumed(request: Request, offset: int) -> int:
    """Where a browser that was cut off goes on; `offset` for a newcomer."""
    last = request.headers.get("last-event-id", "")
    return int(last) if last.isdecimal() and len(last) <= 15 else offset


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0

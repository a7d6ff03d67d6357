"""The routes: what a program sends, and what it gets or why not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from fastapi import FastAPI, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response, StreamingResponse

from studio.errors import DataError, StudioError, TooLargeError
from studio.faults import first_fault
from studio.inference.longform.reading import LongRecording
from studio.inference.longform.transcript import Segment
from studio.serve import answers, mending
from studio.serve.asked import TranscriptionRequest, UploadedRecording
from studio.serve.engine import Engine
from studio.serve.mending import CompletionRequest, Mender
from studio.web.bodies import LARGEST_MESSAGE, counted
from studio.web.faults import answer_nobody
from studio.web.gate import ApiGate, Key, refusal
from studio.web.security import HostRule

RETRY_AFTER = "5"  # seconds
_POLL = 0.5  # seconds between two looks at whether the program still waits


def create_app(
    engine: Engine | None,
    host: str,
    key: Key | None,
    another: AbstractAsyncContextManager[None] | None = None,
    mender: Mender | None = None,
) -> FastAPI:
    """The whole application, ready to be served: it transcribes with `engine`, and corrects typing with `mender`.

    `another` server of the same engine runs as long as it does.
    """

    @asynccontextmanager
    async def until_closed(app: FastAPI) -> AsyncIterator[None]:
        async with another or nullcontext():
            yield
        if engine:
            engine.close()

    app = FastAPI(title="Speech Studio", docs_url=None, redoc_url=None, openapi_url=None, lifespan=until_closed)
    app.add_middleware(ApiGate, hosts=HostRule.listening_on(host), key=key)
    app.add_exception_handler(StudioError, _in_words)
    app.add_exception_handler(ValidationError, _not_understood)
    app.add_exception_handler(HTTPException, _as_refusal)
    app.add_exception_handler(ClientDisconnect, answer_nobody)
    _models(app, [each for each in (engine, mender) if each])
    _completions(app, mender)
    _sound(app, engine)
    return app


def _models(app: FastAPI, served: Sequence[Engine | Mender]) -> None:
    @app.get("/v1/models")
    def models() -> dict[str, object]:
        return {"object": "list", "data": [_model(name) for each in served for name in each.names]}

    @app.get("/v1/models/{name:path}")
    def model(name: str) -> dict[str, object]:
        return _model(next((name for each in served if name in each.names), "") or served[0].known(name))


def _completions(app: FastAPI, mender: Mender | None) -> None:
    @app.post("/v1/completions")
    async def completions(request: Request) -> Response:
        if mender is None:
            raise DataError("This server corrects no typing.", "Start it with --mend RUN, or --mend typing-starter.")
        received = counted(request.receive, LARGEST_MESSAGE, _too_large)
        asked = CompletionRequest.model_validate_json(await Request(request.scope, received).body())
        found, name = await run_in_threadpool(mender.mend, asked), mender.known(asked.model)
        if asked.stream:
            return StreamingResponse(mending.events(found, name), media_type="text/event-stream")
        return JSONResponse(mending.answer(found, name))


def _sound(app: FastAPI, engine: Engine | None) -> None:
    @app.post("/v1/audio/transcriptions")
    async def transcriptions(request: Request) -> Response:
        if engine is None:
            await _heard_out(request)
            raise DataError("This server corrects typing: it transcribes nothing.", "Serve a speech run.")
        async with request.form(max_files=1) as form:
            asked, sound = TranscriptionRequest.of(form), form.get("file")
            if not isinstance(sound, UploadFile):
                raise DataError("The field “file” is missing.", "Send the recording as multipart form data.")
            name = engine.known(asked.model)
            if asked.wants_words:
                await run_in_threadpool(engine.check_aligner)
            received = await run_in_threadpool(UploadedRecording, sound)
        if asked.stream:
            return await _streamed(engine.read(name, received.path, asked.prompt), received)
        try:
            segments = await _until_gone(request, engine.read(name, received.path, asked.prompt))
            transcript = LongRecording(engine.recogniser, received.path).transcript(segments, None)
            timing = run_in_threadpool(engine.words, name, received.path, segments) if asked.wants_words else None
            words = await timing if timing else None
        finally:
            received.discard()
        shape, with_segments = asked.response_format, asked.wants_segments
        return answers.answer(transcript, shape, engine.language, words, with_segments=with_segments)

    @app.post("/v1/audio/translations")
    async def translations(request: Request) -> Response:
        await _heard_out(request)
        raise DataError(
            "This server transcribes and does not translate.",
            "Send the recording to /v1/audio/transcriptions and translate the text.",
        )


def _too_large() -> TooLargeError:
    return TooLargeError(f"The request is larger than {LARGEST_MESSAGE >> 20} MB.", "Send less at once.")


async def _heard_out(request: Request) -> None:
    """Take what is sent: many programs read no answer before they have sent everything."""
    async for _ in request.stream():
        pass


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "speech-studio"}


async def _until_gone(request: Request, pieces: Iterator[Segment]) -> list[Segment]:
    """All of `pieces`; transcription ends early where the program that asked hangs up."""
    gone = threading.Event()

    async def watch() -> None:
        while not await request.is_disconnected():
            await asyncio.sleep(_POLL)
        gone.set()

    watching = asyncio.create_task(watch())
    try:
        return await run_in_threadpool(_collected, pieces, gone)
    finally:
        watching.cancel()


def _collected(pieces: Iterator[Segment], gone: threading.Event) -> list[Segment]:
    segments = []
    for segment in pieces:
        segments.append(segment)
        if gone.is_set():
            break
    return segments


async def _streamed(pieces: Generator[Segment], received: UploadedRecording) -> Response:
    """Each piece as soon as it is transcribed. What goes wrong before the first one is an error of its own."""
    try:
        first = await run_in_threadpool(next, pieces, None)
    except BaseException:
        received.discard()
        raise

    async def events() -> AsyncIterator[str]:
        segments, latest = list[Segment](), first
        try:
            while latest is not None:
                yield answers.delta(f" {latest.text}" if segments else latest.text)
                segments.append(latest)
                latest = await run_in_threadpool(next, pieces, None)
            yield answers.done(segments)
        except StudioError as error:
            yield answers.failed(str(error))
        finally:
            pieces.close()
            received.discard()

    return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _in_words(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StudioError)
    headers = {"Retry_After": RETRY_AFTER} if error.status == 503 else {}
    return refusal(error.status, str(error), error.api_code, **headers)


async def _not_understood(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ValidationError)
    fault = first_fault(error)
    name = fault.field.partition(".")[0]
    return refusal(400, f"{fault}. Correct the field, or leave it out.", "invalid_value", param=name)


async def _as_refusal(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, str(error.detail), "not_found" if error.status_code == 404 else "invalid_request")

"""What a library's route cannot use is the sender's to correct; what our own code raises there is our fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from studio.text import digits_to_words
from studio.web.refusals import PlainRefusals


def served(answer: Callable[[Any], str]) -> TestClient:
    """A library's application whose route takes the body, as JSON, to `answer`."""

    async def route(request: Request) -> PlainTextResponse:
        return PlainTextResponse(answer(await request.json()))

    return TestClient(PlainRefusals(Starlette(routes=[Route("/", route, methods=["POST"])])))


def test_what_a_library_reaches_for_in_vain_is_refused_in_a_sentence() -> None:
    program = served(lambda sent: str(sent["data"]))
    assert program.post("/", json={"data": 1}).text == "1"
    refused = program.post("/", json={})
    assert refused.status_code == 400
    assert refused.json()["what"].startswith("The request cannot be used")


def test_what_our_own_code_raises_is_no_refusal() -> None:
    with pytest.raises(TypeError):
        served(lambda sent: digits_to_words(sent["data"])).post("/", json={"data": None})

"""What a request may carry, whatever it announces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI, UploadFile
from fastapi.testclient import TestClient

from studio.web import bodies
from studio.web.bodies import Bodies, fault_of
from studio.web.faults import handlers

MIB = 1 << 20


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(bodies, "LARGEST_UPLOAD", 2 * MIB)
    monkeypatch.setattr(bodies, "LARGEST_MESSAGE", MIB)
    app = FastAPI(exception_handlers=handlers())
    app.add_middleware(Bodies)

    @app.post("/message")
    def message(content: dict[str, float | str]) -> dict[str, float | str]:
        return content

    @app.post("/upload")
    def upload(file: UploadFile) -> int:
        return len(file.file.read())

    with TestClient(app) as client:
        yield client


def in_chunks(size: int, head: bytes = b"", tail: bytes = b"") -> Iterator[bytes]:
    """A body whose length is not announced."""
    yield head
    for _ in range(size // 65536):
        yield b" " * 65536
    yield tail


@pytest.mark.parametrize("size", [3 * MIB, 64 * MIB])
def test_an_upload_in_chunks_ends_at_the_limit_with_a_sentence(client: TestClient, size: int) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = client.post("/upload", content=in_chunks(size, head, b"\r\n--x--\r\n"), headers=kind)
    assert (answer.status_code, answer.json()["what"]) == (413, "More than 2 MB were sent at once.")
    assert client.post("/upload", content=in_chunks(MIB, head, b"\r\n--x--\r\n"), headers=kind).json() == MIB


def test_a_message_may_be_smaller_than_an_upload(client: TestClient) -> None:
    for content in (in_chunks(2 * MIB, b"{", b"}"), b"{" + b" " * 2 * MIB + b"}"):
        answer = client.post("/message", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["what"]) == (413, "More than 1 MB were sent at once.")


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1e999}', "1e999"),
        (b'{"a": -1E+400}', "-1E+400"),
        (b'{"a": "\\ud83d"}', "half a character"),
        (b'{"\\uDE00": 1}', "half a character"),
        (b'{"a": "\xed\xa0\xbd"}', "half a character"),
        ('{"a": NaN}'.encode("utf-16"), "NaN"),
    ],
)
def test_what_json_does_not_have_is_refused_with_its_reason(client: TestClient, body: bytes, what: str) -> None:
    answer = client.post("/message", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert what in answer.json()["what"]


@pytest.mark.parametrize(
    "body", [b'{"a": "\\ud83d\\ude00"}', '{"a": "NaN 😀 1e999"}'.encode(), b'{"a": 1e-999}', b'{"a": 1e300}']
)
def test_what_json_does_have_is_taken(client: TestClient, body: bytes) -> None:
    assert fault_of(body) == ""
    assert client.post("/message", content=body, headers={"Content-Type": "application/json"}).status_code == 200


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}", b"\xff\xfe", b"null", b"[]"]
)
def test_broken_json_and_other_types_are_the_clients_fault(client: TestClient, body: bytes) -> None:
    answer = client.post("/message", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["what"]

"""Other programs use a model as they use OpenAI's: checked with OpenAI's own client, and with bad manners."""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import httpx
import numpy as np
import pytest
import soundfile
from browsing import free_port
from fastapi.testclient import TestClient
from sounds import encoded, saved
from subtitles_read import read_srt, read_vtt
from tones import config, tones, train, wav

from studio.errors import ConfigError
from studio.models import AdapterHypothesis, load
from studio.models.echo import speak
from studio.serve.app import create_app
from studio.serve.engine import Engine, engine_for, terms_in
from studio.serve.turns import MOST_WAITING
from studio.web import gate
from studio.web.gate import Key, require_key
from studio.workspace import Workspace

if TYPE_CHECKING:  # half a second, in each process that collects tests
    import openai

KEY = "a-key-of-many-letters"
PHRASES = [f"order {number:04d} for room {number % 7}" for number in range(100, 115)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one run that writes digits as words."""
    root = tmp_path_factory.mktemp("workspace")
    tones(root)
    train(root, "tones-0001", config(dropout=0.0, max_steps=20))
    return root


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps recordings while it reads them."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def server(root: Path, temporary: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """`studio serve` as a person starts it: the process, its address, and what it said first."""
    port = free_port()
    words = [sys.executable, "-m", "studio", "--workspace", str(root), "serve", "tones-0001", "--port", str(port)]
    environment = os.environ | {"STUDIO_SERVE_KEY": KEY, "TMPDIR": str(temporary)}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    said = process.stdout.readline() + process.stdout.readline()
    yield process, f"http://127.0.0.1:{port}", said
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture(scope="module")
def plain(root: Path) -> Iterator[TestClient]:
    """A program with the key, talking to the application without a network between them."""
    engine = engine_for(Workspace(root), "tones-0001", "", "cpu", None)
    headers = {"Authorization": f"Bearer {KEY}"}
    app = create_app(engine, "127.0.0.1", Key.parse(KEY))
    with TestClient(app, base_url="http://127.0.0.1", headers=headers) as client:
        yield client


@pytest.fixture(scope="module")
def client(plain: TestClient) -> openai.OpenAI:
    import openai

    return openai.OpenAI(base_url="http://127.0.0.1/v1", api_key=KEY, max_retries=0, http_client=plain)


@pytest.fixture(scope="module")
def meeting() -> bytes:
    """Fifty seconds: more than a model hears at once."""
    pause = np.zeros(40_000, np.float32)
    return encoded(np.concatenate([part for phrase in PHRASES for part in (speak(phrase), pause)]), 16_000)


def clip(text: str = "order 12") -> tuple[str, bytes]:
    return "clip.wav", wav(text)


# OpenAI's client


def test_the_run_and_its_base_are_listed_and_read_differently(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tones-0001", "echo"]
    assert client.models.retrieve("echo").id == "echo"
    texts = {
        name: client.audio.transcriptions.create(file=clip(), model=name).text
        for name in ("tones-0001", "echo", "whisper-1")
    }
    assert texts == {"tones-0001": "order one two", "echo": "order 12", "whisper-1": "order one two"}


def test_every_format_of_a_long_file(client: openai.OpenAI, meeting: bytes) -> None:
    read = {
        shape: client.audio.transcriptions.create(file=("m.wav", meeting), model="echo", response_format=shape)  # type: ignore[call-overload]
        for shape in ("text", "srt", "vtt", "verbose_json")
    }
    verbose = read["verbose_json"]
    assert read_srt(read["srt"]) == read_vtt(read["vtt"])
    assert len(verbose.segments) == len(read_srt(read["srt"])) == len(PHRASES)
    assert read["text"].strip() == verbose.text == " ".join(segment.text for segment in verbose.segments)
    assert float(verbose.duration) == pytest.approx(len(soundfile.read(io.BytesIO(meeting))[0]) / 16_000, abs=0.01)
    assert verbose.segments[0].end <= verbose.segments[1].start


def test_a_stream_brings_the_pieces_one_after_the_other(client: openai.OpenAI, meeting: bytes) -> None:
    events = list(client.audio.transcriptions.create(file=("m.wav", meeting), model="echo", stream=True))
    assert [event.type for event in events] == ["transcript.text.delta"] * 15 + ["transcript.text.done"]
    assert "".join(event.delta for event in events[:-1]) == events[-1].text  # type: ignore[union-attr]


def test_what_changes_nothing_here_is_taken(client: openai.OpenAI) -> None:
    heard = client.audio.transcriptions.create(
        file=clip(), model="echo", language="de", temperature=0.7, prompt="Orders.", timestamp_granularities=["segment"]
    )
    assert heard.text == "order 12"


@pytest.mark.parametrize(
    ("file", "fields", "error", "what"),
    [
        (clip(), {"model": "gpt-9"}, "NotFoundError", "tones-0001, echo"),
        (("x.wav", b"no sound"), {"model": "echo"}, "BadRequestError", "sound file"),
        (("x.wav", encoded(np.zeros(0, np.float32), 16_000)), {"model": "echo"}, "BadRequestError", "no sound"),
        (clip(), {"model": "echo", "response_format": "docx"}, "BadRequestError", "response_format"),
        (
            clip(),
            {"model": "echo", "timestamp_granularities": ["word"], "response_format": "verbose_json"},
            "BadRequestError",
            "Whisper on the server",
        ),
        (clip(), {"model": "echo", "timestamp_granularities": ["word"]}, "BadRequestError", "verbose_json"),
        (("x.wav", b"no sound"), {"model": "echo", "stream": True}, "BadRequestError", "sound file"),
    ],
)
def test_what_cannot_be_done_is_said_in_the_clients_own_errors(
    client: openai.OpenAI,
    file: tuple[str, bytes],
    fields: dict[str, object],
    error: str,
    what: str,
) -> None:
    import openai

    with pytest.raises(getattr(openai, error), match=what):
        client.audio.transcriptions.create(file=file, **fields)  # type: ignore[call-overload]


# Programs that were not written with this server in mind


def sent(plain: TestClient, fields: dict[str, Any], file: tuple[str, bytes] | None = None) -> httpx.Response:
    """What curl, or a program with a form of its own, gets."""
    return plain.post("/v1/audio/transcriptions", files={"file": file or clip()}, data=fields)


def test_a_field_that_cannot_be_used_is_a_sentence_with_its_name_the_reason_and_what_to_do(plain: TestClient) -> None:
    data = {"model": "echo", "response_format": "docx"}
    said = plain.post("/v1/audio/transcriptions", data=data, files={"file": clip()}).json()["error"]
    assert said["param"] == "response_format"
    assert said["message"].startswith("response_format: must be 'json'")
    assert said["message"].endswith("(it was 'docx'). Correct the field, or leave it out.")


@pytest.mark.parametrize("name", ["timestamp_granularities", "timestamp_granularities[]"])
def test_granularities_are_understood_with_and_without_brackets(plain: TestClient, name: str) -> None:
    assert sent(plain, {"response_format": "verbose_json", name: "segment"}).json()["segments"]
    for value in ("letter", ["segment", "letter"], "segment,letter"):
        refused = sent(plain, {"response_format": "verbose_json", name: value})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "timestamp_granularities")
        assert "“letter” is not available, only “segment” and “word”" in refused.json()["error"]["message"]


def test_an_empty_field_means_its_default(plain: TestClient) -> None:
    names = ("model", "response_format", "stream", "prompt", "language", "temperature", "timestamp_granularities[]")
    answer = sent(plain, dict.fromkeys(names, ""))
    assert (answer.status_code, answer.json()["text"]) == (200, "order one two")


@pytest.mark.parametrize(
    "name", ["whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-mini-transcribe-2025-12-15"]
)
def test_the_names_of_openais_models_mean_what_is_served(client: openai.OpenAI, name: str) -> None:
    assert client.models.retrieve(name).id == "tones-0001"
    assert client.audio.transcriptions.create(file=clip(), model=name).text == "order one two"


def test_another_of_openais_models_is_not_passed_off_as_this_one(client: openai.OpenAI) -> None:
    import openai

    with pytest.raises(openai.NotFoundError, match="gpt-4o-transcribe-diarize"):
        client.audio.transcriptions.create(file=clip(), model="gpt-4o-transcribe-diarize")


def test_a_translation_is_refused_with_the_way_to_a_transcript(plain: TestClient) -> None:
    refused = plain.post("/v1/audio/translations", files={"file": clip()}, data={"model": "whisper-1"})
    message = refused.json()["error"]["message"]
    assert (refused.status_code, "does not translate" in message) == (400, True)
    assert "/v1/audio/transcriptions" in message


@pytest.mark.parametrize("content", [b"no sound", b"", encoded(np.zeros(0, np.float32), 16_000), wav("a")[:44]])
@pytest.mark.parametrize("stream", ["false", "true"])
def test_a_refusal_names_the_file_as_the_program_called_it(plain: TestClient, content: bytes, stream: str) -> None:
    for name, shown in (
        ("Sitzung März.wav", "Sitzung März.wav"),
        ("C:\\talks\\a.mp3", "a.mp3"),
        ("../../b.ogg", "b.ogg"),
    ):
        message = sent(plain, {"stream": stream}, (name, content)).json()["error"]["message"]
        assert message.startswith(shown)
        assert "studio-" not in message


def test_a_full_disk_is_a_sentence_and_leaves_no_fragment(
    plain: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(source: BinaryIO, target: BinaryIO, length: int) -> None:
        target.write(source.read(10))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(shutil, "copyfileobj", full)
    refused = sent(plain, {})
    assert (refused.status_code, refused.json()["error"]["code"]) == (507, "disk_full")
    assert "clip.wav was not saved" in refused.json()["error"]["message"]
    assert not list(tmp_path.iterdir())


# Who may ask


def test_without_the_key_nothing_is_answered(plain: TestClient) -> None:
    for key in ("", "Bearer", "Bearer wrong", f"Basic {KEY}"):
        answer = plain.get("/v1/models", headers={"Authorization": key})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def test_a_web_site_gets_no_answer(plain: TestClient) -> None:
    assert plain.get("/v1/models", headers={"Host": "evil.com"}).status_code == 421
    posted = plain.post("/v1/audio/transcriptions", files={"file": clip()}, headers={"Origin": "https://evil.com"})
    assert (posted.status_code, posted.json()["error"]["code"]) == (403, "foreign_origin")


def test_beyond_loopback_a_key_is_required_and_a_short_one_is_none() -> None:
    require_key("127.0.0.1", 7870, None)
    require_key("0.0.0.0", 7870, Key.parse(KEY))
    with pytest.raises(ConfigError, match="STUDIO_SERVE_KEY"):
        require_key("0.0.0.0", 7870, None)
    for text in ("short", "with a space in the middle", "nötnötnötnötnöt!"):
        with pytest.raises(ConfigError, match="16"):
            Key.parse(text)


def test_other_addresses_and_missing_files_are_errors_in_the_same_shape(plain: TestClient) -> None:
    assert plain.get("/v1/chat/completions").json()["error"]["code"] == "not_found"
    missing = plain.post("/v1/audio/transcriptions", data={"model": "echo"})
    assert (missing.status_code, "file" in missing.json()["error"]["message"]) == (400, True)
    assert plain.post("/v1/audio/transcriptions", content=b"x").status_code == 400


def test_a_recording_that_is_too_large_is_refused(plain: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "LARGEST_UPLOAD", 1000)
    announced = plain.post("/v1/audio/transcriptions", files={"file": clip()})
    body = iter([b"--x\r\nContent-Disposition: form-data; name=file; filename=x\r\n\r\n", bytes(2000)])
    unannounced = plain.post(
        "/v1/audio/transcriptions", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert [answer.status_code for answer in (announced, unannounced)] == [413, 413]


# Many at once, and the end


def test_one_is_read_at_a_time_and_too_many_are_sent_away(meeting: bytes, tmp_path: Path) -> None:
    engine, path = Engine(load("echo", "cpu")), saved(tmp_path / "m.wav", meeting)
    held = engine.read("echo", path)
    next(held)  # it is being read
    read: list[int] = []

    def wait() -> None:
        read.append(len(list(engine.read("echo", path))))

    waiting = [threading.Thread(target=wait) for _ in range(MOST_WAITING)]
    for thread in waiting:
        thread.start()
    while engine._turns._inside <= MOST_WAITING:
        time.sleep(0.01)
    with TestClient(create_app(engine, "127.0.0.1", None), base_url="http://127.0.0.1") as client:
        answers = [client.post("/v1/audio/transcriptions", files={"file": clip()})]
        assert read == []
        held.close()
        for thread in waiting:
            thread.join()
        answers.append(client.post("/v1/audio/transcriptions", files={"file": clip()}))
    assert [answer.status_code for answer in answers] == [503, 200]
    assert answers[0].headers["retry-after"] == "5"
    assert read == [len(PHRASES)] * MOST_WAITING


@pytest.mark.parametrize(
    ("prompt", "terms"),
    [
        ("Kubernetes, Ray; Anna Müller", ["Kubernetes", "Ray", "Anna Müller"]),
        ("This is a talk about clusters. Ray.", ["Ray"]),
        ("", []),
    ],
)
def test_names_in_a_prompt_are_key_terms_and_sentences_are_not(prompt: str, terms: list[str]) -> None:
    assert terms_in(prompt) == terms


def test_key_terms_reach_short_and_long_recordings(meeting: bytes, tmp_path: Path) -> None:
    echo = load("echo", "cpu")
    given: list[bool] = []

    class Noting(type(echo.family)):  # type: ignore[misc]
        def transcribe_with_adapters(self, *args: object, **named: object) -> list[AdapterHypothesis]:
            given.append(named["terms"] is not None)
            return super().transcribe_with_adapters(*args, **named)

    engine = Engine(replace(echo, family=Noting()))
    for sound in (wav("order 12"), meeting):
        assert list(engine.read("echo", saved(tmp_path / "x.wav", sound), "orders, rooms"))
    assert given == [True] * (1 + len(PHRASES))


@pytest.mark.thorough
def test_the_first_words_say_where_it_is_and_how_to_try_it(server: tuple[object, str, str]) -> None:
    _, address, said = server
    port = address.rpartition(":")[2]
    assert said.startswith(f"tones-0001 is served at http://localhost:{port}/v1")
    assert f"curl http://localhost:{port}/v1/audio/transcriptions -H 'Authorization: Bearer KEY'" in said
    assert KEY not in said


@pytest.mark.thorough
def test_ctrl_c_lets_a_reading_end_and_leaves_nothing_behind(
    server: tuple[subprocess.Popen[str], str, str], meeting: bytes, temporary: Path
) -> None:
    process, address, _ = server
    fields = {"model": "echo", "stream": "true"}
    sent = {"files": {"file": ("m.wav", meeting)}, "data": fields, "headers": {"Authorization": f"Bearer {KEY}"}}
    with httpx.stream("POST", f"{address}/v1/audio/transcriptions", **sent, timeout=60) as answer:
        lines = answer.iter_lines()
        assert "transcript.text.delta" in next(lines)
        process.send_signal(signal.SIGINT)
        assert "transcript.text.done" in "".join(lines)
    assert process.wait(timeout=30) in (0, -signal.SIGINT, 130)
    assert not list(temporary.glob("studio-*"))

"""`studio serve --wyoming`: the tuned model in Home Assistant, asked by the protocol's own client; and what is kept."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
import warnings
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest
from fastapi.testclient import TestClient
from tones import config, tones, train, wav

from studio.data.manifest import Dataset
from studio.data.store import asr_results
from studio.errors import ConfigError
from studio.serve.app import create_app
from studio.serve.engine import Engine, engine_for
from studio.serve.keeping import KeptRecordings
from studio.serve.server import Doors, Served, serve
from studio.workspace import Workspace

with warnings.catch_warnings():  # Python 3.11 and 3.12 say that audioop will go; the package has its own by then
    warnings.simplefilter("ignore", DeprecationWarning)
    from wyoming.asr import Transcribe, Transcript
    from wyoming.audio import AudioChunk, AudioStart, AudioStop, wav_to_chunks
    from wyoming.client import AsyncTcpClient
    from wyoming.error import Error
    from wyoming.event import Event
    from wyoming.info import Describe, Info

    from studio.serve import wyoming

RUN = "tones-0001"
Result = TypeVar("Result")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one run that writes digits as words."""
    root = tmp_path_factory.mktemp("workspace")
    tones(root)
    train(root, RUN, config(dropout=0.0, max_steps=20))
    return root


@pytest.fixture
def engine(root: Path) -> Engine:
    return engine_for(Workspace(root), RUN, "", "cpu", None)


def completed(work: Coroutine[Any, Any, Result]) -> Result:
    """What `work` returns, on a thread of its own: in this one the browser of earlier tests has a loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, asyncio.wait_for(work, 60)).result()


def asked(engine: Engine, *events: Event, answers: int = 1) -> list[Event]:
    """What the server answers to `events`, in one connection; fewer than `answers` where it hangs up."""

    async def talk() -> list[Event]:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        async with wyoming.listening(engine, listener, frozenset()), AsyncTcpClient("127.0.0.1", port) as client:
            for event in events:
                await client.write_event(event)
            found = [await client.read_event() for _ in range(answers)]
        return [event for event in found if event is not None]

    return completed(talk())


def spoken(tmp_path: Path, text: str, **wanted: Any) -> list[Event]:
    """An utterance, as Home Assistant sends it."""
    path = tmp_path / "said.wav"
    path.write_bytes(wav(text))
    import wave

    with wave.open(str(path)) as sound:
        chunks = list(wav_to_chunks(sound, samples_per_chunk=1024, start_event=True, stop_event=True))
    return [Transcribe(**wanted).event(), *(chunk.event() for chunk in chunks)]


def test_an_utterance_is_transcribed_by_the_run(engine: Engine, tmp_path: Path) -> None:
    (answer,) = asked(engine, *spoken(tmp_path, "order 12"))
    assert Transcript.from_event(answer).text == "order one two"


def test_several_utterances_share_a_connection_and_may_ask_for_the_base_model(engine: Engine, tmp_path: Path) -> None:
    events = [*spoken(tmp_path, "order 12", name="echo"), *spoken(tmp_path, "order 7", name=RUN)]
    assert [Transcript.from_event(event).text for event in asked(engine, *events, answers=2)] == [
        "order 12",
        "order seven",
    ]


def test_home_assistant_is_told_the_models_and_their_language(engine: Engine) -> None:
    (answer,) = asked(engine, Describe().event())
    (program,) = Info.from_event(answer).asr
    assert [(model.name, model.languages, model.installed) for model in program.models] == [
        (RUN, ["en"], True),
        ("echo", ["en"], True),
    ]


def test_what_cannot_be_done_is_an_error_in_words_and_the_connection_goes_on(engine: Engine, tmp_path: Path) -> None:
    wrong = Transcribe(name="another").event()
    odd = AudioStart(rate=16_000, width=1, channels=1).event()
    *errors, text = asked(engine, wrong, odd, *spoken(tmp_path, "order 12"), answers=3)
    assert "“another” is not served here" in Error.from_event(errors[0]).text
    assert "1 bytes a sample" in Error.from_event(errors[1]).text
    assert Transcript.from_event(text).text == "order one two"


def test_an_endless_utterance_ends_with_a_sentence_and_leaves_no_file(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(wyoming, "LONGEST", 1)
    sound = {"rate": 16_000, "width": 2, "channels": 1}
    chunk = AudioChunk(audio=bytes(20_000), **sound).event()
    (answer,) = asked(engine, AudioStart(**sound).event(), chunk, chunk, AudioStop().event())
    assert "longer than" in Error.from_event(answer).text
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "sent",
    [
        b"[1, 2]\n",
        b"not json\n",
        b'{"data": {}}\n',
        b'{"type": "audio-start"}\n',
        json.dumps({"type": "audio-chunk", "payload_length": 1 << 40}).encode() + b"\n",
        b"\xff\xfe\x00\n" * 3,
        b"x" * 200_000,
    ],
)
def test_what_is_not_of_the_protocol_ends_the_connection_alone(engine: Engine, tmp_path: Path, sent: bytes) -> None:
    async def talk() -> tuple[bytes, str]:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        async with wyoming.listening(engine, listener, frozenset()):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            try:
                ended = await reader.read()
            except ConnectionError:
                ended = b""
            writer.close()
            async with AsyncTcpClient("127.0.0.1", port) as client:
                for event in spoken(tmp_path, "order 12"):
                    await client.write_event(event)
                answer = await client.read_event()
        assert answer is not None
        return ended, Transcript.from_event(answer).text

    assert completed(talk()) == (b"", "order one two")


def test_beyond_this_computer_the_addresses_that_may_ask_are_named() -> None:
    with pytest.raises(ConfigError, match="no password"):
        wyoming.require_addresses("0.0.0.0", [])
    with pytest.raises(ConfigError, match="homeassistant"):
        wyoming.require_addresses("0.0.0.0", ["homeassistant.local"])
    allowed = wyoming.require_addresses("0.0.0.0", ["192.168.1.20", "fe80::1"])
    peers = ["192.168.1.20", "::ffff:192.168.1.20", "fe80::1%eth0", "127.0.0.1", "192.168.1.21", "::ffff:10.0.0.1"]
    assert [wyoming._may_ask(peer, allowed) for peer in peers] == [True, True, True, True, False, False]


def test_without_its_package_the_line_that_installs_it_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wyoming", None)
    with pytest.raises(ConfigError, match="speech-studio\\[wyoming\\]"):
        serve(Workspace(root), Served(RUN, ""), "cpu", Doors("127.0.0.1", 0, None, wyoming=1))


@pytest.fixture
def kept(root: Path) -> Iterator[KeptRecordings]:
    kept = KeptRecordings(Workspace(root), "daily", 2)
    yield kept
    kept.close()


def test_a_server_that_has_kept_nothing_leaves_no_dataset(root: Path) -> None:
    KeptRecordings(Workspace(root), "never", 2).close()
    assert not (root / "recordings" / "never").exists()


def test_what_is_heard_is_kept_without_a_label_as_many_clips_as_were_allowed(root: Path, kept: KeptRecordings) -> None:
    engine = engine_for(Workspace(root), RUN, "", "cpu", kept)
    with TestClient(create_app(engine, "127.0.0.1", None), base_url="http://127.0.0.1") as client:
        for text in ("order 12", "order 34", "order 56"):
            answer = client.post("/v1/audio/transcriptions", files={"file": ("c.wav", wav(text))})
            assert answer.status_code == 200
    dataset = Dataset.open(Workspace(root).dataset("daily"))
    clips = dataset.utterances()
    assert [(clip.text, clip.split, clip.source) for clip in clips] == [("", "unused", "live")] * 2
    heard = asr_results.read(dataset)
    assert [(heard[clip.id].text, heard[clip.id].adapter) for clip in clips] == [
        ("order one two", RUN),
        ("order three four", RUN),
    ]

"""Typing is corrected for other programs by OpenAI's completions: with OpenAI's own client, and with bad requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_models
import tones
from fastapi.testclient import TestClient

from studio.config import TYPING_STARTER, TrainConfig
from studio.data.manifest import Dataset
from studio.inference.transcribe import transcribe_list
from studio.serve.app import create_app
from studio.serve.mending import LONGEST, MOST_PROMPTS, Mender
from studio.serve.server import Doors, Served, invitation
from studio.web.bodies import LARGEST_MESSAGE
from studio.web.gate import Key
from studio.workspace import Workspace

KEY = "a-key-of-many-letters"
HEADERS = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A program with the key; what it asks corrects typing with the bundled model and transcribes nothing."""
    mender = Mender.of(Workspace(tmp_path_factory.mktemp("workspace")), TYPING_STARTER, "cpu")
    app = create_app(None, "127.0.0.1", Key.parse(KEY), mender=mender)
    with TestClient(app, base_url="http://127.0.0.1", headers=HEADERS) as client:
        yield client


def test_openais_own_client_gets_each_prompt_corrected(client: TestClient) -> None:
    import openai

    program = openai.OpenAI(api_key=KEY, base_url="http://127.0.0.1/v1", http_client=client)
    assert [model.id for model in program.models.list()] == [TYPING_STARTER]
    answer = program.completions.create(
        model=TYPING_STARTER, prompt=["Where is teh station?", "All is well."], max_tokens=5, temperature=0.7
    )
    assert [choice.text for choice in answer.choices] == ["Where is the station?", "All is well."]
    assert answer.choices[0].finish_reason == "stop"


def test_a_stream_carries_the_same_text(client: TestClient) -> None:
    import openai

    program = openai.OpenAI(api_key=KEY, base_url="http://127.0.0.1/v1", http_client=client)
    chunks = program.completions.create(model=TYPING_STARTER, prompt="Where is teh station?", stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == "Where is the station?"


def test_words_to_keep_are_kept_and_every_change_is_named(client: TestClient) -> None:
    asked = {"prompt": "Where is teh zation?", "keep": ["zation"]}
    (choice,) = client.post("/v1/completions", json=asked).json()["choices"]
    assert choice["text"] == "Where is the zation?"
    assert choice["changes"] == [{"from": "teh", "to": "the"}]


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"prompt": "teh", "model": "gpt-4"}, 404, "corrects no typing here"),
        ({}, 400, "prompt"),
        ({"prompt": "x" * (LONGEST + 1)}, 400, "prompt"),
        ({"prompt": ["x"] * (MOST_PROMPTS + 1)}, 400, "prompt"),
        ({"prompt": 7}, 400, "prompt"),
    ],
)
def test_a_bad_request_is_answered_in_words(
    client: TestClient, asked: dict[str, object], status: int, said: str
) -> None:
    answer = client.post("/v1/completions", json=asked)
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]


def test_more_than_a_message_holds_is_refused_before_it_is_read(client: TestClient) -> None:
    answer = client.post("/v1/completions", content=b" " * (LARGEST_MESSAGE + 1))
    assert answer.status_code == 413
    assert answer.json()["error"]["message"].startswith("The request is larger than 32 MB.")


def test_without_the_key_nothing_is_corrected(client: TestClient) -> None:
    answer = client.post("/v1/completions", json={"prompt": "teh"}, headers={"Authorization": ""})
    assert answer.status_code == 401


def test_sound_and_typing_are_refused_where_no_model_takes_them(client: TestClient) -> None:
    sound = client.post("/v1/audio/transcriptions", files={"file": ("a.wav", b"RIFF")})
    assert sound.status_code == 400
    assert "transcribes nothing" in sound.json()["error"]["message"]
    with TestClient(create_app(None, "127.0.0.1", None), base_url="http://127.0.0.1") as other:
        typing = other.post("/v1/completions", json={"prompt": "teh"})
    assert "--mend" in typing.json()["error"]["message"]


@pytest.mark.thorough
def test_a_typing_run_is_served_and_its_base_model_too(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "recordings" / "habit", "typing")
    for place in range(12):
        split = ("train", "validation", "test")[place % 3]
        dataset.add_pair(f"teh {place}", f"the {place}", split=split)  # type: ignore[arg-type]
    tiny_models.causal_lm(tmp_path / "llama")
    config = TrainConfig.checked(dataset="habit", model=str(tmp_path / "llama"), max_steps=1, threads=1)
    tones.train(tmp_path, "typist", config)
    engine, mender = Served("typist", "").engines(Workspace(tmp_path), "cpu")
    assert engine is None
    assert mender is not None
    assert "/v1/completions" in invitation(engine, mender, Doors("127.0.0.1", 7870, None))
    with TestClient(create_app(engine, "127.0.0.1", None, mender=mender), base_url="http://127.0.0.1") as client:
        for name in ("", "typist", str(tmp_path / "llama")):
            assert client.post("/v1/completions", json={"prompt": "the", "model": name}).status_code == 200


def test_what_was_transcribed_is_corrected_next_to_the_transcript(tmp_path: Path) -> None:
    (tmp_path / "said.wav").write_bytes(tones.wav("send teh order"))
    (clip,) = transcribe_list([tmp_path / "said.wav"], model="echo", mend=TYPING_STARTER)["clips"]
    assert clip["text"] == "send teh order"
    assert clip["mended"] == "send the order."

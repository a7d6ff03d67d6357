"""What the Record tab keeps, and what it refuses: its routes, without a browser."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sounds import encoded, recording, tone
from starlette.responses import JSONResponse
from voices import TEXT, speech, steps

from studio.audio import read, wav_bytes
from studio.data import prompts
from studio.data.manifest import Dataset
from studio.errors import StudioError
from studio.ui import quality, record
from studio.workspace import Workspace


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.create(tmp_path / "recordings" / "mine")


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    app = FastAPI()
    for room in (record, quality):
        app.include_router(room.router(Workspace(tmp_path)))
    app.add_exception_handler(StudioError, lambda _, error: JSONResponse({"what": str(error)}, 400))
    return TestClient(app)


def save(client: TestClient, sound: bytes, **fields: str) -> dict[str, object]:
    answer = client.post("/studio/record/mine", files={"audio": sound}, data=fields)
    return {"status": answer.status_code, **answer.json()}


def test_a_saved_take_is_on_disk_sample_for_sample(client: TestClient, dataset: Dataset) -> None:
    sound = recording(rate=44_100)
    save(client, sound, text="hello", prompt="say hello")
    [clip] = dataset.utterances()
    assert (clip.text, clip.prompt, clip.source) == ("hello", "say hello", "microphone")
    kept, given = read(dataset.clip_path(clip)), read(sound)
    assert kept.sample_rate == 44_100
    assert np.array_equal(kept.samples, given.samples)


def test_a_retry_after_a_lost_answer_does_not_save_twice(client: TestClient, dataset: Dataset) -> None:
    for text in ("hello", "hello there"):
        save(client, recording(), text=text, prompt="say hello")
    assert [clip.text for clip in dataset.utterances()] == ["hello there"]


def test_the_same_sound_for_two_prompts_is_two_clips(client: TestClient, dataset: Dataset) -> None:
    for prompt in ("one", "two"):
        save(client, recording(), text=prompt, prompt=prompt)
    assert len(dataset.utterances()) == 2


def test_recording_again_replaces_and_the_old_take_can_be_had_back(client: TestClient, dataset: Dataset) -> None:
    old = dataset.add(recording(1), text="hello", prompt="say hello")
    answer = save(client, recording(2), text="hello", prompt="say hello", replaces=old.id)
    assert answer["replaced"] == [old.id]
    assert old.id not in [clip.id for clip in dataset.utterances()]
    dataset.restore([old.id])
    assert len(dataset.utterances()) == 2


def test_to_replace_a_clip_that_is_gone_already_is_no_error(client: TestClient, dataset: Dataset) -> None:
    assert save(client, recording(), text="hello", replaces="long gone")["replaced"] == []


@pytest.mark.parametrize(
    ("sound", "text", "says"),
    [
        (encoded(np.zeros(8000, np.float32), 16_000), "hello", "silent"),
        (encoded(tone(0.02), 16_000), "hello", "lasts 0.02 s"),
        (encoded(tone(0.0), 16_000), "hello", "no sound"),
        (b"not a sound at all", "hello", "not a sound file"),
        (b"", "hello", "is empty"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_a_sentence_and_leaves_nothing_behind(
    client: TestClient, dataset: Dataset, sound: bytes, text: str, says: str
) -> None:
    answer = save(client, sound, text=text)
    assert answer["status"] == 400
    assert says in str(answer["what"])
    assert dataset.utterances() == []
    assert list((dataset.folder / "clips").iterdir()) == []


def test_a_quiet_take_is_kept_and_says_so(client: TestClient, dataset: Dataset) -> None:
    take = wav_bytes(steps(speech() * np.float32(0.025)), 16_000)
    clip = client.post("/studio/record/mine", files={"audio": take}, data={"text": TEXT}).json()["clip"]
    assert "very quiet" in clip["verdict"][0]["what"]
    assert clip["verdict"][0]["remedy"]
    assert clip["quality"]["verdict"] == "look"
    assert {figure["name"]: figure["mark"] for figure in clip["quality"]["figures"]}["Loudness"] == "look"
    assert len(dataset.utterances()) == 1


def test_a_take_is_judged_before_it_is_saved_and_nothing_is_kept_of_it(client: TestClient, dataset: Dataset) -> None:
    answer = client.post("/studio/quality/mine", files={"audio": wav_bytes(speech(), 16_000)}, data={"text": TEXT})
    assert answer.json()["verdict"] == "fine"
    assert {figure["mark"] for figure in answer.json()["figures"]} == {"fine"}
    assert dataset.utterances() == []


def test_a_broken_measure_never_stops_a_save(
    client: TestClient, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("studio.audio.measurements.find_voice", broken)
    answer = save(client, recording(seconds=1.37), text="hello")  # a sound whose figures are not known yet
    assert answer["status"] == 200
    assert answer["clip"]["quality"] is None  # type: ignore[index]
    assert dataset.utterances()[0].quality is None


def test_a_clip_is_trimmed_and_the_card_follows(client: TestClient, dataset: Dataset) -> None:
    clip = dataset.add(wav_bytes(speech(before=2.0), 16_000), text=TEXT)
    card = client.get(f"/studio/quality/mine/{clip.id}").json()
    assert card["trim"] == pytest.approx(1.7, abs=0.15)
    answer = client.post(f"/studio/trim/mine/{clip.id}").json()
    assert answer["clip"]["quality"]["trim"] == 0
    assert answer["action"] == dataset.history()[0].id
    again = client.post(f"/studio/trim/mine/{clip.id}")
    assert again.status_code == 400
    assert "no long silence" in again.json()["what"]


def test_a_dataset_is_reported_on_and_trimmed_whole(client: TestClient, dataset: Dataset) -> None:
    for number, level in enumerate((1.0, 0.02)):
        dataset.add(wav_bytes(steps(speech(before=2.0) * np.float32(level)), 16_000), text=f"{TEXT} {number}")
    report = client.get("/studio/check/mine").json()
    assert report["verdicts"] == {"fine": 0, "look": 2, "re-record": 0}
    assert {count["code"]: count["clips"] for count in report["counts"]} == {"silence": 2, "quiet": 1}
    assert report["trim_clips"] == 2
    assert client.post("/studio/trim/mine").json()["clips"] == 2
    after = client.get("/studio/check/mine").json()
    assert (after["trim_clips"], after["verdicts"]["fine"]) == (0, 1)


def test_a_new_dataset_begins_with_the_numbers(client: TestClient) -> None:
    cards = client.get("/studio/record/fresh").json()
    assert (cards["script"], cards["convention"]) == ("numbers", "words")
    assert len(cards["prompts"]) == 50
    assert cards["prompts"][0]["clip"] is None


@pytest.mark.parametrize(
    ("choice", "count"),
    [
        ({"script": "numbers", "convention": "digits"}, 50),
        ({"script": "phrases"}, len(prompts.phrases())),
        ({"script": "phrases", "language": "de"}, len(prompts.phrases("de"))),
        ({"script": "own", "text": "good day\n\ngood day\ngood night\tGood night!"}, 2),
        ({"script": "free"}, 0),
    ],
)
def test_the_chosen_script_is_there_after_a_reload(client: TestClient, choice: dict[str, str], count: int) -> None:
    client.post("/studio/prompts/mine", json=choice)
    cards = client.get("/studio/record/mine").json()
    assert cards["script"] == choice["script"]
    assert cards["language"] == choice.get("language", "en")
    assert cards["convention"] == choice.get("convention", "words")
    assert len(cards["prompts"]) == count


def test_prompts_know_their_clips_whatever_the_convention(client: TestClient, dataset: Dataset) -> None:
    card = prompts.numbers("words")[3]
    clip = dataset.add(recording(), text=card.label, prompt=card.text)
    for convention in ("words", "digits"):
        client.post("/studio/prompts/mine", json={"script": "numbers", "convention": convention})
        assert client.get("/studio/record/mine").json()["prompts"][3]["clip"]["id"] == clip.id


def test_own_text_that_cannot_be_read_aloud_is_refused_and_the_old_prompts_stay(client: TestClient) -> None:
    client.post("/studio/prompts/mine", json={"script": "phrases"})
    answer = client.post("/studio/prompts/mine", json={"script": "own", "text": "good\n" + "word " * 500})
    assert "Line 2 is too long" in answer.json()["what"]
    assert client.get("/studio/record/mine").json()["script"] == "phrases"


def test_free_speech_shows_the_clips_without_a_prompt(client: TestClient, dataset: Dataset) -> None:
    client.post("/studio/prompts/mine", json={"script": "free"})
    save(client, recording(), text="what I said")
    assert [clip["text"] for clip in client.get("/studio/record/mine").json()["free"]] == ["what I said"]


def test_nothing_is_left_of_a_deleted_workspace(tmp_path: Path, client: TestClient) -> None:
    """A folder that goes away while the page is open is begun anew with the next take."""
    save(client, recording(), text="hello")
    shutil.rmtree(tmp_path / "recordings")
    assert save(client, recording(), text="hello")["status"] == 200


def test_only_the_clips_on_the_cards_are_judged(
    client: TestClient, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prompts.numbers("words")[0].text
    ids = [dataset.add(recording(seed), text="x", prompt=text).id for seed, text in enumerate((first, first, "other"))]
    judged = []
    monkeypatch.setattr(record, "shown", lambda _, clip: judged.append(clip.id) or {"id": clip.id})
    assert client.get("/studio/record/mine").json()["prompts"][0]["clip"] == {"id": ids[1]}
    assert judged == [ids[1]]


def test_a_take_too_long_to_be_saved_is_refused_before_it_is_measured(
    client: TestClient, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.data.quality.measured", lambda _: pytest.fail("it was measured"))
    answer = client.post("/studio/quality/mine", files={"audio": recording(seconds=61.0, rate=8_000)})
    assert answer.status_code == 400
    assert "a clip may last 60 s at most" in answer.json()["what"]


def test_a_long_list_of_prompts_is_laid_out_quickly(client: TestClient) -> None:
    lines = "\n".join(f"this is sentence {number}" for number in range(2000))
    client.post("/studio/prompts/mine", json={"script": "own", "text": lines})
    began = time.perf_counter()
    assert len(client.get("/studio/record/mine").json()["prompts"]) == 2000
    assert time.perf_counter() - began < 60

"""What the page asks of a typing dataset, without a browser: prompts, pairs, corrections, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import tones
from fastapi import FastAPI
from fastapi.testclient import TestClient

from studio.data.manifest import Dataset
from studio.models.base import Hypothesis
from studio.ui import base_models, record, review, sidebar, train_form, typing
from studio.web import faults
from studio.workspace import Workspace


class Hands:
    """In place of the process that holds a model: it puts “th” where “ht” was typed."""

    def correct_each(self, typed: str, model: str, adapters: tuple[Path, ...] = ()) -> list[Hypothesis]:
        texts = [typed, *(typed.replace("ht", "th") for _ in adapters)]
        return [Hypothesis(text=text, seconds=0, latency=0.02) for text in texts]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    Dataset.create(tmp_path / "recordings" / "hands", "typing")
    tones.tones(tmp_path, 4)
    return Workspace(tmp_path)


@pytest.fixture
def client(workspace: Workspace) -> Iterator[TestClient]:
    app = FastAPI(exception_handlers=faults.handlers())
    hands: Any = Hands()
    for router in (typing.router(workspace, hands), sidebar.router(workspace), review.router(workspace)):
        app.include_router(router)
    app.include_router(record.router(workspace))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_a_prompt_is_typed_saved_and_not_asked_for_again(client: TestClient, workspace: Workspace) -> None:
    cards = client.get("/studio/typing/hands/cards").json()["cards"]
    assert len(cards) >= 40
    assert not any(card["pair"] for card in cards)
    typed = {"typed": "helo  there", "text": cards[0]["text"], "prompt": cards[0]["text"], "seconds": 2.0}
    saved = client.post("/studio/typing/hands/pairs", json=typed | {"backspaces": 2, "key_times": [0, 0.1]}).json()
    assert client.get("/studio/typing/hands/cards").json()["cards"][0]["pair"] == saved
    (pair,) = Dataset(workspace.dataset("hands")).pairs()
    assert (pair.typed, pair.backspaces, pair.key_times, pair.source) == ("helo  there", 2, [0, 0.1], "keyboard")


def test_own_sentences_take_the_place_of_the_phrases(client: TestClient) -> None:
    found = client.post("/studio/typing/hands/own", json={"text": "one thing\ntwo things"}).json()
    assert [card["text"] for card in found["cards"]] == ["one thing", "two things"]


def test_pairs_are_listed_edited_and_guarded_against_what_others_changed(client: TestClient) -> None:
    for number in range(3):
        client.post("/studio/typing/hands/pairs", json={"typed": f"teh {number}", "text": f"the {number}"})
    page = client.get("/studio/typing/hands/pairs", params={"query": "“teh 1”"}).json()
    assert (page["total"], page["pairs"], page["rows"][0]["edits"]) == (1, 3, 2)
    address = f"/studio/typing/hands/pairs/{page['rows'][0]['id']}"
    edited = client.post(address, json={"typed": "hte 1", "was": {"typed": "teh 1"}}).json()
    assert edited["typed"] == "hte 1"
    refused = client.post(address, json={"typed": "x", "was": {"typed": "teh 1"}})
    assert (refused.status_code, refused.json()["code"]) == (409, "ConflictError")
    assert client.get("/studio/typing/hands/pairs", params={"query": "snr > 2"}).status_code == 400


def test_a_text_is_corrected_before_and_after_and_kept(
    client: TestClient, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = str(tiny_models.causal_lm(tmp_path / "llama"))
    monkeypatch.setattr(base_models, "known", lambda workspace, source: source)
    found = client.post("/studio/typing/mend", json={"text": "htis is it", "model": model}).json()
    assert (found["before"]["text"], found["after"], found["edits_after"]) == ("htis is it", None, [])
    refused = client.post("/studio/typing/mend", json={"text": "htis", "model": "echo"}).json()
    assert "takes sound" in refused["what"]
    kept = client.post("/studio/typing/hands/keep", json={"typed": "htis is it", "text": "this is it"}).json()
    assert kept["said"].startswith("Kept in “hands”")
    assert Dataset(workspace.dataset("hands")).pairs()[0].source == "live"


def test_a_file_of_pairs_comes_in_and_goes_out_again(client: TestClient) -> None:
    lines = b"source\ttarget\nteh cat\tthe cat\nonly one cell\n"
    report = client.post("/studio/typing/hands/import", files={"file": ("../../p.tsv", lines)}).json()
    assert (report["added"], report["skipped"]) == (1, 1)
    out = client.get("/studio/typing/hands/export/tsv")
    assert out.text.splitlines()[1].startswith("teh cat\tthe cat\t")
    assert "hands.tsv" in out.headers["content-disposition"]
    refused = client.post("/studio/typing/hands/import", files={"file": ("p.docx", b"PK")}).json()
    assert "no list of pairs" in refused["what"]


def test_speech_is_refused_by_these_routes_and_pairs_are_no_clips(client: TestClient) -> None:
    for address in ("tones/cards", "tones/pairs"):
        refused = client.get(f"/studio/typing/{address}")
        assert (refused.status_code, "not typing pairs" in refused.json()["what"]) == (400, True)
    assert client.post("/studio/typing/hands/pairs", json={"typed": "", "text": "a"}).status_code == 400
    client.post("/studio/typing/hands/pairs", json={"typed": "teh", "text": "the"})
    assert client.get("/studio/review/hands").json()["total"] == 0
    assert client.get("/studio/record/hands").status_code == 200


def test_the_sidebar_says_what_a_dataset_holds_and_which_models_take_it(
    client: TestClient, workspace: Workspace, tmp_path: Path
) -> None:
    model = base_models.add(workspace, str(tiny_models.causal_lm(tmp_path / "llama")))
    hands, voice = (client.get(f"/studio/overview/{name}").json() for name in ("hands", "tones"))
    assert (hands["kind"], voice["kind"]) == ("typing", "speech")
    assert model in hands["models"]
    assert model not in voice["models"]
    assert "starter" in voice["models"]
    assert "starter" not in hands["models"]


def test_the_form_of_a_typing_run_hides_what_is_of_sound(workspace: Workspace, tmp_path: Path) -> None:
    base_models.add(workspace, str(tiny_models.causal_lm(tmp_path / "llama")))
    names = {
        kind: _shown(train_form.form(workspace, name)) for kind, name in (("typing", "hands"), ("speech", "tones"))
    }
    assert names["speech"] - names["typing"] == set(train_form.OF_SOUND)
    assert names["typing"] < names["speech"]


def _shown(form: train_form.Form) -> set[str]:
    return {knob.name for knobs in form.knobs.values() for knob in knobs}

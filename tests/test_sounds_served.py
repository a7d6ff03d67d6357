"""Sounds reach the browser as audio or as a file to save: what was recorded is never a page of the studio."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sounds import encoded, recording, saved

from studio.data.manifest import Dataset
from studio.ui import clips, longfile, longfiles
from studio.ui.sounds import kind_of
from studio.workspace import Workspace

PAGE = b"<!doctype html><script>alert(1)</script>"


def with_page_inside(wave: bytes) -> bytes:
    """A WAV file that also holds a page, in a chunk of text."""
    chunk = (
        b"LIST" + (4 + 8 + len(PAGE)).to_bytes(4, "little") + b"INFO" + b"INAM" + len(PAGE).to_bytes(4, "little") + PAGE
    )
    whole = wave[:12] + chunk + wave[12:]
    return whole[:4] + (len(whole) - 8).to_bytes(4, "little") + whole[8:]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    app = FastAPI()
    for room in (clips, longfile):
        app.include_router(room.router(Workspace(tmp_path)))
    with TestClient(app) as client:
        yield client


def given(root: Path, name: str, content: bytes) -> str:
    """A long recording called `name`, as the page gave it: its id."""
    folder = root / "outputs" / "transcripts" / "20260101-000000-abcd"
    folder.mkdir(parents=True)
    saved(folder / "recording", content)
    about = longfiles.LongFileRequest(name=name, seconds=1.0, model="echo", run="", given_at=0.0)
    (folder / "about.json").write_text(about.model_dump_json())
    return folder.name


@pytest.mark.parametrize("name", ["talk.html", "talk.svg", "talk.xhtml", "talk.wav"])
def test_a_sound_that_holds_a_page_is_served_as_a_sound(client: TestClient, tmp_path: Path, name: str) -> None:
    answer = client.get(f"/studio/longfile/{given(tmp_path, name, with_page_inside(recording()))}/sound")
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("content", [PAGE, b"RIFF1234" + PAGE, b"", b"%PDF-1.4"])
def test_what_is_no_sound_is_saved_and_not_shown(client: TestClient, tmp_path: Path, content: bytes) -> None:
    answer = client.get(f"/studio/longfile/{given(tmp_path, 'Gespräch ä.html', content)}/sound")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''Gespr%C3%A4ch%20%C3%A4.html"


def test_a_clip_is_known_by_its_bytes_and_not_by_its_name(client: TestClient, tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "recordings" / "mine")
    clip = dataset.add(recording(), text="hello")
    assert client.get(f"/studio/clips/mine/{clip.id}").headers["content-type"] == "audio/wav"
    dataset.clip_path(clip).write_bytes(PAGE)
    answer = client.get(f"/studio/clips/mine/{clip.id}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("form", "kind"),
    [("WAV", "audio/wav"), ("FLAC", "audio/flac"), ("OGG", "audio/ogg"), ("MP3", "audio/mpeg"), ("AIFF", "audio/aiff")],
)
def test_what_people_record_can_be_played(tmp_path: Path, form: str, kind: str) -> None:
    import soundfile

    path = tmp_path / "sound.bin"
    soundfile.write(path, np.sin(np.arange(16_000) / 20).astype(np.float32) / 2, 16_000, format=form)
    assert kind_of(path) == kind
    assert kind_of(saved(tmp_path / "x", encoded(np.zeros(100, np.float32), 8_000))) == "audio/wav"

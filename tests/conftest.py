"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # many small tests share two cores
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import pytest
from hypothesis import settings

settings.register_profile("studio", deadline=None)  # a busy machine is no fault of what is tested
settings.load_profile("studio")

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def speech_folder() -> Path:
    """Real human clips with transcripts; never part of the project."""
    folder = Path(os.environ.get("STUDIO_SPEECH") or PROJECT.parent / "shared" / "speech")
    if not (folder / "metadata.jsonl").is_file():
        pytest.skip("real speech is absent: set STUDIO_SPEECH to a folder with metadata.jsonl")
    return folder

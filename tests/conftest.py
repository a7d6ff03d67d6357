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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes begin first: else one process ends with them while the others have nothing to do."""
    slow, browser = ({item.path for item in items if item.get_closest_marker(name)} for name in ("slow", "browser"))
    items.sort(key=lambda item: (item.path not in slow, item.path not in browser))


@pytest.fixture(scope="session")
def speech_folder() -> Path:
    """Real human clips with transcripts; never part of the project."""
    folder = Path(os.environ.get("STUDIO_SPEECH") or PROJECT.parent / "shared" / "speech")
    if not (folder / "metadata.jsonl").is_file():
        pytest.skip("real speech is absent: set STUDIO_SPEECH to a folder with metadata.jsonl")
    return folder


@pytest.fixture(scope="session")
def cases() -> Path:
    """Inputs of public bug reports, with what is right; never part of the project."""
    folder = PROJECT.parent / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip("the cases are absent: they belong in shared/cases beside the project")
    return folder

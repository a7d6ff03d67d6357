"""constraints.txt names one exact version of everything that is installed; `make pins` says what moved."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

PROJECT = Path(__file__).resolve().parent.parent
LINES = [line for line in (PROJECT / "constraints.txt").read_text().split("\n") if line and line[0] != "#"]
PROJECT_TABLE = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
NAMED = [
    Requirement(text)
    for texts in (PROJECT_TABLE["dependencies"], *PROJECT_TABLE["optional-dependencies"].values())
    for text in texts
    if not text.startswith("speech-studio")
]


@pytest.fixture(scope="module")
def pins() -> ModuleType:
    specification = importlib.util.spec_from_file_location("pins", PROJECT / ".ci" / "pins.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_a_pin_is_a_name_and_an_exact_version_alone() -> None:
    assert [line for line in LINES if not re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.+]*", line)] == []


@pytest.mark.parametrize("requirement", NAMED, ids=lambda requirement: str(requirement.name))
def test_each_declared_package_is_pinned_within_its_bounds(requirement: Requirement, pins: ModuleType) -> None:
    version = pins.pins("\n".join(LINES))[requirement.name.lower()]
    assert requirement.specifier.contains(Version(version))


def test_what_came_went_and_moved_is_printed(pins: ModuleType) -> None:
    before, after = {"torch": "2.12.0", "old": "1", "same": "3"}, {"torch": "2.13.0", "new": "2", "same": "3"}
    assert pins.changes(before, after) == ["new: none → 2", "old: 1 → none", "torch: 2.12.0 → 2.13.0"]


def test_packages_of_cuda_builds_are_left_to_pytorch(pins: ModuleType) -> None:
    assert pins.pins("torch==2.13.0\nnvidia-cublas==13.4\ntriton==3.9.0\n") == {"torch": "2.13.0"}


def test_a_package_with_two_versions_is_refused_by_name(pins: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"numpy would need two versions, 2\.4 and 2\.5"):
        pins.pins("numpy==2.4\nnumpy==2.5\n")

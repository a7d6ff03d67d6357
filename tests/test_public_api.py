"""What `import studio` promises."""

from __future__ import annotations

import pytest

import studio


def test_every_public_name_is_there_and_nothing_else_is_promised() -> None:
    assert sorted(studio.__all__) == list(studio.__all__)
    for name in studio.__all__:
        assert getattr(studio, name).__name__ == name
    assert set(studio._HOME) == set(studio.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        studio.no_such_name  # noqa: B018


def test_the_version_is_the_packages() -> None:
    from importlib.metadata import version

    assert version("speech-studio") == studio.__version__

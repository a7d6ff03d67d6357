"""Numbers that are written in two ways are told before a start, on the page and in the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_table import written
from typer.testing import CliRunner

from studio.cli import app
from studio.data.labels.mixed_numbers import numbers_in_two_ways
from studio.ui import train_form
from studio.workspace import Workspace

SPELLED = [f"order number {word} two nine" for word in ("one", "four", "six")]


@pytest.mark.parametrize(
    ("labels", "what", "common"),
    [
        ([*SPELLED, "4896"], "1 label writes numbers as digits (“4896”), 3 as words", "words"),
        (["order 129", "order 130", "order one"], "1 label writes numbers as words (“order one”), 2 as digits", None),
        (
            ["order 12", "order 13", "twenty two"],
            "1 label writes numbers as words (“twenty two”), 2 as digits",
            "digits",
        ),
    ],
)
def test_the_labels_unlike_most_are_counted_and_one_is_named(labels: list[str], what: str, common: str | None) -> None:
    found = numbers_in_two_ways(labels)
    if common is None:  # “order one”: one alone is no number
        assert found is None
    else:
        assert found is not None
        assert found.what.startswith(what)
        assert found.common == common


@pytest.mark.parametrize("labels", [SPELLED, ["4896", "129"], ["no number", "not one"], []])
def test_labels_that_agree_are_left_in_peace(labels: list[str]) -> None:
    assert numbers_in_two_ways(labels) is None


def test_the_train_tab_and_the_train_verb_say_so_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_WORKSPACE", str(tmp_path))
    aside = {"text": "77 clips", "split": "unused"}
    written(tmp_path / "recordings" / "mine", [{"text": text} for text in [*SPELLED, "4896"]] + [aside])
    assert train_form.clips(Workspace(tmp_path), "mine").mixed.startswith("1 label writes numbers as digits (“4896”)")
    monkeypatch.setattr("studio.cli.rendering.starting.in_turn", lambda *_: None)
    said = CliRunner().invoke(app, ["train", "mine", "--queue"]).output
    assert "1 label writes numbers as digits (“4896”), 3 as words: the model will learn to mix them." in said
    assert "`studio label mine --numbers words --apply` writes all in one way." in said

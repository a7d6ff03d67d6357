"""`studio label`: shows before it writes, writes what it showed, and takes it back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sounds import recording
from typer.testing import CliRunner

from studio import cli
from studio.data.manifest import Dataset
from studio.data.store import asr_results
from studio.errors import ConfigError, ConflictError, StudioError
from studio.inference import label_offers
from studio.inference.label_offers import Request

TEXTS = ["order 129", "call 555-0199", "please hold", "one moment", "at 10:45"]


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("STUDIO_WORKSPACE", str(tmp_path))
    dataset = Dataset.create(tmp_path / "recordings" / "mine")
    for seed, text in enumerate(TEXTS):
        dataset.add(recording(seed), text=text, split="train")
    return dataset


def texts(dataset: Dataset) -> list[str]:
    return [clip.text for clip in dataset.utterances()]


def studio(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli.app, ["label", "mine", *words])
    if isinstance(result.exception, StudioError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def test_numbers_are_shown_first_then_written_then_taken_back(dataset: Dataset) -> None:
    shown = studio("--numbers", "words")
    assert "- order 129\n+ order one two nine" in shown
    assert "2 of 5 labels would change. Nothing was written" in shown
    assert texts(dataset) == TEXTS
    assert "2 of 5 labels changed" in studio("--numbers", "words", "--apply")
    changed = ["order one two nine", "call five five five zero one nine nine", *TEXTS[2:]]
    assert texts(dataset) == changed
    assert dataset.history()[0].what == "Numbers as words in 2 labels"
    assert studio("--undo") == "Undone: Numbers as words in 2 labels.\n"
    assert texts(dataset) == TEXTS


def test_a_dry_run_writes_nothing_even_beside_apply(dataset: Dataset) -> None:
    studio("--numbers", "words", "--apply", "--dry-run")
    assert texts(dataset) == TEXTS


def test_rules_are_given_by_name_and_a_wrong_one_is_told_what_there_is(dataset: Dataset) -> None:
    assert "+ at ten forty five" in studio("--numbers", "words", "--rule", "times=words")
    with pytest.raises(ConfigError, match=r"times=words\|leave"):
        studio("--numbers", "words", "--rule", "times=perhaps")
    with pytest.raises(ConfigError, match="like money=words"):
        studio("--numbers", "words", "--rule", "times")


def test_only_the_clips_that_were_chosen_are_touched(dataset: Dataset, tmp_path: Path) -> None:
    listed = tmp_path / "ids.txt"
    listed.write_text(dataset.utterances()[1].id + "\n")
    found = json.loads(studio("--numbers", "words", "--clips", str(listed), "--json"))
    assert [item["before"] for item in found["proposals"]] == ["call 555-0199"]


def test_the_validator_lists_offenders_and_fails_where_there_are_some(dataset: Dataset) -> None:
    said = studio("--validate", "words", code=1)
    assert "3 of 5 labels still hold digits." in said
    assert "at 10:45  (10:45)" in said
    assert "All 5 labels write numbers as digits." in studio("--validate", "digits")
    assert json.loads(studio("--validate", "words", "--json", code=1))[0]["found"] == ["129"]


def test_without_a_wish_the_style_is_checked_and_one_kind_can_be_mended(dataset: Dataset) -> None:
    dataset.edit(dataset.utterances()[2].id, text="PLEASE HOLD")
    said = studio()
    assert "All capitals (shouting). 4 of 5 labels are written in lower case." in said
    assert "+ please hold" in studio("--style", "shouting", "--apply")
    assert texts(dataset) == TEXTS
    assert "nothing to change" in studio("--style", "shouting", "--apply")
    assert "All are written in one style." in studio()


def test_two_wishes_at_once_are_refused(dataset: Dataset) -> None:
    with pytest.raises(ConfigError, match="one way at a time"):
        studio("--numbers", "words", "--style", "shouting")


def test_what_a_model_heard_becomes_the_label_only_when_asked_and_sure(dataset: Dataset) -> None:
    studio("--prelabel", "echo")
    assert texts(dataset) == TEXTS
    readings = asr_results.read(dataset)
    assert len(readings) == 5
    first = dataset.utterances()[0]
    sure = readings[first.id].model_copy(update={"text": "order 1296", "words": [("order", 0.95), ("1296", 0.9)]})
    unsure = readings[dataset.utterances()[1].id].model_copy(update={"text": "call", "words": [("call", 0.4)]})
    asr_results.append(dataset, [sure, unsure])
    found = json.loads(studio("--use-heard", "--sure", "0.85", "--json"))
    assert [(item["before"], item["after"], item["rule"]) for item in found["proposals"]] == [
        ("order 129", "order 1296", "90% sure")
    ]


def test_a_list_that_is_no_longer_true_is_not_applied(dataset: Dataset) -> None:
    request = Request(kind="numbers")
    shown = label_offers.offer(dataset, dataset.utterances(), request)
    dataset.edit(dataset.utterances()[0].id, text="order 130")
    with pytest.raises(ConflictError, match="Labels have changed"):
        label_offers.accept(dataset, dataset.utterances(), request, shown.digest)
    assert texts(dataset)[1:] == TEXTS[1:]
    again = label_offers.offer(dataset, dataset.utterances(), request)
    left = dataset.utterances()[0].id
    done = label_offers.accept(dataset, dataset.utterances(), request, again.digest, without=[left])
    assert done == (1, "Numbers as words in 1 label")
    assert texts(dataset)[0] == "order 130"

"""What to read next is known from runs, from what models heard, and from the person's own list."""

from __future__ import annotations

from pathlib import Path

import pytest
from tones import config, folder_of, tones, train
from typer.testing import CliRunner

from studio import cli
from studio.data import prompts
from studio.data.manifest import Dataset
from studio.data.store import asr_results
from studio.data.store.asr_results import AsrResult
from studio.evaluation.evaluate import Evaluation
from studio.evaluation.reading_list import read_next
from studio.workspace import ENVIRONMENT_VARIABLE, Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    tones(tmp_path)
    return Workspace(tmp_path)


def reasons(workspace: Workspace) -> str:
    return " ".join(card.why for card in read_next(workspace, Dataset.open(workspace.dataset("tones")), count=10))


def test_what_the_newest_run_missed_on_its_held_out_clips_is_asked_for(workspace: Workspace) -> None:
    assert "misheard" not in reasons(workspace)
    train(workspace.root, "deaf", config(max_steps=1))
    tuned = folder_of(workspace.root, "deaf").tuned
    evaluation = Evaluation.read(tuned)
    assert evaluation
    silent = [row.model_copy(update={"hypothesis": "order"}) for row in evaluation.rows]
    evaluation.model_copy(update={"rows": silent}).write(tuned)
    assert " was transcribed wrongly in " in reasons(workspace)


def test_what_a_model_heard_otherwise_than_the_label_is_asked_for(workspace: Workspace) -> None:
    dataset = Dataset.open(workspace.dataset("tones"))
    clip = dataset.utterances()[0]
    text = f"{clip.text} quokka"
    dataset.edit(clip.id, text=text)
    line = AsrResult(id=clip.id, audio_sha256=clip.audio_sha256, label=text, model="echo", text=clip.text, at="")
    asr_results.append(dataset, [line])
    assert "“quokka” was transcribed wrongly in the clip that has it." in reasons(workspace)


def test_the_verb_keeps_the_terms_and_the_cards(workspace: Workspace, tmp_path: Path) -> None:
    terms = tmp_path / "terms.txt"
    terms.write_text("Kowalczyk\nkowalczyk\n")
    done = CliRunner().invoke(cli.app, ["prompts", "tones", "--terms", str(terms), "--count", "5"])
    assert done.exit_code == 0, done.output
    dataset = Dataset.open(workspace.dataset("tones"))
    assert prompts.load_terms(dataset) == ["Kowalczyk"]
    cards = prompts.load(dataset)
    assert len(cards) == 5
    assert "“Kowalczyk” is on your list: recorded 0 of 3 times." in [card.why for card in cards]
    assert all(card.text in done.output for card in cards)


def test_a_dry_run_changes_nothing(workspace: Workspace) -> None:
    assert CliRunner().invoke(cli.app, ["prompts", "tones", "--dry-run"]).exit_code == 0
    assert prompts.load(Dataset.open(workspace.dataset("tones"))) == []

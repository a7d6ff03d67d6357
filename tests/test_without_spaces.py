"""A language that puts no spaces between words: characters are counted, wherever a rate of errors decides or leads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import verbs
from tones import config, folder_of, tones, train

from studio.cli.rendering import follow
from studio.reports.learning_curve import learning_curve
from studio.reports.markdown import write_report
from studio.reports.result import result_of
from studio.reports.run_page import wer_lines
from studio.runs import listing
from studio.runs.events import Evaluated, Event, Finished
from studio.workspace import Workspace

KANA = "あいうえおかきくけこさしすせそたちつてと"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset whose labels are Japanese."""
    root = tmp_path_factory.mktemp("workspace")
    dataset = tones(root)
    clips = enumerate(dataset.utterances())
    dataset.change({clip.id: {"text": f"{KANA[place]}と{KANA[-place]}をください"} for place, clip in clips})
    return root


@pytest.fixture(scope="module")
def run(workspace: Path) -> list[Event]:
    """A short run on it."""
    return train(workspace, "kana", config(max_steps=4, eval_every=2, normaliser="plain"))


def test_the_best_step_is_chosen_by_character_errors(run: list[Event]) -> None:
    scorings = [event for event in run if isinstance(event, Evaluated) and event.split == "validation"]
    assert {event.unit for event in scorings} == {"character"}
    assert all(event.wer >= 1.0 for event in scorings), "by words every step is wrong throughout"


def test_a_scoring_keeps_the_rate_of_characters_and_their_number(workspace: Path, run: list[Event]) -> None:
    newest = max((folder_of(workspace, "kana").checkpoints).glob("*/state.json"))
    best = json.loads(newest.read_text())["progress"]["best"]
    scoring = next(event for event in run if isinstance(event, Evaluated) and event.best and event.step == best["step"])
    assert best["wer"] == pytest.approx(scoring.cer)
    assert best["words"] > 4 * len(KANA) // 5, "characters, not the four words"


def test_list_terminal_report_page_and_curve_lead_with_characters(workspace: Path, run: list[Event]) -> None:
    folder, finished = folder_of(workspace, "kana"), run[-1]
    assert isinstance(finished, Finished)
    (listed,) = listing.runs(Workspace(workspace))
    assert (listed.rate, listed.before, listed.after) == ("CER", finished.cer_before, finished.cer_after)
    assert "CER" in verbs.call(workspace, "runs").said
    assert "CER" in str(follow.line(finished)).partition("WER")[0]
    write_report(folder, finished)
    assert "| Step | CER |" in folder.report.read_text()
    result = result_of(folder)
    scorings = [event for event in run if isinstance(event, Evaluated) and event.split == "validation"]
    assert [point.wer for point in result.curve] == [event.cer for event in scorings]
    assert wer_lines(result)[0].name == "validation CER"
    curve = learning_curve(folder, "exact")
    assert (curve.unit, curve.base_wer) == ("character", result.before.score.cer)
    assert curve.points[0].wer == pytest.approx(result.after.score.cer)

"""Datasets, runs and results as pandas tables, and as CSV that is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from finished import finished
from tones import tones
from verbs import call

from studio.data.view.frame import COLUMNS
from studio.reports.comparison import compare_runs
from studio.reports.result import result_of
from studio.runs import listing
from studio.runs.folder import RunFolder
from studio.workspace import Workspace

SAID = [f"order one two {word} please" for word in ("three", "four", "five", "six") * 5]
WRONG = [text.replace("two", "too") for text in SAID]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("frames")
    dataset = tones(root, 4)
    dataset.edit(dataset.utterances()[0].id, text="=HYPERLINK(1)", speaker="@anna")
    finished(root, "first", SAID, WRONG, SAID)
    finished(root, "second", SAID, WRONG, WRONG, rank=4)
    return root


def rows_of(said: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(said)))


def test_a_dataset_is_a_table_with_a_row_a_clip(root: Path) -> None:
    dataset = tones(root / "other", 3)
    frame = dataset.to_pandas()
    assert list(frame.columns) == [*COLUMNS]
    assert frame["id"].tolist() == [clip.id for clip in dataset.utterances()]
    assert frame["duration"].sum() == pytest.approx(dataset.seconds())
    assert frame["peak_db"].notna().all()
    assert frame["hypothesis"].isna().all()
    assert str(frame["created_at"].dtype).startswith("datetime64")


def test_an_empty_dataset_is_an_empty_table_with_the_same_columns(tmp_path: Path) -> None:
    frame = tones(tmp_path, 0).to_pandas()
    assert (len(frame), list(frame.columns)) == (0, [*COLUMNS])


def test_runs_are_a_table_with_their_results_and_settings(root: Path) -> None:
    frame = listing.to_pandas(Workspace(root)).set_index("name")
    assert set(frame.index) == {"first", "second"}
    assert frame.loc["second", "rank"] == 4
    assert frame["wer_after"].notna().all()
    assert str(frame["started_at"].dtype).startswith("datetime64")


def test_a_workspace_without_runs_is_an_empty_table(tmp_path: Path) -> None:
    frame = listing.to_pandas(Workspace(tmp_path))
    assert len(frame) == 0
    assert {"name", "wer_after", "learning_rate"} <= set(frame.columns)


def test_a_result_has_its_clips_words_and_confusions_as_tables(root: Path) -> None:
    result = result_of(RunFolder(Workspace(root).run("first")))
    clips, words, confusions = result.clips_frame(), result.words_frame(), result.confusions_frame()
    assert len(clips) == result.clips
    assert set(clips["outcome"]) == {"better"}
    assert clips["hypothesis_before"].tolist() == WRONG
    assert words.set_index("word").loc["two", ["said", "right_before", "right_after"]].tolist() == [20, 0, 20]
    assert len(confusions) == 0
    worse = result_of(RunFolder(Workspace(root).run("second"))).confusions_frame()
    assert worse[["said", "written", "after"]].to_numpy().tolist() == [["two", "too", 20]]


def test_a_comparison_is_a_table_with_the_settings_that_differ(root: Path) -> None:
    folders = [RunFolder(Workspace(root).run(name)) for name in ("first", "second")]
    frame = compare_runs(folders).to_pandas()
    assert frame["run"].tolist() == ["first", "second"]
    assert frame["setting_rank"].iloc[1] == 4
    assert frame["against_first"].tolist()[1] == "worse"


@pytest.mark.parametrize(
    ("words", "rows"),
    [(["runs"], 2), (["compare", "first", "second"], 2), (["check", "tones"], 4)],
    ids=["runs", "compare", "check"],
)
def test_a_verb_prints_its_table_as_csv_alone(root: Path, words: list[str], rows: int) -> None:
    assert len(rows_of(call(root, *words, "--csv", "-").said)) == rows


def test_evaluate_writes_a_row_a_clip_and_still_prints_its_summary(root: Path, tmp_path: Path) -> None:
    ended = call(root, "evaluate", "tones", "--model", "echo", "--split", "train", "--csv", str(tmp_path / "out.csv"))
    assert ended.code == 0, ended.said
    assert "WER, exact" in ended.said
    assert len(rows_of((tmp_path / "out.csv").read_text())) == 3


def test_cells_that_a_spreadsheet_would_compute_get_an_apostrophe_in_csv(root: Path) -> None:
    first = rows_of(call(root, "check", "tones", "--csv", "-").said)[0]
    assert (first["text"], first["speaker"]) == ("'=HYPERLINK(1)", "'@anna")
    assert float(first["peak_db"]) < 0  # a negative number stays a number
